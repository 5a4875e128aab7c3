//! What differs between HEAD's tree and the view. Pure.

use crate::types::{Oid, TreeMode};

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// HEAD's tree does not have it.
    Added,
    /// Other content or mode.
    Modified,
    /// The view does not have it.
    Deleted,
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    /// Path in the repository.
    pub path: Vec<u8>,
    /// What happened to it.
    pub kind: ChangeKind,
    /// What HEAD's tree has.
    pub old: Option<(TreeMode, Oid)>,
    /// What the seal has.
    pub new: Option<(TreeMode, Oid)>,
}

/// A path that a seal leaves out although git's model could hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Path in the repository.
    pub path: Vec<u8>,
    /// Why.
    pub why: &'static str,
}

impl PathChange {
    /// The change from `old` to `new` at `path`, if there is one.
    pub(super) fn between(
        path: &[u8],
        old: Option<(TreeMode, Oid)>,
        new: Option<(TreeMode, Oid)>,
    ) -> Option<Self> {
        let kind = match (old, new) {
            (None, Some(_)) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Deleted,
            (Some(old), Some(new)) if old != new => ChangeKind::Modified,
            _ => return None,
        };
        Some(Self { path: path.to_vec(), kind, old, new })
    }
}
