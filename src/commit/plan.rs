//! What a seal would commit.

use super::change::{ChangeKind, PathChange, Skipped};
use super::content::{HashCache, Options};
use super::error::CommitError;
use super::guard::Finding;
use super::tracked::TrackedPaths;
use super::view::View;
use super::walk::Walk;
use crate::git::ObjectWriter;
use crate::types::Oid;
use std::sync::Arc;

/// What a seal would commit.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tree of the whole view.
    pub tree: Oid,
    /// HEAD's tree; the empty tree before the first commit.
    pub head_tree: Oid,
    /// What differs between the two, in order of the paths.
    pub changes: Vec<PathChange>,
    /// What cannot be in a commit, in order of the paths.
    pub skipped: Vec<Skipped>,
    /// New contents that are too big for a seal that nobody looked at.
    pub big_files: Vec<Finding>,
    /// New, untracked files that look like secrets.
    pub secrets: Vec<Finding>,
    /// Directories that would be written anew without entries that no file can stand for.
    pub hostile: Vec<Finding>,
}

/// How many paths differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New ones.
    pub added: usize,
    /// Ones with other content, mode or kind.
    pub modified: usize,
    /// Ones that are gone.
    pub deleted: usize,
}

impl Plan {
    /// Whether there is nothing to commit.
    pub fn is_clean(&self) -> bool {
        self.tree == self.head_tree
    }

    /// How many paths differ.
    pub fn counts(&self) -> Counts {
        let count = |kind| self.changes.iter().filter(|change| change.kind == kind).count();
        Counts {
            added: count(ChangeKind::Added),
            modified: count(ChangeKind::Modified),
            deleted: count(ChangeKind::Deleted),
        }
    }
}

/// A plan and what making it left.
pub(super) struct Made {
    pub(super) plan: Plan,
    /// The new objects.
    pub(super) writer: ObjectWriter,
    /// The hashes of the bodies it met.
    pub(super) hashes: Arc<HashCache>,
}

/// Plans what turns HEAD's tree `head` into `view`.
pub(super) fn make(
    view: View<'_>,
    head: Option<Oid>,
    tracked: &TrackedPaths,
    options: Options,
    known: Arc<HashCache>,
) -> Result<Made, CommitError> {
    let empty = view.base.repo().empty_tree();
    let (tree, found, contents) = Walk::new(view, tracked, options, known)?.run(head)?;
    let mut plan = Plan {
        tree,
        head_tree: head.unwrap_or(empty),
        changes: found.changes,
        skipped: found.skipped,
        big_files: found.big_files,
        secrets: found.secrets,
        hostile: found.hostile,
    };
    plan.changes.sort_by(|a, b| a.path.cmp(&b.path));
    plan.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Made { plan, writer: contents.writer, hashes: Arc::new(contents.seen) })
}
