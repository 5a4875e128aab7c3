//! The command line that the privileged helper reads.
#![no_main]

#[path = "../../mount-helper/src/request.rs"]
mod request;

use libfuzzer_sys::fuzz_target;
use request::Request;

fuzz_target!(|text: &str| {
    let words: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mount = request::parse("mount.toft", &words);
    if let Ok(Request::Mount(mount)) = mount {
        assert!(!mount.source.starts_with('-') && !mount.source.is_empty());
        assert!(!mount.source.contains(char::is_control) && !mount.dir.contains(char::is_control));
    }
    let _ = request::parse("umount.toft", &words);
});
