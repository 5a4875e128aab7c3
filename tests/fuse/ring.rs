//! The same over io_uring, where the kernel has it.

use crate::world::{World, is_root, transport};
use std::fs;
use std::process::Command;
use toft::fuse::{RingOffer, Transport};

const SWITCH: &str = "/sys/module/fuse/parameters/enable_uring";

/// Turns the ring on for mounts to come, and back to what it was when dropped.
struct Switched(String);

impl Switched {
    fn on() -> Option<Self> {
        let was = fs::read_to_string(SWITCH).ok()?;
        fs::write(SWITCH, "Y").ok().map(|()| Self(was))
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        let _ = fs::write(SWITCH, &self.0);
    }
}

/// A broad share of the suite, in a process of its own.
#[test]
fn a_ring_shows_the_same() {
    if !is_root() || transport().is_some() {
        return;
    }
    let Some(_switched) = Switched::on() else { return };
    let share = [
        "conform::",
        "io::",
        "readdir::",
        "rename::",
        "unlinked::",
        "session::",
        "attr::",
        "xattr::",
        "space::",
        "mmap::",
        "create::",
    ];
    let output = Command::new(std::env::current_exe().unwrap())
        .args(share)
        .args(["--test-threads", "2"])
        .env("TOFT_TEST_TRANSPORT", "io-uring")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("test result: ok. "), "{said}");
}

#[test]
fn requests_come_as_the_kernel_offers_and_as_is_wanted() {
    let world = World::new();
    match (transport(), world.session().transport()) {
        (Some(wanted), got) => assert_eq!(got, wanted),
        (None, Transport::IoUring) => assert_ne!(RingOffer::now(), RingOffer::Missing),
        (None, Transport::Device) => {}
    }
}
