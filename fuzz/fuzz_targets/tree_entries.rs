//! Entries of a hostile tree: what is shown is a name, in order, once, and never `.git`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toft::base::{Tree, is_dotgit_disguise};
use toft::git::RawEntry;
use toft::types::{HashKind, Oid};

fuzz_target!(|entries: Vec<(u32, Vec<u8>)>| {
    let oid = Oid::null(HashKind::Sha1);
    let raw = entries.iter().map(|(mode, name)| RawEntry { mode: *mode, name: name.clone(), oid });
    let tree = Tree::sift(raw.collect());
    assert_eq!(tree.entries.len() + tree.hidden.len(), entries.len());
    assert!(tree.entries.windows(2).all(|pair| pair[0].name < pair[1].name));
    for entry in &tree.entries {
        let name = entry.name.as_bytes();
        assert!(!is_dotgit_disguise(name) && !name.contains(&b'/') && name != b"..");
        assert_eq!(tree.find(name), Some(entry));
    }
});
