//! The same over io_uring, where the kernel has it.

use crate::world::{World, is_root, transport};
use std::fs;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use toft::fuse::{RingOffer, Transport};

const SWITCH: &str = "/sys/module/fuse/parameters/enable_uring";

/// Whether io_uring is there for processes, whatever FUSE does: 2 is for none.
const DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";
/// These are switches of the machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A switch that was set for mounts to come, and is set back when dropped.
struct Switched(&'static str, String);

impl Switched {
    fn to(switch: &'static str, value: &str) -> Option<Self> {
        let was = fs::read_to_string(switch).ok()?;
        fs::write(switch, value).ok().map(|()| Self(switch, was))
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        let _ = fs::write(self.0, &self.1);
    }
}

/// A broad share of the suite, in a process of its own.
#[test]
fn a_ring_shows_the_same() {
    if !is_root() || transport().is_some() {
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(_switched) = Switched::to(SWITCH, "Y") else { return };
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
fn where_no_ring_can_be_made_the_device_is_used() {
    if !is_root() || transport().is_some() {
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(_offered) = Switched::to(SWITCH, "Y") else { return };
    let Some(_disabled) = Switched::to(DISABLED, "2") else { return };
    let world = World::new();
    assert_eq!(world.session().transport(), Transport::Device);
    fs::write(world.path("new"), "by the device").unwrap();
    assert_eq!(fs::read(world.path("new")).unwrap(), b"by the device");
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
