//! Requests: from bytes to arguments. Pure.
//!
//! An entry of a ring holds `fuse_in_header`, then the operation's own structure in a place of its
//! own, then what is left: names, each with its NUL, and bytes.

use super::opcode::{self, fattr};
use crate::types::Timespec;
use crate::workspace::{SetAttr, SetTime};

/// Who asks for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fuse) struct Header {
    pub opcode: u32,
    pub unique: u64,
    pub node: u64,
    pub uid: u32,
    pub gid: u32,
    pub pid: u32,
}

/// A request that is shorter than it must be, or says what cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::fuse) struct Malformed;

type Decoded<T> = Result<T, Malformed>;

/// An operation with what we use of its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::fuse) enum Operation<'a> {
    Lookup {
        name: &'a [u8],
    },
    Getattr,
    Setattr(SetAttr),
    Readlink,
    Symlink {
        name: &'a [u8],
        target: &'a [u8],
    },
    Mknod {
        name: &'a [u8],
        mode: u32,
        rdev: u32,
    },
    Mkdir {
        name: &'a [u8],
        mode: u32,
    },
    Unlink {
        name: &'a [u8],
    },
    Rmdir {
        name: &'a [u8],
    },
    Rename {
        name: &'a [u8],
        new_parent: u64,
        new_name: &'a [u8],
        flags: u32,
    },
    Link {
        node: u64,
        new_name: &'a [u8],
    },
    Open {
        flags: i32,
    },
    Create {
        name: &'a [u8],
        mode: u32,
    },
    Read {
        fh: u64,
        offset: u64,
        size: u32,
    },
    Write(Write<'a>),
    Flush,
    Release {
        fh: u64,
    },
    Fsync {
        fh: u64,
    },
    Opendir,
    Readdir {
        offset: u64,
        size: u32,
    },
    Readdirplus {
        offset: u64,
        size: u32,
    },
    Releasedir,
    Fsyncdir,
    Statfs,
    Setxattr {
        name: &'a [u8],
        value: &'a [u8],
        flags: i32,
    },
    Getxattr {
        name: &'a [u8],
        size: u32,
    },
    Listxattr {
        size: u32,
    },
    Removexattr {
        name: &'a [u8],
    },
    Fallocate {
        fh: u64,
        offset: u64,
        len: u64,
        mode: i32,
    },
    Lseek {
        fh: u64,
        offset: i64,
        whence: i32,
    },
    CopyFileRange {
        from: (u64, u64),
        to: (u64, u64, u64),
        len: u64,
    },
    /// What nobody here answers.
    Other,
}

/// Bytes for a file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::fuse) struct Write<'a> {
    pub fh: u64,
    pub offset: u64,
    pub data: &'a [u8],
    pub write_flags: u32,
    pub flags: i32,
}

impl Header {
    /// Reads `fuse_in_header`.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut from = Fields(bytes);
        let _len = from.u32()?;
        Ok(Self {
            opcode: from.u32()?,
            unique: from.u64()?,
            node: from.u64()?,
            uid: from.u32()?,
            gid: from.u32()?,
            pid: from.u32()?,
        })
    }
}

impl<'a> Operation<'a> {
    /// Reads the operation's structure and what follows it.
    pub fn decode(opcode: u32, structure: &[u8], rest: &'a [u8]) -> Decoded<Self> {
        let (mut from, mut rest) = (Fields(structure), Rest(rest));
        Ok(match opcode {
            opcode::LOOKUP => Self::Lookup { name: rest.name()? },
            opcode::GETATTR => Self::Getattr,
            opcode::SETATTR => Self::Setattr(setattr(&mut from)?),
            opcode::READLINK => Self::Readlink,
            opcode::SYMLINK => Self::Symlink { name: rest.name()?, target: rest.name()? },
            opcode::MKNOD => {
                Self::Mknod { mode: from.u32()?, rdev: from.u32()?, name: rest.name()? }
            }
            opcode::MKDIR => Self::Mkdir { mode: from.u32()?, name: rest.name()? },
            opcode::UNLINK => Self::Unlink { name: rest.name()? },
            opcode::RMDIR => Self::Rmdir { name: rest.name()? },
            opcode::RENAME | opcode::RENAME2 => rename(opcode, &mut from, &mut rest)?,
            opcode::LINK => Self::Link { node: from.u64()?, new_name: rest.name()? },
            opcode::CREATE => {
                let (_flags, mode) = (from.u32()?, from.u32()?);
                Self::Create { mode, name: rest.name()? }
            }
            opcode::OPENDIR => Self::Opendir,
            opcode::READDIR => readdir(&mut from, |offset, size| Self::Readdir { offset, size })?,
            opcode::READDIRPLUS => {
                readdir(&mut from, |offset, size| Self::Readdirplus { offset, size })?
            }
            opcode::RELEASEDIR => Self::Releasedir,
            opcode::FSYNCDIR => Self::Fsyncdir,
            opcode::STATFS => Self::Statfs,
            opcode::SETXATTR => {
                let (size, flags) = (from.u32()?, from.i32()?);
                Self::Setxattr { flags, name: rest.name()?, value: rest.bytes(size)? }
            }
            opcode::GETXATTR => Self::Getxattr { size: from.u32()?, name: rest.name()? },
            opcode::LISTXATTR => Self::Listxattr { size: from.u32()? },
            opcode::REMOVEXATTR => Self::Removexattr { name: rest.name()? },
            _ => on_file(opcode, &mut from, &mut rest)?,
        })
    }
}

