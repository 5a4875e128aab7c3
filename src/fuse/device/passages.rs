//! Files that the kernel reads and writes by itself (FUSE passthrough, Linux 6.9, root only).
//!
//! The kernel takes one file of ours for all opens of an inode, and all of them in one way: while one
//! reads through it, none may ask us, and the other way round (`fs/fuse/iomode.c`). So the first open
//! of a file decides for all until the last of them is closed.

use super::Device;
use super::reply::GENERATION;
use crate::fuse::answers::{Answers, Created, Opened};
use crate::fuse::ask::ino;
use crate::fuse::convert::file_attr;
use crate::fuse::count::Kind;
use crate::fuse::kernel::{FILE, FILE_ANEW, FOREVER};
use crate::fuse::view::View;
use crate::types::Fh;
use crate::workspace::{Caller, FsError, Invalidation, Offer, OpenMode, Passage};
use fuser::{
    BackingId, FileHandle, FopenFlags, INodeNo, OpenAccMode, OpenFlags, ReplyCreate, ReplyOpen,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Closes need no FLUSH here either.
const THROUGH: FopenFlags = FopenFlags::FOPEN_NOFLUSH;

/// Which files are open, and how.
#[derive(Default)]
pub(in crate::fuse) struct Passages(Mutex<State>);

#[derive(Default)]
struct State {
    ways: HashMap<INodeNo, Way>,
    /// Handles that lead through.
    through: HashMap<Fh, Passage>,
}

/// How an inode is open.
struct Way {
    opens: u64,
    /// What the kernel calls our file; None where it asks us.
    backing: Option<Arc<BackingId>>,
}

impl Passages {
    /// Counts an open of `inode`, as `offer` and those before it allow; `register` tells the kernel
    /// of our file. The answer: how the file is open.
    pub fn open(
        &self,
        inode: INodeNo,
        fh: Fh,
        offer: Offer,
        register: impl FnOnce(&Passage) -> io::Result<BackingId>,
    ) -> Option<Arc<BackingId>> {
        let state = &mut *self.0.lock();
        let way = state.ways.entry(inode).or_insert_with(|| {
            let backing = offer.passage.as_ref().map(register).transpose();
            let backing = backing.unwrap_or_else(|error| {
                tracing::debug!(%error, "the kernel does not take this file");
                None
            });
            Way { opens: 0, backing: backing.map(Arc::new) }
        });
        way.opens += 1;
        let backing = way.backing.clone()?;
        // Without an offer now: it still may be what all others are.
        state.through.extend(offer.passage.map(|passage| (fh, passage)));
        Some(backing)
    }

    /// Counts a close; whether it ended a passage that wrote.
    fn close(&self, inode: INodeNo, fh: Fh) -> bool {
        let state = &mut *self.0.lock();
        if let Some(way) = state.ways.get_mut(&inode) {
            way.opens -= 1;
            if way.opens == 0 {
                state.ways.remove(&inode);
            }
        }
        state.through.remove(&fh).is_some_and(|passage| passage.writes())
    }

    fn writes(&self, fh: Fh) -> bool {
        self.0.lock().through.get(&fh).is_some_and(Passage::writes)
    }
}

/// Who makes what where: a directory, a name, a mode.
pub(super) type New<'a> = (Caller, INodeNo, &'a OsStr, u32);

impl Device {
    /// Answers OPEN.
    pub fn open_and_pass(
        &self,
        passages: &Passages,
        inode: INodeNo,
        flags: OpenFlags,
        reply: ReplyOpen,
    ) {
        // O_TRUNC comes as a SETATTR once the file is open, see `kernel`.
        let write = flags.acc_mode() != OpenAccMode::O_RDONLY;
        let mode = OpenMode { write, ..OpenMode::default() };
        let opened = self.adapter.ask(Kind::Open, inode, |workspace| {
            let (fh, offer) = workspace.open_and_offer(ino(inode), mode)?;
            if offer.passage.is_some() {
                name_durably(workspace, fh, flags.0)?;
            }
            Ok((fh, offer))
        });
        let (fh, offer) = match opened {
            Ok(opened) => opened,
            Err(error) => return reply.error(error),
        };
        let flags = if offer.keeps_pages { FILE } else { FILE_ANEW };
        match passages.open(inode, fh, offer, |passage| reply.open_backing(passage)) {
            Some(backing) => reply.opened_passthrough(FileHandle(fh.0), THROUGH, &backing),
            None => reply.answer(Ok(Opened(fh, flags))),
        }
    }

    /// Answers CREATE.
    pub fn create_and_pass(
        &self,
        passages: &Passages,
        (caller, parent, name, mode): New<'_>,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let made = self.adapter.ask(Kind::Create, parent, |workspace| {
            let (name, perm) = (name.as_bytes(), mode & 0o7777);
            let made = workspace.create_and_offer(caller, ino(parent), name, perm)?;
            name_durably(workspace, made.1, flags)?;
            Ok(made)
        });
        let (attr, fh, offer) = match made {
            Ok(made) => made,
            Err(error) => return reply.error(error),
        };
        let inode = INodeNo(attr.ino.0);
        match passages.open(inode, fh, offer, |passage| reply.open_backing(passage)) {
            Some(backing) => {
                let (attr, fh) = (file_attr(&attr), FileHandle(fh.0));
                reply.created_passthrough(&FOREVER, &attr, GENERATION, fh, THROUGH, &backing);
            }
            None => reply.answer(Ok(Created(attr, Opened(fh, FILE_ANEW)))),
        }
    }

    /// Notes a RELEASE.
    pub fn passage_ended(&self, inode: INodeNo, fh: FileHandle) {
        if let Some(passages) = &self.passages
            && passages.close(inode, Fh(fh.0))
        {
            self.forget_attributes(inode);
        }
    }

    /// Notes an FSYNC: a mapping may have been written to, of which the kernel's copy of the times
    /// does not know.
    pub fn attributes_moved(&self, inode: INodeNo, fh: FileHandle) {
        if self.passages.as_ref().is_some_and(|passages| passages.writes(Fh(fh.0))) {
            self.forget_attributes(inode);
        }
    }

    fn forget_attributes(&self, inode: INodeNo) {
        // With the receiver gone the mount is gone too.
        let _ = self.adapter.stale.send(Invalidation::Inode(ino(inode)));
    }
}

/// Each write through a file that was opened with O_SYNC is durable by itself, if the record is that
/// says whose body it is.
fn name_durably(workspace: &View<'_>, fh: Fh, flags: i32) -> Result<(), FsError> {
    if flags & (libc::O_SYNC | libc::O_DSYNC) == 0 {
        return Ok(());
    }
    workspace.fsync(fh.into()).inspect_err(|_| workspace.release(fh))
}
