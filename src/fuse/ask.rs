//! What every request goes through: counted, and asked of the workspace.

use super::count::{Kind, Requests};
use super::kernel::{self, Able, Wanted};
use super::late::{Asker, Unanswered};
use super::mount::Opens;
use super::route::{House, Node, Place, View};
use crate::types::{Fh, Ino};
use crate::workspace::{Caller, FsError, Handle, Invalidation};
use fuser::{Errno, FileHandle, INodeNo, KernelConfig, Request};
use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

/// What the kernel shows for a file that it opened by itself.
pub(super) const UNOPENED: Fh = Fh(0);

/// The workspace as the kernel asks it.
pub(super) struct Adapter {
    pub asker: Asker,
    /// What the kernel must forget; told by a thread of its own.
    pub stale: Sender<Invalidation>,
    pub requests: Arc<Requests>,
    /// Whether each open(2) is to be told.
    opens: Opens,
    /// What the kernel does by itself; known when the session has begun.
    able: OnceLock<Able>,
}

impl Adapter {
    pub fn new(
        place: Place,
        stale: Sender<Invalidation>,
        requests: Arc<Requests>,
        opens: Opens,
    ) -> io::Result<Self> {
        Ok(Self { asker: Asker::new(place)?, stale, requests, opens, able: OnceLock::new() })
    }

    /// Agrees with the kernel on how the session goes.
    pub fn begin(&self, config: &mut KernelConfig, wanted: Wanted) {
        // A session begins once.
        let _ = self.able.set(kernel::configure(config, wanted));
    }

    /// Whether the kernel reads and writes files by itself.
    pub fn passes_through(&self) -> bool {
        self.able.get().is_some_and(|able| able.passes_through)
    }

    /// Whether the kernel waits for a ring.
    pub fn uses_ring(&self) -> bool {
        self.able.get().is_some_and(|able| able.uses_ring)
    }

    /// An old kernel wants an answer to each opendir(3).
    pub fn opens_directories(&self) -> bool {
        !self.able.get().is_some_and(|able| able.opens_directories)
    }

    /// Whether each open(2) is to be told, or the kernel wants an answer to it.
    pub fn opens_files(&self) -> bool {
        self.opens != Opens::Untold || !self.able.get().is_some_and(|able| able.opens_files)
    }

    /// The house, where the inode is its root.
    pub fn house_at(&self, kind: Kind, node: INodeNo) -> Option<&dyn House> {
        let house = self.asker.house().filter(|_| node == INodeNo::ROOT)?;
        self.requests.count(kind);
        Some(house)
    }

    /// Lists the root of a house; false where the inode is none.
    pub fn list_house(
        &self,
        kind: Kind,
        node: INodeNo,
        offset: u64,
        mut each: impl FnMut(u64, Ino, &[u8]) -> bool,
    ) -> bool {
        let Some(house) = self.house_at(kind, node) else { return false };
        house.list(offset, matches!(kind, Kind::Readdirplus), &mut each);
        true
    }

    /// Asks the workspace what needs no content of a file.
    pub fn ask<T>(
        &self,
        kind: Kind,
        node: impl Into<Node>,
        question: impl FnMut(&View<'_>) -> Result<T, FsError>,
    ) -> Result<T, Errno> {
        self.requests.count(kind);
        self.asker.ask(node, question).map_err(Unanswered::errno)
    }

    /// The same where the content of a file may be needed, which may be away: then the answer is
    /// given later.
    pub fn answer<T, R: Send + 'static>(
        &self,
        kind: Kind,
        node: impl Into<Node>,
        reply: R,
        question: impl FnMut(&View<'_>) -> Result<T, FsError> + Send + 'static,
        respond: impl FnOnce(R, Result<T, Errno>) + Send + 'static,
    ) {
        self.requests.count(kind);
        self.asker.answer(node.into(), reply, question, respond);
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
pub(super) fn kills_suid(caller: Caller) -> bool {
    caller.uid != 0
}
