//! The values that the overlay holds: what an inode is, what a directory changes of its base tree.

use super::values::Value;
use crate::types::{BodyId, FileKind, Ino, Name, Oid, Timespec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One inode of the upper layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What stat shows beyond size.
    pub meta: Meta,
    /// Content, by kind.
    pub data: NodeData,
    /// Extended attributes by full name (`user.…`), in byte order.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The attributes of an inode that the overlay keeps.
///
/// For a regular file with a body, the body's own mtime is the truth and `mtime` here is stale:
/// a write(2) then costs no journal record. Its ctime is the later of `ctime` and the body's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits, 07777.
    pub perm: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names of a non-directory; 0 when open but unlinked. Directories: 1, or 0 when removed
    /// (the view adds what stat shows).
    pub nlink: u32,
    /// Device number of special files.
    pub rdev: u32,
    /// Last access.
    pub atime: Timespec,
    /// Last change of content.
    pub mtime: Timespec,
    /// Last change of the inode.
    pub ctime: Timespec,
}

/// Content of an inode, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeData {
    /// A directory.
    Directory(Arc<Directory>),
    /// A regular file.
    Regular(FileData),
    /// A symbolic link that is still the base's blob.
    BaseSymlink(Oid),
    /// A symbolic link made here, with its target.
    Symlink(Vec<u8>),
    /// FIFO, socket or device.
    Special(FileKind),
}

/// Where the bytes of a regular file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileData {
    /// Still the base's blob.
    Blob(Oid),
    /// A body of the content store.
    Body(BodyId),
    /// A few bytes in the value log.
    Value(Value),
}

/// A directory: a git tree by reference and what differs from it.
///
/// Renaming or removing a directory moves or drops this value only, whatever the tree's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The directory above; the root is its own.
    pub parent: Ino,
    /// What stands below `delta`.
    pub base: DirBase,
    /// Differences, by name. Entries hide the base's entry of the same name.
    pub delta: BTreeMap<Name, Slot>,
}

/// The lower side of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirBase {
    /// Nothing: made here.
    Empty,
    /// A tree of the base.
    Tree(Oid),
    /// A gitlink of the base: an empty directory that seals as this commit.
    Gitlink(Oid),
}

impl DirBase {
    /// The tree, if there is one.
    pub fn tree(self) -> Option<Oid> {
        match self {
            Self::Tree(oid) => Some(oid),
            Self::Empty | Self::Gitlink(_) => None,
        }
    }
}

/// What a directory's delta says of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The base's entry is gone.
    Whiteout,
    /// This inode; it always has a [`Node`] in the overlay.
    Entry(Ino),
}

impl NodeData {
    /// The kind that stat shows.
    pub fn kind(&self) -> FileKind {
        match self {
            Self::Directory(_) => FileKind::Directory,
            Self::Regular(_) => FileKind::Regular,
            Self::BaseSymlink(_) | Self::Symlink(_) => FileKind::Symlink,
            Self::Special(kind) => *kind,
        }
    }
}

impl Node {
    /// The directory, if it is one.
    pub fn directory(&self) -> Option<&Arc<Directory>> {
        match &self.data {
            NodeData::Directory(directory) => Some(directory),
            _ => None,
        }
    }
}
