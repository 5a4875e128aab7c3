use crate::workspace::Invalidation;
use fuser::INodeNo;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Tells the kernel what changed without it.
///
/// Never to be used from a request thread or with a lock of the workspace held: the kernel may wait
/// for an answer of ours before it takes the notification.
#[derive(Clone, Debug)]
pub struct Notifier(pub(super) fuser::Notifier);

impl Notifier {
    /// Makes the kernel forget all of `invalid`. What it does not know is skipped.
    pub fn invalidate(&self, invalid: &[Invalidation]) -> io::Result<()> {
        invalid.iter().try_for_each(|one| match one {
            Invalidation::Entry(dir, name) => {
                self.0.inval_entry(INodeNo(dir.0), OsStr::from_bytes(name.as_bytes()))
            }
            Invalidation::Inode(ino) => self.0.inval_inode(INodeNo(ino.0), 0, 0),
        })
    }
}
