//! What tests need of the outside world: a host of their own, remotes on loopback, hard repos.
//!
//! Everything is made for one test, in temporary directories and on free ports, and is gone with
//! it: mounts are detached, daemons and servers ended, also when the test panics.
#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]
#![allow(clippy::disallowed_methods, reason = "tests start children and wait")]

pub mod child;
pub mod far;
pub mod hard_cases;
pub mod host;
pub mod mounts;
pub mod proxy;
pub mod repo;
pub mod server;
pub mod tree;

pub use host::{GitProgram, Host, Ran};
pub use server::{Kind, Server};
pub use tree::Tree;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Says that a test cannot run here. `scripts/test` counts these lines, and fails for any of them
/// on a machine that has `/dev/fuse`.
pub fn skip(test: &str, why: &str) {
    eprintln!("SKIPPED {test}: {why}");
    let Some(path) = std::env::var_os("TOFT_TEST_SKIPS") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("open");
    writeln!(file, "{test}: {why}").expect("write");
}

/// Whether mounts can be tested here; says why not.
pub fn can_mount(test: &str) -> bool {
    let fuse = Path::new("/dev/fuse").exists();
    if !fuse {
        skip(test, "there is no /dev/fuse");
    }
    fuse
}

/// Whether an ordinary user's mounts can be tested by root; says why not.
pub fn can_mount_as_user(test: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata("/dev/fuse").map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o006 != 0o006 {
        skip(test, "/dev/fuse is not open to users, as fuse3's udev rule makes it");
    }
    mode & 0o006 == 0o006
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Waits until `done` says so; panics after 30 seconds.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
