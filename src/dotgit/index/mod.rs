//! git's index (gitformat-index(5)): read in versions 2 to 4, written in 2 or 3. Pure.

mod cache_tree;
mod raw;
mod read;
mod write;

pub use cache_tree::CacheTree;
pub use raw::Raw;
pub use read::decode;
pub use write::{Writer, Written, encode};

use crate::types::{HashKind, Ino, Oid, Timespec, TreeMode};

/// What git keeps of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path, from the root, without a `/` at its start.
    pub path: Vec<u8>,
    /// What it is; never a tree.
    pub mode: TreeMode,
    /// The blob, or the commit of a gitlink.
    pub oid: Oid,
    /// 0; in a conflict 1 (base), 2 (ours), 3 (theirs).
    pub stage: u8,
    /// `git update-index --assume-unchanged`.
    pub assume_valid: bool,
    /// The path is not wanted in the working tree (sparse checkout): its absence is no deletion.
    pub skip_worktree: bool,
    /// `git add --intent-to-add`: the path is tracked but has no content yet.
    pub intent_to_add: bool,
    /// By which git sees that the file did not change.
    pub stat: Stat,
}

impl Entry {
    /// Without flags and stat data.
    pub fn new(path: &[u8], mode: TreeMode, oid: Oid) -> Self {
        Self {
            path: path.to_vec(),
            mode,
            oid,
            stage: 0,
            assume_valid: false,
            skip_worktree: false,
            intent_to_add: false,
            stat: Stat::default(),
        }
    }
}

/// The stat data of an entry, cut to 32 bits as git cuts it. All zero: not known, git looks itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Seconds and nanoseconds of the last change of the inode.
    pub ctime: (u32, u32),
    /// Seconds and nanoseconds of the last change of the content.
    pub mtime: (u32, u32),
    /// The device; git does not compare it.
    pub dev: u32,
    /// The low half of the inode number.
    pub ino: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The size modulo 2^32. 0 for a file that is not empty makes git compare the content.
    pub size: u32,
}

/// What stat(2) through the mount shows of a file or symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// The inode number.
    pub ino: Ino,
    /// Bytes.
    pub size: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of content.
    pub mtime: Timespec,
    /// Last change of the inode.
    pub ctime: Timespec,
}

impl From<FileStat> for Stat {
    /// Cuts as git does. (Newer versions keep a size of a multiple of 4 GiB as 2^31; 0 makes all
    /// versions compare the content, which is right for all.)
    fn from(file: FileStat) -> Stat {
        let time = |time: Timespec| (time.sec as u32, time.nsec);
        Stat {
            ctime: time(file.ctime),
            mtime: time(file.mtime),
            dev: 0,
            ino: file.ino.0 as u32,
            uid: file.uid,
            gid: file.gid,
            size: file.size as u32,
        }
    }
}

/// A whole index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The hash of the repository.
    pub hash: HashKind,
    /// By path, then stage; each pair once.
    pub entries: Vec<Entry>,
    /// Trees that git need not compute again; None when it knows of none.
    pub cache_tree: Option<CacheTree>,
}

impl Index {
    /// One without entries.
    pub fn empty(hash: HashKind) -> Self {
        Self { hash, entries: Vec::new(), cache_tree: None }
    }

    /// The paths that are in conflict, each once.
    pub fn unmerged(&self) -> Vec<&[u8]> {
        let mut paths: Vec<&[u8]> =
            self.entries.iter().filter(|entry| entry.stage > 0).map(|e| &*e.path).collect();
        paths.dedup();
        paths
    }
}

/// Bits of an entry's flags and extended flags.
mod flags {
    pub const ASSUME_VALID: u16 = 0x8000;
    pub const EXTENDED: u16 = 0x4000;
    pub const STAGE_SHIFT: u16 = 12;
    /// The length of the path, or this when it is as long or longer.
    pub const NAME_MASK: u16 = 0x0fff;
    pub const SKIP_WORKTREE: u16 = 0x4000;
    pub const INTENT_TO_ADD: u16 = 0x2000;
}

/// Bytes of an entry before its object id.
const STAT_BYTES: usize = 40;
const MAGIC: &[u8; 4] = b"DIRC";
const TREE_EXTENSION: &[u8; 4] = b"TREE";