/// What is done to a file that is open.
fn on_file<'a>(opcode: u32, from: &mut Fields<'_>, rest: &mut Rest<'a>) -> Decoded<Operation<'a>> {
    Ok(match opcode {
        opcode::OPEN => Operation::Open { flags: from.i32()? },
        opcode::READ => {
            Operation::Read { fh: from.u64()?, offset: from.offset()?, size: from.u32()? }
        }
        opcode::WRITE => Operation::Write(write(from, rest)?),
        opcode::FLUSH => Operation::Flush,
        opcode::RELEASE => Operation::Release { fh: from.u64()? },
        opcode::FSYNC => Operation::Fsync { fh: from.u64()? },
        opcode::FALLOCATE => Operation::Fallocate {
            fh: from.u64()?,
            offset: from.offset()?,
            len: from.offset()?,
            mode: from.i32()?,
        },
        opcode::LSEEK => {
            Operation::Lseek { fh: from.u64()?, offset: from.i64()?, whence: from.i32()? }
        }
        opcode::COPY_FILE_RANGE => Operation::CopyFileRange {
            from: (from.u64()?, from.offset()?),
            to: (from.u64()?, from.u64()?, from.offset()?),
            len: from.u64()?,
        },
        _ => Operation::Other,
    })
}

fn rename<'a>(opcode: u32, from: &mut Fields<'_>, rest: &mut Rest<'a>) -> Decoded<Operation<'a>> {
    let new_parent = from.u64()?;
    let flags = if opcode == opcode::RENAME2 { from.u32()? } else { 0 };
    Ok(Operation::Rename { name: rest.name()?, new_parent, new_name: rest.name()?, flags })
}

/// `fuse_read_in`, of a directory: its offsets are cookies, of which each bit counts.
fn readdir<'a>(
    from: &mut Fields<'_>,
    build: impl FnOnce(u64, u32) -> Operation<'a>,
) -> Decoded<Operation<'a>> {
    let (_fh, offset, size) = (from.u64()?, from.u64()?, from.u32()?);
    Ok(build(offset, size))
}

/// `fuse_write_in`.
fn write<'a>(from: &mut Fields<'_>, rest: &mut Rest<'a>) -> Decoded<Write<'a>> {
    let (fh, offset, size) = (from.u64()?, from.offset()?, from.u32()?);
    let (write_flags, _lock_owner, flags) = (from.u32()?, from.u64()?, from.i32()?);
    Ok(Write { fh, offset, data: rest.bytes(size)?, write_flags, flags })
}

/// `fuse_setattr_in`.
fn setattr(from: &mut Fields<'_>) -> Decoded<SetAttr> {
    let (valid, _padding, _fh) = (from.u32()?, from.u32()?, from.u64()?);
    let (size, _lock_owner) = (from.u64()?, from.u64()?);
    let (atime, mtime, _ctime) = (from.i64()?, from.i64()?, from.i64()?);
    let (atime_nsec, mtime_nsec, _ctime_nsec) = (from.u32()?, from.u32()?, from.u32()?);
    let (mode, _unused, uid, gid) = (from.u32()?, from.u32()?, from.u32()?, from.u32()?);
    let is_set = |bit| valid & bit != 0;
    let time = |bit, now, sec, nsec| {
        let time = if is_set(now) { SetTime::Now } else { SetTime::At(Timespec { sec, nsec }) };
        is_set(bit).then_some(time)
    };
    Ok(SetAttr {
        perm: is_set(fattr::MODE).then_some(mode & 0o7777),
        uid: is_set(fattr::UID).then_some(uid),
        gid: is_set(fattr::GID).then_some(gid),
        size: is_set(fattr::SIZE).then_some(size),
        atime: time(fattr::ATIME, fattr::ATIME_NOW, atime, atime_nsec),
        mtime: time(fattr::MTIME, fattr::MTIME_NOW, mtime, mtime_nsec),
    })
}

/// The fields of a structure, one after the other. The kernel speaks as this machine does.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Decoded<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn i32(&mut self) -> Decoded<i32> {
        self.take().map(i32::from_ne_bytes)
    }

    fn u64(&mut self) -> Decoded<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    fn i64(&mut self) -> Decoded<i64> {
        self.take().map(i64::from_ne_bytes)
    }

    /// A place in a file, which is never negative.
    fn offset(&mut self) -> Decoded<u64> {
        u64::try_from(self.i64()?).map_err(|_| Malformed)
    }
}

/// What follows the structure.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Up to a NUL.
    fn name(&mut self) -> Decoded<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
        let (name, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Ok(name)
    }

    fn bytes(&mut self, size: u32) -> Decoded<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(size as usize).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
