//! Replies that the thread of a queue takes to the kernel. Whoever answers only lays them down.

use crate::fuse::answers::{
    Answer, Answers, Count, Created, Entry, Filled, Listing, ListingPlus, Offset, Opened, Xattr,
};
use crate::fuse::kernel::FOREVER;
use crate::fuse::wire::{self, Dirents};
use crate::types::{Attr, FileKind, Ino};
use crate::workspace::FsStat;
use fuser::Errno;
use parking_lot::Mutex;
use rustix::event::EventfdFlags;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

/// Where answers wait for the thread of their queue.
pub(super) struct Desk {
    done: Mutex<Vec<Done>>,
    /// Wakes that thread for what others lay down.
    bell: OwnedFd,
    owner: ThreadId,
    closed: AtomicBool,
}

/// An answer.
pub(super) struct Done {
    /// In which entry the request came.
    pub entry: usize,
    pub answer: Answer<Body>,
}

/// What an answer says.
pub(super) enum Body {
    Bytes(Vec<u8>),
    /// So many bytes are in the entry's room already.
    InPlace(usize),
}

impl Desk {
    /// The calling thread's.
    pub fn new() -> io::Result<Self> {
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let owner = std::thread::current().id();
        Ok(Self { done: Mutex::default(), bell, owner, closed: AtomicBool::new(false) })
    }

    /// Lets the queue end although the kernel goes on.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.ring();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    pub fn silence(&self) {
        // It may have been silenced already.
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
    }

    pub fn take(&self) -> Option<Done> {
        self.done.lock().pop()
    }

    fn lay(&self, done: Done) {
        self.done.lock().push(done);
        if std::thread::current().id() != self.owner {
            self.ring();
        }
    }

    fn ring(&self) {
        // It fails only where it rings without an end already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_le_bytes());
    }
}

/// What is owed for the request in one entry.
pub(super) struct Reply {
    desk: Arc<Desk>,
    entry: usize,
    is_owed: bool,
}

impl Reply {
    pub fn new(desk: Arc<Desk>, entry: usize) -> Self {
        Self { desk, entry, is_owed: true }
    }

    pub fn send(mut self, answer: Answer<Body>) {
        self.is_owed = false;
        self.desk.lay(Done { entry: self.entry, answer });
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.is_owed {
            tracing::warn!("nobody answered a request; answered EIO");
            self.desk.lay(Done { entry: self.entry, answer: Err(Errno::EIO) });
        }
    }
}

/// Who waits for what, and how the kernel reads it.
macro_rules! answers {
    ($($answer:ty: |$it:pat_param| $bytes:expr;)*) => {
        $(impl Answers<$answer> for Reply {
            fn answer(self, answer: Answer<$answer>) {
                self.send(answer.map(|$it| Body::Bytes($bytes.into())));
            }
        })*
    };
}

answers! {
    (): |()| [];
    Attr: |attr| wire::attr(&attr, FOREVER);
    Entry: |Entry(found)| match found {
        Some(attr) => wire::entry(&attr, FOREVER),
        None => wire::entry_of_nothing(FOREVER),
    };
    Opened: |Opened(fh, flags)| wire::opened(fh.0, flags.bits());
    Created: |Created(attr, Opened(fh, flags))| wire::created(&attr, FOREVER, fh.0, flags.bits());
    Count: |Count(count)| wire::written(count);
    Offset: |Offset(offset)| wire::lseek(offset);
    FsStat: |stat| wire::statfs(&stat);
    Xattr: |xattr| match xattr {
        Xattr::Size(size) => wire::xattr_size(size).to_vec(),
        Xattr::Bytes(bytes) => bytes,
    };
    &[u8]: |bytes| bytes;
}

/// A reply that is written to where it is sent from.
pub(super) struct InRoom<'a> {
    pub reply: Reply,
    pub room: &'a mut [u8],
}

impl Filled for InRoom<'_> {
    type Owed = Reply;

    fn fill<E>(
        self,
        size: u32,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), (Reply, E)> {
        let Self { reply, room } = self;
        let size = room.len().min(size as usize);
        match read(&mut room[..size]) {
            Ok(count) => {
                reply.send(Ok(Body::InPlace(count)));
                Ok(())
            }
            Err(error) => Err((reply, error)),
        }
    }
}

/// A listing that is written to where it is sent from.
pub(super) struct Names<'a> {
    reply: Reply,
    names: Dirents<'a>,
}

impl<'a> Names<'a> {
    /// In so much of the room.
    pub fn new(reply: Reply, room: &'a mut [u8], size: u32) -> Self {
        let size = room.len().min(size as usize);
        Self { reply, names: Dirents::new(&mut room[..size]) }
    }

    fn send(self, read: Answer<()>) {
        let used = self.names.used();
        self.reply.send(read.map(|()| Body::InPlace(used)));
    }
}

impl Listing for Names<'_> {
    fn add(&mut self, next: u64, ino: Ino, kind: FileKind, name: &[u8]) -> bool {
        self.names.add(next, ino, kind, name)
    }

    fn end(self, read: Answer<()>) {
        self.send(read);
    }
}

impl ListingPlus for Names<'_> {
    fn add(&mut self, next: u64, name: &[u8], attr: &Attr, ttl: Duration) -> bool {
        self.names.add_plus(next, name, attr, ttl)
    }

    fn end(self, read: Answer<()>) {
        self.send(read);
    }
}
