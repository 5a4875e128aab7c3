//! After a merge with what the remote had meanwhile: view, branch and index move to it.
//!
//! In that order: a crash after the view moved makes the next seal commit what the remote has
//! already, which merges to nothing; the other way round it would take the remote's work back.

use super::Engine;
use super::seal::Cut;
use crate::commit::{Leaf, PathChange};
use crate::daemon::failure::Failure;
use crate::git::Head;
use crate::types::Oid;
use crate::workspace::PathEdit;

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
        let lock = self.lock_index()?;
        let (before, after) = (self.repo.commit(ours)?.tree, self.repo.commit(theirs)?.tree);
        let changes = self.sealer.difference(before, after)?;
        let edits: Vec<_> = changes.into_iter().map(edit).collect();
        let invalid = self.workspace.replace_paths(&cut.freeze, &edits)?;
        if let Some(notifier) = self.notifier.get() {
            notifier
                .invalidate(&invalid)
                .map_err(Failure::io("the kernel could not be told what changed"))?;
        }
        self.overlay.sync()?;
        self.repo.cas_ref(&*self.host.disk, &name, theirs, Some(ours), "toft: merged")?;
        self.outbox.adopt(&name, theirs)?;
        self.index_after_merge(lock, theirs, &edits);
        Ok(Some(theirs))
    }
}

/// The change of one path that a merge brings.
fn edit(change: PathChange) -> PathEdit {
    let leaf = |leaf: Leaf| (leaf.mode, leaf.oid);
    PathEdit { path: change.path, expected: change.old.map(leaf), new: change.new.map(leaf) }
}
