//! Whether this machine has the ring.

use std::fs;
use std::io;

/// Root turns it on here, for all mounts that are made afterwards.
const SWITCH: &str = "/sys/module/fuse/parameters/enable_uring";
/// The CPUs that there may ever be, each of which gets a queue.
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";
/// So many threads for a mount are enough.
const MOST_CPUS: u16 = 64;

/// Whether the kernel offers FUSE over io_uring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingOffer {
    /// It does.
    On,
    /// It could: root may turn it on.
    Off,
    /// It is older than 6.14, or was built without.
    Missing,
}

impl RingOffer {
    /// What the switch says now.
    pub fn now() -> Self {
        if cfg!(target_endian = "big") {
            return Self::Missing; // `entry` has the low bytes first
        }
        match fs::read_to_string(SWITCH) {
            Ok(state) if state.trim() == "Y" => Self::On,
            Ok(_) => Self::Off,
            Err(_) => Self::Missing,
        }
    }
}

/// How many CPUs there are, numbered from 0.
pub(super) fn cpus() -> io::Result<u16> {
    let cpus = count(&fs::read_to_string(POSSIBLE)?);
    cpus.filter(|cpus| *cpus <= MOST_CPUS)
        .ok_or_else(|| io::Error::other("there are too many CPUs, or some numbers are left out"))
}

/// Of a list like `0-3`; None where numbers are left out, for which the kernel has no queue.
fn count(list: &str) -> Option<u16> {
    match list.trim().split_once('-') {
        Some(("0", last)) => last.parse::<u16>().ok()?.checked_add(1),
        _ => (list.trim() == "0").then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_counted_where_none_is_left_out() {
        assert_eq!(count("0-1\n"), Some(2));
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-127\n"), Some(128));
        for odd in ["0,2-3", "1-3", "0-1,4-5", "", "0-x", "0-65535"] {
            assert_eq!(count(odd), None, "{odd}");
        }
    }
}
