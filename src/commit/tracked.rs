//! Which paths git tracks: those of HEAD's tree, and what the user's index says differently. Pure.

use super::change::{Leaf, PathChange};
use crate::types::TreeMode;
use std::collections::BTreeMap;

/// Which paths git tracks, so that ignore rules do not concern them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrackedPaths {
    /// Exactly those of HEAD's tree: the index is as toft or `git commit` left it.
    #[default]
    Head,
    /// Those of HEAD's tree but for what an index says of these.
    Differing(BTreeMap<Vec<u8>, Indexed>),
}

/// What an index says of a path that HEAD does not have like that.
///
/// Content that was staged is no difference: the files have it, or something newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexed {
    /// Not tracked any more (`git rm --cached`).
    Removed,
    /// Tracked, though HEAD has no such path (`git add -f`, `git submodule add`).
    Added(Leaf),
    /// Tracked, and missing from the files on purpose (`git sparse-checkout`).
    Sparse(Leaf),
}

/// An entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its path.
    pub path: Vec<u8>,
    /// What it stages.
    pub leaf: Leaf,
    /// Whether its skip-worktree bit is set.
    pub skip_worktree: bool,
}

impl TrackedPaths {
    /// From the paths of HEAD's tree and the entries of an index, both in any order.
    pub fn compare(
        head: impl IntoIterator<Item = (Vec<u8>, Leaf)>,
        index: impl IntoIterator<Item = IndexEntry>,
    ) -> Self {
        let mut missing: BTreeMap<_, _> = head.into_iter().collect();
        let mut differences = BTreeMap::new();
        for IndexEntry { path, leaf, skip_worktree } in index {
            let known = missing.remove(&path);
            if skip_worktree {
                differences.insert(path, Indexed::Sparse(leaf));
            } else if let Some(indexed) = difference(known, Some(leaf)) {
                differences.insert(path, indexed);
            }
        }
        differences.extend(missing.into_keys().map(|path| (path, Indexed::Removed)));
        Self::from(differences)
    }

    /// From what turns HEAD's tree into the tree that an index stands for.
    pub fn changed(changes: impl IntoIterator<Item = PathChange>) -> Self {
        let differs = |change: PathChange| Some((change.path, difference(change.old, change.new)?));
        Self::from(changes.into_iter().filter_map(differs).collect::<BTreeMap<_, _>>())
    }

    /// What is tracked at `path`, where HEAD has `head`.
    pub(super) fn leaf(&self, path: &[u8], head: Option<Leaf>) -> Option<Leaf> {
        match self.get(path) {
            None => head,
            Some(Indexed::Removed) => None,
            Some(Indexed::Added(leaf) | Indexed::Sparse(leaf)) => Some(leaf),
        }
    }

    /// What a seal keeps at `path` although no file is there.
    pub(super) fn sparse(&self, path: &[u8]) -> Option<Leaf> {
        match self.get(path) {
            Some(Indexed::Sparse(leaf)) => Some(leaf),
            _ => None,
        }
    }

    /// Whether anything below the directory `dir` differs from HEAD.
    pub(super) fn differs_below(&self, dir: &[u8]) -> bool {
        self.below(dir).next().is_some()
    }

    /// Whether anything below `dir` is tracked that HEAD need not have.
    pub(super) fn adds_below(&self, dir: &[u8]) -> bool {
        self.below(dir).any(|indexed| *indexed != Indexed::Removed)
    }

    fn get(&self, path: &[u8]) -> Option<Indexed> {
        match self {
            Self::Head => None,
            Self::Differing(differences) => differences.get(path).copied(),
        }
    }

    fn below(&self, dir: &[u8]) -> impl Iterator<Item = &Indexed> {
        let mut prefix = dir.to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let differences = match self {
            Self::Head => None,
            Self::Differing(differences) => Some(differences.range(prefix.clone()..)),
        };
        let from = differences.into_iter().flatten();
        from.take_while(move |(path, _)| path.starts_with(&prefix)).map(|(_, indexed)| indexed)
    }
}

impl From<BTreeMap<Vec<u8>, Indexed>> for TrackedPaths {
    fn from(differences: BTreeMap<Vec<u8>, Indexed>) -> Self {
        if differences.is_empty() { Self::Head } else { Self::Differing(differences) }
    }
}

/// How the index differs where HEAD has `head`, as far as that decides what a seal takes.
fn difference(head: Option<Leaf>, index: Option<Leaf>) -> Option<Indexed> {
    let is_gitlink = |leaf: Leaf| leaf.mode == TreeMode::Commit;
    match (head, index) {
        (Some(_), None) => Some(Indexed::Removed),
        (Some(head), Some(leaf)) if is_gitlink(head) == is_gitlink(leaf) => None,
        (_, Some(leaf)) => Some(Indexed::Added(leaf)),
        (None, None) => None,
    }
}
