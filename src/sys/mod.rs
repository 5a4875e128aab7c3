//! The ground: bytes on disk, fsync, time, locks.
//!
//! Purpose: one place through which every durable byte, every fsync and every look at a clock
//! goes, so that faults, counts and simulated time reach everything above; and the locks of
//! journal, overlay, base and workspace, so that a scheduler can play with them.
//! Must not know: what the bytes mean.
//! Invariant: an fsync that failed is reported once and never tried again here.

mod beside;
mod boot;
mod cancel;
mod clock;
mod disk;
mod durable;
mod free;
pub mod locks;
mod memory;
mod private;
mod process;

pub use beside::beside;
pub use boot::current_boot;
pub use cancel::Cancel;
pub use clock::{Clock, OsClock};
pub use disk::{Disk, FsyncCounts, OsDisk, Reason};
pub use durable::{
    copy_file, create_anew, create_dirs, is_shared, is_unsettled, make_private_dir_durably,
    mark_unsettled, replace_file, settle, share_file, sync_parent, sync_tree,
};
pub use free::free_bytes;
pub use memory::return_memory_early;
pub use private::make_private_dir;
pub use process::{
    allow_many_files, is_disk_full, is_out_of_files, keep_descriptors_from_children, stay_at,
    with_usual_limits,
};
