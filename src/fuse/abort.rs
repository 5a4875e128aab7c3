//! The last resort against whoever serves a mount and does not answer.

use rustix::mount::MountFlags;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Where the kernel shows its conversations, by the minor number of the mount's device.
const CONTROL: &str = "/sys/fs/fuse/connections";

/// Ends the conversation about the mount with the device `(major, minor)`: every call that waits for
/// an answer fails with ECONNABORTED (ECANCELED, where it was on its way into a ring that died), and
/// those to come with ENOTCONN. The mount point stays.
///
/// Root may, and whoever mounted it. One that has ended already will do.
pub fn abort((_, minor): (u32, u32)) -> io::Result<()> {
    let control = Path::new(CONTROL);
    if std::fs::read_dir(control)?.next().is_none() && rustix::process::geteuid().is_root() {
        // With no conversation at all in it, fusectl is not mounted.
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount("fusectl", control, "fusectl", flags, None)?;
    }
    match OpenOptions::new().write(true).open(control.join(minor.to_string()).join("abort")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened?.write_all(b"1"),
    }
}
