//! Replies: from values to bytes. Pure.

use crate::types::{Attr, FileKind, Ino, Timespec};
use crate::workspace::FsStat;
use std::time::Duration;

const ATTR: usize = 88;
const ENTRY: usize = 40 + ATTR;
const DIRENT: usize = 24;
const BLOCK_SIZE: u32 = 4096;

/// `fuse_attr_out`.
pub(in crate::fuse) fn attr(attr: &Attr, ttl: Duration) -> [u8; 16 + ATTR] {
    let mut out = Fields::new();
    out.u64(ttl.as_secs());
    out.u32(ttl.subsec_nanos());
    out.u32(0);
    put_attr(&mut out, attr);
    out.bytes
}

/// `fuse_entry_out`.
pub(in crate::fuse) fn entry(attr: &Attr, ttl: Duration) -> [u8; ENTRY] {
    let mut out = Fields::new();
    put_entry(&mut out, attr, ttl);
    out.bytes
}

/// The same for a name that is not there: the kernel keeps that in mind.
pub(in crate::fuse) fn entry_of_nothing(ttl: Duration) -> [u8; ENTRY] {
    let mut out = Fields::new();
    put_valid(&mut out, Ino(0), ttl);
    out.bytes
}

/// `fuse_open_out`.
pub(in crate::fuse) fn opened(fh: u64, flags: u32) -> [u8; 16] {
    let mut out = Fields::new();
    put_opened(&mut out, fh, flags);
    out.bytes
}

/// `fuse_entry_out` and `fuse_open_out`.
pub(in crate::fuse) fn created(
    attr: &Attr,
    ttl: Duration,
    fh: u64,
    flags: u32,
) -> [u8; ENTRY + 16] {
    let mut out = Fields::new();
    put_entry(&mut out, attr, ttl);
    put_opened(&mut out, fh, flags);
    out.bytes
}

/// `fuse_write_out`.
pub(in crate::fuse) fn written(count: u32) -> [u8; 8] {
    let mut out = Fields::new();
    out.u32(count);
    out.bytes
}

/// `fuse_getxattr_out`.
pub(in crate::fuse) fn xattr_size(size: u32) -> [u8; 8] {
    written(size)
}

/// `fuse_lseek_out`.
pub(in crate::fuse) fn lseek(offset: i64) -> [u8; 8] {
    let mut out = Fields::new();
    out.i64(offset);
    out.bytes
}

/// `fuse_statfs_out`.
pub(in crate::fuse) fn statfs(stat: &FsStat) -> [u8; 80] {
    let mut out = Fields::new();
    for count in [stat.blocks, stat.free, stat.available, stat.files, stat.files_free] {
        out.u64(count);
    }
    for size in [stat.block_size, stat.name_max, stat.fragment] {
        out.u32(size);
    }
    out.bytes
}

/// A listing, as far as there is room.
pub(in crate::fuse) struct Dirents<'a> {
    room: &'a mut [u8],
    used: usize,
}

impl<'a> Dirents<'a> {
    pub fn new(room: &'a mut [u8]) -> Self {
        Self { room, used: 0 }
    }

    /// How many bytes of the room are in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Adds `fuse_dirent`; false when it does not fit.
    pub fn add(&mut self, next: u64, ino: Ino, kind: FileKind, name: &[u8]) -> bool {
        let mut head = Fields::<DIRENT>::new();
        put_dirent(&mut head, next, ino, kind, name);
        self.push(&head.bytes, name)
    }

    /// Adds `fuse_direntplus`; false when it does not fit.
    pub fn add_plus(&mut self, next: u64, name: &[u8], attr: &Attr, ttl: Duration) -> bool {
        let mut head = Fields::<{ ENTRY + DIRENT }>::new();
        put_entry(&mut head, attr, ttl);
        put_dirent(&mut head, next, attr.ino, attr.kind, name);
        self.push(&head.bytes, name)
    }

    fn push(&mut self, head: &[u8], name: &[u8]) -> bool {
        let end = head.len() + name.len();
        let padded = end.next_multiple_of(8);
        let Some(room) = self.room.get_mut(self.used..self.used + padded) else { return false };
        room[..head.len()].copy_from_slice(head);
        room[head.len()..end].copy_from_slice(name);
        room[end..].fill(0);
        self.used += padded;
        true
    }
}

fn put_dirent<const N: usize>(
    out: &mut Fields<N>,
    next: u64,
    ino: Ino,
    kind: FileKind,
    name: &[u8],
) {
    out.u64(ino.0);
    out.u64(next);
    // A name has 255 bytes at most.
    out.u32(name.len() as u32);
    out.u32(format(kind) >> 12);
}

fn put_opened<const N: usize>(out: &mut Fields<N>, fh: u64, flags: u32) {
    out.u64(fh);
    out.u32(flags);
    out.u32(0);
}

fn put_entry<const N: usize>(out: &mut Fields<N>, attr: &Attr, ttl: Duration) {
    put_valid(out, attr.ino, ttl);
    put_attr(out, attr);
}

/// What of `fuse_entry_out` comes before the attributes.
fn put_valid<const N: usize>(out: &mut Fields<N>, ino: Ino, ttl: Duration) {
    out.u64(ino.0);
    // Inode numbers are never used twice: there is one generation.
    out.u64(0);
    out.u64(ttl.as_secs());
    out.u64(ttl.as_secs());
    out.u32(ttl.subsec_nanos());
    out.u32(ttl.subsec_nanos());
}

/// `fuse_attr`.
fn put_attr<const N: usize>(out: &mut Fields<N>, attr: &Attr) {
    let times: [Timespec; 3] = [attr.atime, attr.mtime, attr.ctime];
    out.u64(attr.ino.0);
    out.u64(attr.size);
    out.u64(attr.blocks);
    times.iter().for_each(|time| out.i64(time.sec));
    times.iter().for_each(|time| out.u32(time.nsec));
    out.u32(format(attr.kind) | attr.perm & 0o7777);
    for number in [attr.nlink, attr.uid, attr.gid, attr.rdev, BLOCK_SIZE, 0] {
        out.u32(number);
    }
}

/// The kind in a mode.
fn format(kind: FileKind) -> u32 {
    match kind {
        FileKind::Regular => libc::S_IFREG,
        FileKind::Directory => libc::S_IFDIR,
        FileKind::Symlink => libc::S_IFLNK,
        FileKind::Fifo => libc::S_IFIFO,
        FileKind::Socket => libc::S_IFSOCK,
        FileKind::CharDevice => libc::S_IFCHR,
        FileKind::BlockDevice => libc::S_IFBLK,
    }
}

/// A structure of `N` bytes, field by field; what is not written is zero.
struct Fields<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

#[expect(clippy::host_endian_bytes, reason = "the kernel's order is this machine's")]
impl<const N: usize> Fields<N> {
    fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    fn put(&mut self, field: &[u8]) {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_ne_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.put(&value.to_ne_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.put(&value.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests;
