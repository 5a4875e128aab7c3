//! What every request goes through: counted, asked of the workspace, a panic caught.

use super::Opens;
use super::count::{Kind, Requests};
use super::errno::errno;
use crate::types::{Fh, Ino};
use crate::workspace::{Caller, FsError, Handle, Invalidation, Workspace};
use fuser::{Errno, FileHandle, INodeNo, Request};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// What the kernel shows for a file that it opened by itself.
pub(super) const UNOPENED: Fh = Fh(0);

/// The workspace as fuser calls it.
pub(super) struct Adapter {
    workspace: Arc<Workspace>,
    /// What the kernel must forget; told by a thread of its own.
    pub stale: Sender<Invalidation>,
    pub requests: Arc<Requests>,
    /// An old kernel wants an answer to each opendir(3).
    pub opens_directories: bool,
    /// Whether each open(2) is to be told, or the kernel wants an answer to it.
    pub opens_files: bool,
}

impl Adapter {
    pub fn new(
        workspace: Arc<Workspace>,
        stale: Sender<Invalidation>,
        requests: Arc<Requests>,
        opens: Opens,
    ) -> Self {
        let opens_files = opens == Opens::Told;
        Self { workspace, stale, requests, opens_directories: true, opens_files }
    }

    /// Asks the workspace. A panic costs this one request, not the mount.
    pub fn ask<T>(
        &self,
        kind: Kind,
        question: impl FnMut(&Workspace) -> Result<T, FsError>,
    ) -> Result<T, Errno> {
        self.requests.count(kind);
        match catch_unwind(AssertUnwindSafe(|| self.workspace.with_room(question))) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let code = errno(&error);
                if code == libc::EIO {
                    tracing::error!(%error, "answered EIO");
                }
                Err(Errno::from_i32(code))
            }
            Err(_) => {
                tracing::error!("a file operation panicked; answered EIO");
                Err(Errno::EIO)
            }
        }
    }
}

pub(super) fn ino(ino: INodeNo) -> Ino {
    Ino(ino.0)
}

/// The kernel gives 0 for what it opened by itself.
pub(super) fn handle(inode: INodeNo, fh: FileHandle) -> Handle {
    match fh.0 {
        0 => Handle::Unopened(ino(inode)),
        fh => Handle::Opened(Fh(fh)),
    }
}

pub(super) fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid(), pid: request.pid() }
}

/// Whether the caller loses set-user-id bits by writing. The kernel knows exactly (CAP_FSETID) but
/// tells it for writes only.
pub(super) fn kills_suid(request: &Request) -> bool {
    request.uid() != 0
}
