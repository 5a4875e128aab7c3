use crate::workspace::Invalidation;
use fuser::INodeNo;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::Receiver;

/// Tells the kernel what changed without it.
///
/// Never to be used from a request thread or with a lock of the workspace held: the kernel may wait
/// for an answer of ours before it takes the notification.
#[derive(Clone, Debug)]
pub struct Notifier(pub(super) fuser::Notifier);

impl Notifier {
    /// Starts a thread that passes on what request threads find stale, until they are gone.
    pub(super) fn serve(&self, stale: Receiver<Invalidation>) -> io::Result<()> {
        let notifier = self.clone();
        std::thread::Builder::new().name("toft-notify".into()).spawn(move || {
            for one in stale {
                if let Err(error) = notifier.invalidate(std::slice::from_ref(&one)) {
                    tracing::debug!(%error, "the kernel was not told");
                }
            }
        })?;
        Ok(())
    }

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
