//! After power loss the files are as they were at the last sync. A commit that git made in the mount
//! after that sync may be newer than they are, and the next seal would take it back.

use super::Engine;
use crate::daemon::failure::{Failure, Kind};
use std::sync::atomic::Ordering;

impl Engine {
    /// Whether HEAD may be newer than the files. Our own commits never are: what they hold is
    /// synced before.
    pub(super) fn is_behind_head(&self) -> Result<bool, Failure> {
        if !self.rolled_back.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let record = self.host.registry.load(self.id())?;
        let ours = [record.last_seal, record.last_push].map(|made| made.map(|made| made.commit));
        let head = self.repo.head()?.tip();
        Ok(head != record.base && !ours.contains(&head))
    }

    /// Whether that was found, and nothing was committed since.
    pub(super) fn is_rolled_back(&self) -> bool {
        self.rolled_back.load(Ordering::Relaxed)
    }

    /// Files and HEAD agree again.
    pub(super) fn caught_up(&self) -> Result<(), Failure> {
        if self.rolled_back.swap(false, Ordering::Relaxed) {
            self.host.registry.update(self.id(), |record| record.rolled_back = false)?;
        }
        Ok(())
    }

    /// What the host's crash, or somebody's hand in the state directory, took.
    pub(super) fn losses(&self) -> Vec<Failure> {
        let mut losses = Vec::new();
        if self.rolled_back.load(Ordering::Relaxed) {
            let what = "the host went down: the files are as they were at the last sync";
            let cause = "what was written after it may have been torn and was set aside";
            losses.push(
                Failure::new(Kind::Corrupt, what)
                    .cause(cause)
                    .fix("look at git diff in the mount; a flush takes the files as they are now"),
            );
        }
        if self.lost_bodies > 0 {
            let what = format!("the content of {} files is missing", self.lost_bodies);
            let cause = "somebody removed it from the state directory, or the disk lost it";
            losses.push(
                Failure::new(Kind::Corrupt, what)
                    .cause(cause)
                    .fix("git restore the files that cannot be read, or remove them, then flush"),
            );
        }
        losses
    }
}
