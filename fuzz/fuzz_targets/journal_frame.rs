//! A frame that decodes is one that we wrote: it encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toft::journal::{decode_frame, encode_frame};

fuzz_target!(|bytes: &[u8]| {
    if let Some((seq, payload, length)) = decode_frame(bytes) {
        assert_eq!(encode_frame(seq, payload), bytes[..length]);
    }
});
