//! The command line of the privileged helper, and the words behind `-o`.
#![no_main]

#[path = "../../mount-helper/src/request.rs"]
mod request;

use libfuzzer_sys::fuzz_target;
use mount_words::{KNOWN, Options, Value};
use request::Request;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let words: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if let Ok(Request::Mount(mount)) = request::parse("mount.toft", &words) {
        assert!(!mount.source.starts_with('-') && !mount.source.is_empty());
        assert!(!mount.source.contains(char::is_control) && !mount.dir.contains(char::is_control));
        assert!(!mount.dir.is_empty());
        are_sound(&mount.options);
    }
    if let Ok(Request::Unmount(unmount)) = request::parse("/sbin/umount.toft", &words) {
        assert!(!unmount.dir.is_empty() && !unmount.dir.contains(char::is_control));
    }
    let mut options = Options::new();
    if mount_words::parse(&text, false, &mut options).is_ok() {
        are_sound(&options);
    }
});

fn are_sound(options: &Options) {
    for (name, value) in options {
        assert!(KNOWN.iter().any(|(known, _)| known == name));
        if let Value::Text(text) = value {
            assert!(!text.is_empty() && !text.contains(char::is_control), "{name}={text}");
            assert!(!name.ends_with("_dir") || text.starts_with('/'), "{name}={text}");
        }
    }
}
