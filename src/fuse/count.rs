//! How many requests the kernel has sent, by kind: what a workload costs, whatever the machine.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! kinds {
    ($($kind:ident = $name:literal),* $(,)?) => {
        /// A kind of request.
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Kind { $($kind),* }

        const NAMES: &[&str] = &[$($name),*];
    };
}

kinds! {
    Lookup = "lookup", Forget = "forget", Getattr = "getattr", Setattr = "setattr",
    Readlink = "readlink", Mknod = "mknod", Mkdir = "mkdir", Unlink = "unlink", Rmdir = "rmdir",
    Symlink = "symlink", Rename = "rename", Link = "link", Open = "open", Create = "create",
    Read = "read", Write = "write", Flush = "flush", Release = "release", Fsync = "fsync",
    Opendir = "opendir", Readdir = "readdir", Readdirplus = "readdirplus", Fsyncdir = "fsyncdir",
    Statfs = "statfs", Setxattr = "setxattr", Getxattr = "getxattr", Listxattr = "listxattr",
    Removexattr = "removexattr", Fallocate = "fallocate", Lseek = "lseek",
    CopyFileRange = "copy_file_range",
}

/// The counts of one session.
pub struct Requests([AtomicU64; NAMES.len()]);

impl Default for Requests {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Requests {
    pub(super) fn count(&self, kind: Kind) {
        self.0[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far, without those that are zero.
    pub fn so_far(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        NAMES.iter().copied().zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}
