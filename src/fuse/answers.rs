//! What an operation owes whoever asked, whichever way the request came.

use crate::types::{Attr, Fh, FileKind, Ino};
use fuser::{Errno, FopenFlags};
use std::time::Duration;

pub(super) type Answer<T> = Result<T, Errno>;

/// Somebody waits for a `T`, or for why there is none.
pub(super) trait Answers<T>: Sized + Send + 'static {
    fn answer(self, answer: Answer<T>);

    fn error(self, error: Errno) {
        self.answer(Err(error));
    }
}

/// What a name stands for; None says that there is no such name, which the kernel keeps in mind.
pub(super) struct Entry(pub Option<Attr>);

/// A file that was opened.
pub(super) struct Opened(pub Fh, pub FopenFlags);

/// A file that was made and opened.
pub(super) struct Created(pub Attr, pub Opened);

/// So many bytes were written.
pub(super) struct Count(pub u32);

/// Where lseek(2) came to.
pub(super) struct Offset(pub i64);

/// Extended attributes, as asked for.
pub(super) enum Xattr {
    Size(u32),
    Bytes(Vec<u8>),
}

/// Somebody waits for bytes, which may be read where they are sent from.
pub(super) trait Filled {
    /// What is still owed when they could not be read.
    type Owed: for<'a> Answers<&'a [u8]>;

    /// Sends what `read` puts into so much room. Where it cannot, nothing was answered.
    fn fill<E>(
        self,
        size: u32,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), (Self::Owed, E)>;
}

/// Somebody waits for a listing, of which as much is told as there is room for.
pub(super) trait Listing: Sized {
    /// Adds an entry; false when there is no room.
    fn add(&mut self, next: u64, ino: Ino, kind: FileKind, name: &[u8]) -> bool;
    /// Sends what was added.
    fn end(self, read: Answer<()>);
}

/// The same with inodes and attributes.
pub(super) trait ListingPlus: Sized {
    /// Adds an entry, whose attributes the kernel may keep for `ttl`; false when there is no room.
    fn add(&mut self, next: u64, name: &[u8], attr: &Attr, ttl: Duration) -> bool;
    /// Sends what was added.
    fn end(self, read: Answer<()>);
}
