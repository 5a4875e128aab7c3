//! A hostile tree object: what is shown is a name, in order, once, and never `.git`.
#![no_main]

mod types {
    pub use toft::types::*;
}
#[path = "../../src/git/tree.rs"]
#[allow(dead_code, reason = "a part of the room")]
mod tree;

use libfuzzer_sys::fuzz_target;
use toft::base::{Tree, is_dotgit_disguise};
use toft::git::RawEntry;
use types::{HashKind, TreeMode};

fuzz_target!(|input: &[u8]| {
    let Some((kind, object)) = input.split_first() else { return };
    let hash = if kind % 2 == 0 { HashKind::Sha1 } else { HashKind::Sha256 };
    let Ok(raw) = tree::parse(object, hash) else { return };
    let count = raw.len();
    let raw = raw.into_iter().map(|entry| RawEntry {
        mode: entry.mode,
        name: entry.name,
        oid: entry.oid,
    });
    let sifted = Tree::sift(raw.collect());
    assert_eq!(sifted.entries.len() + sifted.hidden.len(), count);
    assert!(sifted.entries.windows(2).all(|pair| pair[0].name < pair[1].name));
    for entry in &sifted.entries {
        let name = entry.name.as_bytes();
        assert!(!is_dotgit_disguise(name) && !name.contains(&b'/'));
        assert!(!matches!(name, b"" | b"." | b"..") && name.len() <= 255);
        assert_eq!(sifted.find(name), Some(entry));
    }
    writes_what_it_reads(&sifted, hash);
});

/// What we show can be sealed, and is the same then.
fn writes_what_it_reads(sifted: &Tree, hash: HashKind) {
    let item = |entry: &toft::base::Entry| tree::TreeItem {
        mode: entry.mode,
        name: entry.name.clone(),
        oid: entry.oid,
    };
    let bytes = tree::encode(sifted.entries.iter().map(item).collect()).expect("no name twice");
    let mut again = tree::parse(&bytes, hash).expect("what we write can be read");
    again.sort_by(|a, b| a.name.cmp(&b.name));
    let same = sifted.entries.iter().zip(&again).all(|(shown, read)| {
        shown.name.as_bytes() == read.name
            && shown.oid == read.oid
            && TreeMode::from_octal(read.mode) == Some(shown.mode)
    });
    assert!(same && again.len() == sifted.entries.len());
}
