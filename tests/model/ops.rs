//! Operations as they are generated, and as they are carried out.

use toft::types::FileKind;

/// A name in a directory: one of those that are there, or one of a few that may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    Existing(u8),
    Fresh(u8),
}

/// What to do. Numbers choose among what there is when the operation is carried out, so that any
/// part of a sequence is a sequence, and shrinking finds small ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Create {
        dir: u8,
        name: Pick,
        perm: u32,
    },
    Mkdir {
        dir: u8,
        name: Pick,
        perm: u32,
    },
    Symlink {
        dir: u8,
        name: Pick,
        target: u8,
    },
    Mknod {
        dir: u8,
        name: Pick,
        kind: FileKind,
        perm: u32,
    },
    Unlink {
        dir: u8,
        name: Pick,
    },
    Rmdir {
        dir: u8,
        name: Pick,
    },
    Rename {
        from: u8,
        name: Pick,
        to: u8,
        new_name: Pick,
        mode: u8,
    },
    Link {
        file: u8,
        dir: u8,
        name: Pick,
    },
    Open {
        slot: u8,
        file: u8,
        truncate: bool,
        append: bool,
    },
    Close {
        slot: u8,
    },
    Write {
        slot: u8,
        offset: u16,
        len: u16,
    },
    Fallocate {
        slot: u8,
        mode: u8,
        offset: u16,
        len: u16,
    },
    Copy {
        from: u8,
        from_offset: u16,
        to: u8,
        to_offset: u16,
        len: u16,
    },
    Truncate {
        file: u8,
        size: u16,
    },
    Chmod {
        file: u8,
        perm: u32,
    },
    Chown {
        file: u8,
        uid: Option<u16>,
        gid: Option<u16>,
    },
    Utimens {
        file: u8,
        atime: Option<Time>,
        mtime: Option<Time>,
    },
    SetXattr {
        file: u8,
        name: u8,
        len: u16,
        mode: u8,
    },
    RemoveXattr {
        file: u8,
        name: u8,
    },
    OpenDir {
        slot: u8,
        dir: u8,
    },
    CloseDir {
        slot: u8,
    },
    Fsync {
        slot: u8,
    },
    Freeze,
    Thaw,
    /// The kernel drops what it has cached.
    Forget,
    Remount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    Now,
    At(i64, u32),
}

/// A directory: by path from the root, or one that is held open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dir {
    Path(Vec<Vec<u8>>),
    Slot(usize),
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub dir: Dir,
    pub name: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    Replace,
    NoReplace,
    Exchange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Xattr {
    Any,
    Create,
    Replace,
}

/// What is done, with names and paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Create(Place, u32),
    Mkdir(Place, u32),
    Symlink(Place, Vec<u8>),
    Mknod(Place, FileKind, u32),
    Unlink(Place),
    Rmdir(Place),
    Rename(Place, Place, Rename),
    Link(Place, Place),
    Open { slot: usize, place: Place, truncate: bool, append: bool },
    Close(usize),
    Write { slot: usize, offset: u64, bytes: Vec<u8> },
    Fallocate { slot: usize, mode: i32, offset: u64, len: u64 },
    Copy { from: (usize, u64), to: (usize, u64), len: u64 },
    Truncate(Place, u64),
    Chmod(Place, u32),
    Chown(Place, Option<u32>, Option<u32>),
    Utimens(Place, Option<Time>, Option<Time>),
    SetXattr(Place, Vec<u8>, Vec<u8>, Xattr),
    RemoveXattr(Place, Vec<u8>),
    OpenDir(usize, Vec<Vec<u8>>),
    CloseDir(usize),
    Fsync(usize),
    Freeze,
    Thaw,
    Forget,
    Remount,
}

pub const FILE_SLOTS: usize = 4;
pub const DIR_SLOTS: usize = 2;
