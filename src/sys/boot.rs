use crate::types::BootId;
use std::io;

/// The run of the host that we are in (`/proc/sys/kernel/random/boot_id`, random(4)).
pub fn current_boot() -> io::Result<BootId> {
    BootId::parse(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable boot_id"))
}
