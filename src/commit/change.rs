//! What a seal changes, path by path. Pure.

use crate::types::{Oid, TreeMode};

/// What a commit holds at one path: anything but a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// Kind and executable bit.
    pub mode: TreeMode,
    /// The blob, or the commit of a gitlink.
    pub oid: Oid,
}

/// A path that differs from HEAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    /// Where, from the root, without a slash at either end.
    pub path: Vec<u8>,
    /// How.
    pub kind: ChangeKind,
    /// What HEAD has there.
    pub old: Option<Leaf>,
    /// What the new tree has there.
    pub new: Option<Leaf>,
}

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// HEAD has nothing there.
    Added,
    /// Other content, mode or kind.
    Modified,
    /// The new tree has nothing there.
    Deleted,
}

/// A path that cannot be in a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where.
    pub path: Vec<u8>,
    /// Why.
    pub why: &'static str,
}

impl Leaf {
    /// Whether it is a regular file.
    pub fn is_file(self) -> bool {
        matches!(self.mode, TreeMode::Blob | TreeMode::BlobExec)
    }
}

impl PathChange {
    /// The change from `old` to `new`, if it is one.
    pub fn between(path: &[u8], old: Option<Leaf>, new: Option<Leaf>) -> Option<Self> {
        let kind = match (old, new) {
            (None, Some(_)) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Deleted,
            (Some(old), Some(new)) if old != new => ChangeKind::Modified,
            _ => return None,
        };
        Some(Self { path: path.to_vec(), kind, old, new })
    }
}
