use std::io;
use std::path::PathBuf;

/// Why a mount or an unmount did not come about.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// `/dev/fuse` is not there or not for us.
    #[error("/dev/fuse: {0}")]
    Device(#[source] io::Error),
    /// The directory cannot be mounted on.
    #[error("{}: {source}", dir.display())]
    Directory {
        /// The mount point.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// mount(2) or umount(2) refused.
    #[error("{what} {}: {source}", dir.display())]
    Refused {
        /// `mount` or `unmount`.
        what: &'static str,
        /// The mount point.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// fusermount3 cannot be started: it is not installed, most likely.
    #[error("fusermount3: {0}")]
    NoHelper(#[source] io::Error),
    /// fusermount3 refused.
    #[error("fusermount3: {0}")]
    Helper(String),
    /// The kernel did not start the conversation.
    #[error("talking to the kernel: {0}")]
    Handshake(#[source] io::Error),
}

impl MountError {
    /// Whether the mount point is in use, so that a plain unmount must wait.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Refused { source, .. } => source.raw_os_error() == Some(libc::EBUSY),
            Self::Helper(said) => said.contains("busy"),
            _ => false,
        }
    }
}
