//! Replies: an answer of the workspace, or its errno.

use super::answers::{
    Answer, Answers, Count, Created, Entry, Listing, ListingPlus, Offset, Opened, Xattr,
};
use super::convert::unknown_attr;
use super::kernel::{self, FOREVER, NEVER};
use crate::types::{Attr, Fh, FileKind, Ino};
use crate::workspace::{DirEntry, FsStat};
use fuser::{Errno, FopenFlags};

pub(super) fn entry(reply: impl Answers<Entry>, made: Answer<Attr>) {
    reply.answer(made.map(|attr| Entry(Some(attr))));
}

/// The kernel also keeps in mind that there is no such name.
pub(super) fn found(reply: impl Answers<Entry>, found: Answer<Option<Attr>>) {
    reply.answer(found.map(Entry));
}

pub(super) fn attr(reply: impl Answers<Attr>, attr: Answer<Attr>) {
    reply.answer(attr);
}

pub(super) fn empty(reply: impl Answers<()>, done: Answer<()>) {
    reply.answer(done);
}

/// So many bytes.
pub(super) fn written(reply: impl Answers<Count>, written: Answer<u64>) {
    reply.answer(written.map(|count| Count(u32::try_from(count).unwrap_or(u32::MAX))));
}

pub(super) fn opened(reply: impl Answers<Opened>, opened: Answer<Fh>, flags: FopenFlags) {
    reply.answer(opened.map(|fh| Opened(fh, flags)));
}

pub(super) fn created(reply: impl Answers<Created>, created: Answer<(Attr, Fh)>) {
    reply.answer(created.map(|(attr, fh)| Created(attr, Opened(fh, kernel::FILE))));
}

pub(super) fn data(reply: impl for<'a> Answers<&'a [u8]>, bytes: Answer<impl AsRef<[u8]>>) {
    match &bytes {
        Ok(bytes) => reply.answer(Ok(bytes.as_ref())),
        Err(error) => reply.answer(Err(*error)),
    }
}

/// The value, its size when none is asked for, or ERANGE when it does not fit.
pub(super) fn xattr(reply: impl Answers<Xattr>, size: u32, bytes: Answer<Vec<u8>>) {
    reply.answer(bytes.and_then(|bytes| match u32::try_from(bytes.len()) {
        Ok(len) if size == 0 => Ok(Xattr::Size(len)),
        Ok(len) if len <= size => Ok(Xattr::Bytes(bytes)),
        _ => Err(Errno::ERANGE),
    }));
}

pub(super) fn offset(reply: impl Answers<Offset>, found: Answer<u64>) {
    reply.answer(found.map(|offset| Offset(i64::try_from(offset).unwrap_or(i64::MAX))));
}

pub(super) fn statfs(reply: impl Answers<FsStat>, stat: Answer<FsStat>) {
    reply.answer(stat);
}

/// Adds an entry; false when the reply is full.
pub(super) fn add(reply: &mut impl Listing, entry: &DirEntry<'_>) -> bool {
    match entry {
        DirEntry::Dot { cookie, ino, name } => reply.add(*cookie, *ino, FileKind::Directory, name),
        DirEntry::Listed(entry) => {
            reply.add(entry.cookie, entry.ino, entry.kind, entry.name.as_bytes())
        }
    }
}

/// Adds the root of a workspace in a house; false when the reply is full.
pub(super) fn add_folder(reply: &mut impl Listing, next: u64, ino: Ino, name: &[u8]) -> bool {
    reply.add(next, ino, FileKind::Directory, name)
}

/// The same, of which the kernel then keeps the number and asks for the rest.
pub(super) fn add_folder_plus(
    reply: &mut impl ListingPlus,
    next: u64,
    ino: Ino,
    name: &[u8],
) -> bool {
    reply.add(next, name, &unknown_attr(ino, FileKind::Directory), NEVER)
}

/// Adds an entry with its inode and attributes; false when the reply is full.
pub(super) fn add_plus(
    reply: &mut impl ListingPlus,
    entry: &DirEntry<'_>,
    found: Option<(Ino, Option<Attr>)>,
) -> bool {
    let (cookie, name) = match entry {
        DirEntry::Dot { cookie, name, .. } => (*cookie, *name),
        DirEntry::Listed(listed) => (listed.cookie, listed.name.as_bytes()),
    };
    let (ttl, attr) = match (entry, found) {
        (_, Some((_, Some(attr)))) => (FOREVER, attr),
        (DirEntry::Listed(listed), Some((found, None))) => {
            (NEVER, unknown_attr(found, listed.kind))
        }
        (DirEntry::Listed(listed), None) => (NEVER, unknown_attr(listed.ino, listed.kind)),
        (DirEntry::Dot { ino, .. }, _) => (NEVER, unknown_attr(*ino, FileKind::Directory)),
    };
    reply.add(cookie, name, &attr, ttl)
}
