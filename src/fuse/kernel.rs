//! What is asked of the kernel when a session begins.

use fuser::{FopenFlags, InitFlags, KernelConfig};
use std::time::Duration;

/// As good as for ever: only the daemon changes anything, and it says so.
pub(super) const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
/// Not to be kept.
pub(super) const NEVER: Duration = Duration::ZERO;

pub(super) const MAX_WRITE: u32 = 1 << 20;
const MAX_BACKGROUND: u16 = 64;

/// Pages of a file stay cached over open and close. FLUSH would tell nothing: writes are with the
/// workspace when they return.
pub(super) const FILE: FopenFlags = FopenFlags::FOPEN_KEEP_CACHE.union(FopenFlags::FOPEN_NOFLUSH);
/// The same without pages that were cached before.
pub(super) const FILE_ANEW: FopenFlags = FopenFlags::FOPEN_NOFLUSH;
/// Listings stay cached until the directory changes.
pub(super) const DIRECTORY: FopenFlags =
    FopenFlags::FOPEN_KEEP_CACHE.union(FopenFlags::FOPEN_CACHE_DIR);

/// What not every session wants.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Requests come by a ring.
    pub ring: bool,
    /// The kernel reads and writes files by itself.
    pub passthrough: bool,
}

/// What the kernel can do without us, once it was answered ENOSYS.
pub(super) struct Able {
    /// Reads directories without OPENDIR, with the flags of [`DIRECTORY`].
    pub opens_directories: bool,
    /// Reads and writes files without OPEN, with the flags of [`FILE`].
    pub opens_files: bool,
    /// Sends requests by a ring, as it was asked to.
    pub uses_ring: bool,
    /// Reads and writes a file of ours in place of one of the mount, where it was asked to.
    pub passes_through: bool,
}

/// Each is used where the kernel has it; the workspace is right without any.
const WANTED: [InitFlags; 7] = [
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_CACHE_SYMLINKS,
    // Cached pages go only when we say so; otherwise each new mtime would drop them.
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
    // We clear set-user-id bits; the kernel then asks for no xattr before each write.
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    // An abort of the connection is told apart from an unmount.
    InitFlags::FUSE_ABORT_ERROR,
];

/// Not wanted: FUSE_WRITEBACK_CACHE (acknowledged writes would die with the daemon),
/// FUSE_ATOMIC_O_TRUNC (the file would be emptied before the kernel refuses with ETXTBSY),
/// FUSE_POSIX_LOCKS and FUSE_FLOCK_LOCKS (the kernel's own locks are right on one host),
/// FUSE_DONT_MASK and FUSE_POSIX_ACL (the kernel applies the umask; ACLs are not kept).
///
/// Returns what the kernel does by itself; of `wanted` as much as it can.
pub(super) fn configure(config: &mut KernelConfig, wanted: Wanted) -> Able {
    for flag in WANTED {
        if let Err(missing) = config.add_capabilities(flag) {
            tracing::debug!(?missing, "the kernel does not offer this");
        }
    }
    if let Err(nearest) = config.set_max_write(MAX_WRITE) {
        tracing::debug!(nearest, "smaller writes");
    }
    if let Err(nearest) = config.set_max_background(MAX_BACKGROUND) {
        tracing::debug!(nearest, "fewer background requests");
    }
    let offered = config.capabilities();
    let passes_through = wanted.passthrough
        && config.set_max_stack_depth(1).is_ok()
        && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok();
    let uses_ring = wanted.ring && config.add_capabilities(InitFlags::FUSE_OVER_IO_URING).is_ok();
    Able {
        opens_directories: offered.contains(InitFlags::FUSE_NO_OPENDIR_SUPPORT),
        opens_files: offered.contains(InitFlags::FUSE_NO_OPEN_SUPPORT),
        uses_ring,
        passes_through,
    }
}
