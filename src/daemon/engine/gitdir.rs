//! What the engine asks the workspace's own repository.

use super::Engine;
use crate::daemon::failure::Failure;
use crate::git::Repo;
use crate::types::Oid;

impl Engine {
    /// Where the remote's branch stood when it was last heard of.
    pub(super) fn tracked_tip(&self) -> Result<Option<Oid>, Failure> {
        let Some(branch) = &self.record.branch else { return Ok(None) };
        let short = branch.trim_start_matches("refs/heads/");
        let known = self.outbox.states()?.into_iter().find(|state| state.refname == *branch);
        match known.map(|state| state.remote) {
            Some(crate::sync::Known::At(oid)) => Ok(Some(oid)),
            Some(crate::sync::Known::Absent) => Ok(None),
            _ => Ok(self.repo.read_ref(&format!("refs/remotes/origin/{short}"))?),
        }
    }

    /// The last commit of ours that the remote is known to have.
    pub(super) fn delivered(&self) -> Result<Option<Oid>, Failure> {
        let tip = self.tracked_tip()?;
        Ok(tip.filter(|tip| self.repo.exists(*tip)).or(self.record.base))
    }

    /// Commits of HEAD that the remote is not known to have; None when that cannot be told.
    pub(super) fn unpushed_commits(&self, head: Option<Oid>) -> Result<Option<u64>, Failure> {
        match (head, self.delivered()?) {
            (None, _) => Ok(Some(0)),
            (Some(head), Some(remote)) => Ok(Some(self.repo.count_between(remote, head)? as u64)),
            (Some(head), None) => {
                // Nothing was ever there: all of it is ours.
                let nothing = self.record.base.is_none();
                Ok(nothing.then(|| self.repo.count_all(head)).transpose()?.map(|n| n as u64))
            }
        }
    }

    /// Tips of all branches of the remote, as last heard of.
    pub(super) fn remote_tips(&self) -> Result<Vec<Oid>, Failure> {
        let refs = self.repo.refs("refs/remotes/origin/")?;
        Ok(refs.into_iter().map(|(_, oid)| oid).collect())
    }

    /// Whether some branch of the remote is known to contain `tip`.
    pub(super) fn is_known(&self, tip: Oid) -> Result<bool, Failure> {
        if self.record.base == Some(tip) || self.remote_tips()?.contains(&tip) {
            return Ok(true);
        }
        for remote in self.own_remote_tips()? {
            if self.repo.is_ancestor(tip, remote)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tips of the branches that this workspace pushed, as last heard of.
    pub(super) fn own_remote_tips(&self) -> Result<Vec<Oid>, Failure> {
        let states = self.outbox.states()?;
        let tips = states.into_iter().filter_map(|state| match state.remote {
            crate::sync::Known::At(oid) => Some(oid),
            _ => state.delivered,
        });
        Ok(tips.filter(|oid| self.repo.exists(*oid)).collect())
    }

    /// Whether the store, and so the remote, has this tag.
    pub(super) fn store_has(&self, name: &str, oid: Oid) -> bool {
        let found = Repo::open(&self.record.store.path).and_then(|store| store.read_ref(name));
        found.is_ok_and(|found| found == Some(oid))
    }
}
