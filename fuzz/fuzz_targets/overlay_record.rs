//! A record that decodes encodes to one that decodes to the same; none makes us allocate wildly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toft::overlay::{decode_record, encode_record};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((next, changes)) = decode_record(bytes) {
        let again = decode_record(&encode_record(next, &changes));
        assert_eq!(again, Ok((next, changes)));
    }
});
