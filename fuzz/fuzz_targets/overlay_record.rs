//! A record that decodes encodes to one that decodes to the same; none makes us allocate wildly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toft::overlay::{Record, decode_record, encode_batch, encode_mark};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = decode_record(bytes) {
        let encoded = match &record {
            Record::Batch { next_ino, changes } => encode_batch(*next_ino, changes),
            Record::Mark(mark) => encode_mark(mark),
        };
        assert_eq!(decode_record(&encoded), Ok(record));
    }
});
