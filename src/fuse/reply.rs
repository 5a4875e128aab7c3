//! Replies: an answer of the workspace, or its errno.

use super::convert::{file_attr, file_type, unknown_attr};
use super::kernel::{self, FOREVER, NEVER};
use crate::types::{Attr, Fh, FileKind, Ino};
use crate::workspace::{DirEntry, FsStat};
use fuser::{
    Errno, FileHandle, FopenFlags, Generation, INodeNo, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs,
    ReplyWrite, ReplyXattr,
};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Inode numbers are never used twice.
pub(super) const GENERATION: Generation = Generation(0);

type Answer<T> = Result<T, Errno>;

pub(super) fn entry(reply: ReplyEntry, made: Answer<Attr>) {
    match made {
        Ok(attr) => reply.entry(&FOREVER, &file_attr(&attr), GENERATION),
        Err(error) => reply.error(error),
    }
}

/// The kernel also keeps in mind that there is no such name.
pub(super) fn found(reply: ReplyEntry, found: Answer<Option<Attr>>) {
    match found.transpose() {
        Some(found) => entry(reply, found),
        None => {
            let nothing = unknown_attr(Ino(0), FileKind::Regular);
            reply.entry(&FOREVER, &nothing, GENERATION);
        }
    }
}

pub(super) fn attr(reply: ReplyAttr, attr: Answer<Attr>) {
    match attr {
        Ok(attr) => reply.attr(&FOREVER, &file_attr(&attr)),
        Err(error) => reply.error(error),
    }
}

pub(super) fn empty(reply: ReplyEmpty, done: Answer<()>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

/// So many bytes.
pub(super) fn written(reply: ReplyWrite, written: Answer<u64>) {
    match written {
        Ok(count) => reply.written(u32::try_from(count).unwrap_or(u32::MAX)),
        Err(error) => reply.error(error),
    }
}

pub(super) fn opened(reply: ReplyOpen, opened: Answer<Fh>, flags: FopenFlags) {
    match opened {
        Ok(fh) => reply.opened(FileHandle(fh.0), flags),
        Err(error) => reply.error(error),
    }
}

pub(super) fn created(reply: ReplyCreate, created: Answer<(Attr, Fh)>) {
    match created {
        Ok((attr, fh)) => {
            let (attr, fh) = (file_attr(&attr), FileHandle(fh.0));
            reply.created(&FOREVER, &attr, GENERATION, fh, kernel::FILE);
        }
        Err(error) => reply.error(error),
    }
}

pub(super) fn data(reply: ReplyData, bytes: Answer<impl AsRef<[u8]>>) {
    match bytes {
        Ok(bytes) => reply.data(bytes.as_ref()),
        Err(error) => reply.error(error),
    }
}

/// The value, its size when none is asked for, or ERANGE when it does not fit.
pub(super) fn xattr(reply: ReplyXattr, size: u32, bytes: Answer<Vec<u8>>) {
    match bytes {
        Err(error) => reply.error(error),
        Ok(bytes) => match u32::try_from(bytes.len()) {
            Ok(len) if size == 0 => reply.size(len),
            Ok(len) if len <= size => reply.data(&bytes),
            _ => reply.error(Errno::ERANGE),
        },
    }
}

pub(super) fn offset(reply: ReplyLseek, found: Answer<u64>) {
    match found {
        Ok(offset) => reply.offset(i64::try_from(offset).unwrap_or(i64::MAX)),
        Err(error) => reply.error(error),
    }
}

pub(super) fn statfs(reply: ReplyStatfs, stat: Answer<FsStat>) {
    match stat {
        Ok(stat) => reply.statfs(
            stat.blocks,
            stat.free,
            stat.available,
            stat.files,
            stat.files_free,
            stat.block_size,
            stat.name_max,
            stat.fragment,
        ),
        Err(error) => reply.error(error),
    }
}

/// Adds an entry; false when the reply is full.
pub(super) fn add(reply: &mut ReplyDirectory, entry: &DirEntry<'_>) -> bool {
    let (ino, cookie, kind, name) = match entry {
        DirEntry::Dot { cookie, ino, name } => (*ino, *cookie, FileKind::Directory, *name),
        DirEntry::Listed(entry) => (entry.ino, entry.cookie, entry.kind, entry.name.as_bytes()),
    };
    !reply.add(INodeNo(ino.0), cookie, file_type(kind), OsStr::from_bytes(name))
}

/// Adds the root of a workspace in a house; false when the reply is full.
pub(super) fn add_folder(reply: &mut ReplyDirectory, next: u64, ino: Ino, name: &[u8]) -> bool {
    !reply.add(INodeNo(ino.0), next, file_type(FileKind::Directory), OsStr::from_bytes(name))
}

/// The same, of which the kernel then keeps the number and asks for the rest.
pub(super) fn add_folder_plus(
    reply: &mut ReplyDirectoryPlus,
    next: u64,
    ino: Ino,
    name: &[u8],
) -> bool {
    let attr = unknown_attr(ino, FileKind::Directory);
    !reply.add(attr.ino, next, OsStr::from_bytes(name), &NEVER, &attr, GENERATION)
}

/// Adds an entry with its inode and attributes; false when the reply is full.
pub(super) fn add_plus(
    reply: &mut ReplyDirectoryPlus,
    entry: &DirEntry<'_>,
    found: Option<(Ino, Option<Attr>)>,
) -> bool {
    let (cookie, name) = match entry {
        DirEntry::Dot { cookie, name, .. } => (*cookie, *name),
        DirEntry::Listed(listed) => (listed.cookie, listed.name.as_bytes()),
    };
    let (ttl, attr) = match (entry, found) {
        (_, Some((_, Some(attr)))) => (FOREVER, file_attr(&attr)),
        (DirEntry::Listed(listed), Some((found, None))) => {
            (NEVER, unknown_attr(found, listed.kind))
        }
        (DirEntry::Listed(listed), None) => (NEVER, unknown_attr(listed.ino, listed.kind)),
        (DirEntry::Dot { ino, .. }, _) => (NEVER, unknown_attr(*ino, FileKind::Directory)),
    };
    !reply.add(attr.ino, cookie, OsStr::from_bytes(name), &ttl, &attr, GENERATION)
}
