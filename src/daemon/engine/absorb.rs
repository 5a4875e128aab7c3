//! After a merge with what the remote had meanwhile: view, branch and index move to it.
//!
//! In that order: a crash after the view moved makes the next seal commit what the remote has
//! already, which merges to nothing; the other way round it would take the remote's work back.

use super::Engine;
use super::seal::Cut;
use crate::base::{Base, Entry};
use crate::daemon::failure::Failure;
use crate::git::Head;
use crate::types::{Oid, TreeMode};
use crate::workspace::PathEdit;
use std::cmp::Ordering;

impl Engine {
    /// Moves to the remote's tip if it contains HEAD and nothing stands in the way. When something
    /// does, HEAD stays, and the next flush merges again.
    pub(super) fn absorb(&self, cut: &Cut) {
        match self.try_absorb(cut) {
            Ok(Some(tip)) => tracing::info!(%tip, "the view moved to what the remote has"),
            Ok(None) => {}
            Err(failure) => {
                tracing::info!(cause = ?failure.cause, "the view stays behind the remote: {failure}");
            }
        }
    }

    fn try_absorb(&self, cut: &Cut) -> Result<Option<Oid>, Failure> {
        let Head::Branch { name, tip: Some(ours) } = self.repo.head()? else { return Ok(None) };
        let Some(theirs) = self.tracked_tip()? else { return Ok(None) };
        let behind = Some(&name) == self.record.branch.as_ref()
            && ours != theirs
            && self.repo.exists(theirs)
            && self.repo.is_ancestor(ours, theirs)?;
        if !behind {
            return Ok(None);
        }
        let Some(index) = self.lock_index()? else { return Ok(None) };
        if self.operation()?.is_some() {
            return Ok(None);
        }
        let mut edits = Vec::new();
        let (before, after) = (self.repo.commit(ours)?.tree, self.repo.commit(theirs)?.tree);
        differences(&self.base, Some(before), Some(after), &mut Vec::new(), &mut edits)?;
        let invalid = self.workspace.replace_paths(&cut.freeze, &edits)?;
        if let Some(notifier) = self.notifier.get() {
            notifier
                .invalidate(&invalid)
                .map_err(Failure::io("the kernel could not be told what changed"))?;
        }
        self.overlay.sync()?;
        self.repo.cas_ref(&*self.host.disk, &name, theirs, Some(ours), "toft: merged")?;
        self.outbox.adopt(&name, theirs)?;
        self.replace_index(index, after)?;
        Ok(Some(theirs))
    }
}

/// The files that differ between two trees, by path.
fn differences(
    base: &Base,
    before: Option<Oid>,
    after: Option<Oid>,
    path: &mut Vec<u8>,
    edits: &mut Vec<PathEdit>,
) -> Result<(), Failure> {
    let load = |tree: Option<Oid>| tree.map(|oid| base.tree(oid)).transpose();
    let (before, after) = (load(before)?, load(after)?);
    let entries = |tree: &Option<std::sync::Arc<crate::base::Tree>>| {
        tree.as_ref().map_or(Vec::new(), |tree| tree.entries.clone())
    };
    let (before, after) = (entries(&before), entries(&after));
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.name.cmp(&new.name),
        };
        let old = if order.is_le() { old.next() } else { None };
        let new = if order.is_ge() { new.next() } else { None };
        one(base, old, new, path, edits)?;
    }
}

/// What differs at one name.
fn one(
    base: &Base,
    old: Option<&Entry>,
    new: Option<&Entry>,
    path: &mut Vec<u8>,
    edits: &mut Vec<PathEdit>,
) -> Result<(), Failure> {
    let value = |entry: Option<&Entry>| entry.map(|entry| (entry.mode, entry.oid));
    if value(old) == value(new) {
        return Ok(());
    }
    let Some(named) = old.or(new) else { return Ok(()) };
    let length = path.len();
    if length > 0 {
        path.push(b'/');
    }
    path.extend_from_slice(named.name.as_bytes());
    let tree = |entry: Option<&Entry>| {
        entry.filter(|entry| entry.mode == TreeMode::Tree).map(|entry| entry.oid)
    };
    let leaf = |entry: Option<&Entry>| value(entry).filter(|(mode, _)| *mode != TreeMode::Tree);
    let (expected, wanted) = (leaf(old), leaf(new));
    if expected.is_some() || wanted.is_some() {
        edits.push(PathEdit { path: path.clone(), expected, new: wanted });
    }
    if tree(old).is_some() || tree(new).is_some() {
        differences(base, tree(old), tree(new), path, edits)?;
    }
    path.truncate(length);
    Ok(())
}
