//! An index that anybody may have written: it is understood or refused; what is understood comes
//! back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toft::dotgit::index::{decode, encode};
use toft::types::HashKind;

fuzz_target!(|input: &[u8]| {
    let Some((kind, file)) = input.split_first() else { return };
    let hash = if kind % 2 == 0 { HashKind::Sha1 } else { HashKind::Sha256 };
    // No checksum: git may be told to write none.
    let file = [file, &vec![0; hash.len_in_bytes()]].concat();
    if let Ok(index) = decode(&file, hash) {
        assert_eq!(decode(&encode(&index), hash), Ok(index));
    }
});
