//! A password in a URL never survives, whatever stands around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toft::git::{redact, redact_url, strip_escapes};

fuzz_target!(|around: (&str, &str)| {
    let canary = "c4n4ry-0f-a-p4ssw0rd";
    let url = format!("https://user:{canary}@host/path");
    assert!(!redact(&format!("{} {url} {}", around.0, around.1)).contains(canary));
    assert!(!redact_url(&url).contains(canary));
    assert!(!strip_escapes(around.0).contains('\x1b'));
});
