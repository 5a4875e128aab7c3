//! Files that the kernel reads and writes by itself (FUSE passthrough, Linux 6.9, root only).
//!
//! The kernel takes one file of ours for all opens of an inode, and all of them in one way: while one
//! reads through it, none may ask us, and the other way round (`fs/fuse/iomode.c`). So the first open
//! of a file decides for all until the last of them is closed.

use super::ask::{Adapter, ino};
use crate::types::Fh;
use crate::workspace::{Invalidation, Offer, Passage};
use fuser::{BackingId, FileHandle, INodeNo};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Which files are open, and how.
#[derive(Default)]
pub(super) struct Passages(Mutex<State>);

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

impl Adapter {
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
        let _ = self.stale.send(Invalidation::Inode(ino(inode)));
    }
}
