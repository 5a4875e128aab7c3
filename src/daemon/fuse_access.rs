//! Whether this process may mount with FUSE, found out before anything is fetched.

use super::failure::{Failure, Kind};
pub use crate::fuse::RingOffer;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::PathBuf;

const DEVICE: &str = "/dev/fuse";
const CONTAINER: &str = "in a container: docker run --device /dev/fuse --cap-add SYS_ADMIN ...; \
                         on a host: modprobe fuse";

/// How mounting will be done, or why it cannot be.
pub fn check() -> Result<String, Failure> {
    let refused = |cause: String, fix: &str| {
        Err(Failure::new(Kind::NoFuse, "FUSE cannot be used here").cause(cause).fix(fix))
    };
    match OpenOptions::new().read(true).write(true).open(DEVICE) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return refused(format!("{DEVICE} is missing"), CONTAINER);
        }
        // fusermount3 is setuid and opens the device for us.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && helper().is_some() => {}
        Err(error) => return refused(format!("{DEVICE}: {error}"), CONTAINER),
    }
    if rustix::process::geteuid().is_root() {
        return Ok(format!("{DEVICE}, mounted directly as root"));
    }
    match helper() {
        Some(path) => Ok(format!("{DEVICE}, mounted through {}", path.display())),
        None => refused(
            "fusermount3 is not installed, and only root can mount without it".into(),
            "install the package fuse3",
        ),
    }
}

/// Whether requests can come by io_uring.
pub fn ring() -> RingOffer {
    RingOffer::now()
}

/// The setuid helper, where PATH has it.
pub fn helper() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("fusermount3")).find(|path| path.is_file())
}
