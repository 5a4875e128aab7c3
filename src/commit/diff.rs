//! What differs between two trees of the base.

use super::change::PathChange;
use super::error::CommitError;
use super::frame::{HeadEntry, Pair};
use super::view::join;
use crate::base::{Base, Entry, Tree};
use crate::types::{Name, Oid, TreeMode};
use std::sync::Arc;

/// The paths that differ between the trees `old` and `new` at `path`; None holds nothing. Equal
/// subtrees are not read.
pub(super) fn diff(
    base: &Base,
    path: &[u8],
    old: Option<Oid>,
    new: Option<Oid>,
) -> Result<Vec<PathChange>, CommitError> {
    let mut changes = Vec::new();
    let mut pending = vec![(path.to_vec(), old, new)];
    while let Some((dir, old, new)) = pending.pop() {
        if old == new {
            continue;
        }
        let (old, new) = (read(base, &dir, old)?, read(base, &dir, new)?);
        for Pair { name, item: new, head: old } in Pair::all(entries(&new.entries), &old.entries) {
            let path = join(&dir, name.as_bytes());
            let leaf = |entry: Option<HeadEntry>| entry.and_then(HeadEntry::leaf);
            let tree = |entry: Option<HeadEntry>| {
                entry.filter(|entry| entry.mode == TreeMode::Tree).map(|entry| entry.oid)
            };
            changes.extend(PathChange::between(&path, leaf(old), leaf(new)));
            pending.push((path, tree(old), tree(new)));
        }
    }
    Ok(changes)
}

fn read(base: &Base, path: &[u8], tree: Option<Oid>) -> Result<Arc<Tree>, CommitError> {
    let unread = |source| CommitError::Base { path: path.to_vec(), source };
    tree.map_or(Ok(Arc::default()), |tree| base.tree(tree).map_err(unread))
}

fn entries(entries: &[Entry]) -> Vec<(Name, HeadEntry)> {
    let entry = |entry: &Entry| (entry.name.clone(), HeadEntry::from(entry));
    entries.iter().map(entry).collect()
}
