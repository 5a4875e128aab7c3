//! Whatever a local process writes into the control socket is a request or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toft::daemon::control::Request;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = serde_json::from_slice::<Request>(bytes) {
        let text = serde_json::to_vec(&request).expect("a request can be written");
        let again: Request = serde_json::from_slice(&text).expect("and read again");
        assert_eq!(serde_json::to_vec(&again).expect("again"), text);
    }
});
