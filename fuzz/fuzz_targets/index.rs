//! An index that anybody may have written: it is understood or refused; what is understood comes
//! back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toft::dotgit::index::{decode, encode};
use toft::types::HashKind;

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (sha256, mut file) = input;
    let hash = if sha256 { HashKind::Sha256 } else { HashKind::Sha1 };
    // No checksum: git may be told to write none.
    file.extend(vec![0; hash.len_in_bytes()]);
    if let Ok(index) = decode(&file, hash) {
        assert_eq!(decode(&encode(&index), hash), Ok(index));
    }
});
