//! What git prints, as a hostile remote may have shaped it: parsed, classified, and shown without
//! secrets and escapes.
#![no_main]

mod types {
    pub use toft::types::*;
}
#[path = "../../src/git/classify.rs"]
#[allow(dead_code, reason = "a part of the room")]
mod classify;
#[path = "../../src/git/porcelain.rs"]
#[allow(dead_code, reason = "a part of the room")]
mod porcelain;
#[path = "../../src/git/url.rs"]
#[allow(dead_code, reason = "a part of the room")]
mod url;

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use toft::git::{GitError, GitVersion, redact, redact_url, strip_escapes};
use toft::store::Source;

const CANARY: &str = "c4n4ry-0f-a-p4ssw0rd";

fuzz_target!(|input: &[u8]| {
    porcelain::ls_remote(input);
    porcelain::push(input);
    let text = String::from_utf8_lossy(input);
    porcelain::unborn(&text);
    GitVersion::parse(&text);
    messages(&text);
    no_password_survives(&text);
    sources(&text);
});

fn messages(text: &str) {
    let clean = strip_escapes(text);
    assert!(!clean.contains(|char: char| char.is_control() && char != '\n' && char != '\t'));
    assert_eq!(strip_escapes(&clean), clean);
    assert!(classify::message(text).len() <= text.len());
    assert!(classify::remote_message(text).len() <= 2000);
    let _ = classify::error("fetch", "exit status 1", text).to_string();
}

/// Whatever stands around the URL.
fn no_password_survives(text: &str) {
    if text.contains(CANARY) {
        return;
    }
    let (before, after) = text.split_once('\n').unwrap_or((text, ""));
    let url = format!("https://user:{CANARY}@host/path");
    assert!(!redact(&format!("{before} {url} {after}")).contains(CANARY));
    assert!(!redact(&format!("{before}{url}{after}")).contains(CANARY));
    assert!(!redact_url(&url).contains(CANARY));
    let clean = url::split(&url).clean;
    assert!(!clean.contains(CANARY));
}

/// What is a source names no option, no command and no secret.
fn sources(text: &str) {
    let Ok(source) = Source::parse(text, Path::new("/nowhere"), None) else { return };
    assert!(!source.url.starts_with('-') && !source.url.contains(char::is_control));
    let lower = source.url.to_ascii_lowercase();
    assert!(!lower.starts_with("ext::") && !lower.starts_with("fd::"), "{}", source.url);
    if lower.starts_with("https://") && !lower.contains('@') {
        assert_eq!(redact(&source.url), source.url, "a source with a secret");
    }
    if let Some(reference) = source.reference {
        assert!(!reference.starts_with('-') && !reference.is_empty());
    }
}
