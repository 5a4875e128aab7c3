//! An index that anybody may have written: it is understood or refused; what is understood comes
//! back as it was, also where its entries stay bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toft::dotgit::index::{Index, Raw, Writer, decode, encode};
use toft::types::HashKind;

fuzz_target!(|input: &[u8]| {
    let Some((kind, file)) = input.split_first() else { return };
    let hash = if kind % 2 == 0 { HashKind::Sha1 } else { HashKind::Sha256 };
    // No checksum: git may be told to write none.
    let file = [file, &vec![0; hash.len_in_bytes()]].concat();
    let decoded = decode(&file, hash);
    if let Ok(index) = &decoded {
        assert_eq!(decode(&encode(index), hash).as_ref(), Ok(index));
    }
    match (Raw::read(file, hash, false), decoded) {
        (Ok(raw), Ok(index)) => as_bytes(&raw, &index),
        // Of version 4 the entries depend on each other: read, but not as bytes.
        (Err(_), decoded) => assert!(decoded.is_err() || input.get(5..9) == Some(&[0, 0, 0, 4])),
        (Ok(_), Err(error)) => panic!("only its bytes were understood: {error}"),
    }
});

/// Entries that stay bytes say the same, and a file that they were copied to is the same.
fn as_bytes(raw: &Raw, index: &Index) {
    assert_eq!(raw.cache_tree, index.cache_tree);
    assert_eq!(raw.below(b""), 0..index.entries.len());
    for (at, entry) in index.entries.iter().enumerate().filter(|(_, entry)| entry.stage == 0) {
        assert_eq!(raw.find(&entry.path), Some((at, entry.clone())));
    }
    let mut writer = Writer::new(index.hash);
    writer.copy(raw, raw.below(b""));
    let written = writer.finish(index.cache_tree.as_ref());
    let copy = [written.pieces.concat().as_slice(), written.checksum().as_slice()].concat();
    assert_eq!(decode(&copy, index.hash).as_ref(), Ok(index));
}
