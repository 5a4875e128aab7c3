//! The first half of a flush: what was acked becomes durable, then a commit, then a record in the
//! queue.

use super::Engine;
use super::history::skipped;
use crate::commit::{self, Allow, Guard, Plan, SealRequest, Sealed, Trailers};
use crate::daemon::control::FlushRequest;
use crate::daemon::failure::Failure;
use crate::daemon::report::{Changes, FlushReport, SealReport};
use crate::git::Head;
use crate::overlay::Freeze;
use crate::types::Oid;

/// The cut that a seal was made from; HEAD's tree is what it shows.
pub(super) struct Cut {
    /// The branch and the commit, where anything differed.
    pub(super) commit: Option<(String, Oid)>,
    /// The overlay as it was sealed.
    pub(super) freeze: Freeze,
}

impl Engine {
    /// Makes a commit of everything acked so far, if anything differs from HEAD.
    pub(super) fn seal(
        &self,
        request: &FlushRequest,
        report: &mut FlushReport,
    ) -> Result<Cut, Failure> {
        let lock = self.lock_index()?;
        // The bulk; what is written meanwhile is synced with the cut.
        self.overlay.sync()?;
        let at = self.host.clock.now();
        let seal = SealRequest {
            message: request.message.clone(),
            trailers: self.trailers(),
            mounted_branch: self.record.branch.clone().unwrap_or_default(),
            rolled_back: self.is_behind_head()?,
            allow: Allow(request.allow.iter().filter_map(|word| Guard::parse(word)).collect()),
        };
        let (sealed, commit::Cut { freeze, .. }) =
            self.sealer.seal(&seal, |head| self.look_durably(head))?;
        self.caught_up()?;
        let commit = match sealed {
            Sealed::Nothing { .. } => {
                report.seal = Some(SealReport::default());
                None
            }
            Sealed::Commit { oid, branch, subject, plan, .. } => {
                tracing::info!(commit = %oid, %branch, paths = plan.changes.len(), "sealed");
                report.seal = Some(seal_report(oid, subject, &plan));
                self.index_after_seal(lock, oid, &freeze, at);
                Some((branch, oid))
            }
        };
        Ok(Cut { commit, freeze })
    }

    /// What a seal would hold now. Writes nothing.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let head = self.repo.head()?;
        let commit::Cut { freeze, tracked, .. } = self.look(&head)?;
        Ok(self.sealer.plan(&freeze, &head, &tracked)?)
    }

    /// The workspace as it is now; HEAD was read before.
    fn look(&self, head: &Head) -> Result<commit::Cut, Failure> {
        // What git is in the middle of was asked before the index was locked.
        let tracked = self.tracked(head)?;
        Ok(commit::Cut { freeze: self.overlay.freeze(), tracked, operation: None })
    }

    /// A commit must not outlive the files it was made from: after power loss the next one would
    /// take it back.
    fn look_durably(&self, head: &Head) -> Result<commit::Cut, Failure> {
        let cut = self.look(head)?;
        self.overlay.sync()?;
        Ok(cut)
    }

    fn trailers(&self) -> Trailers {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Trailers {
            workspace: self.id().to_string(),
            agent: std::env::var("TOFT_AGENT").ok().filter(|agent| !agent.is_empty()),
            host: Some(host).filter(|host| !host.is_empty() && host != "(none)"),
        }
    }
}

fn seal_report(commit: Oid, subject: String, plan: &Plan) -> SealReport {
    SealReport {
        commit: Some(commit.to_string()),
        subject: Some(subject),
        changes: count(plan),
        skipped: skipped(plan),
    }
}

/// Whether `--allow WORD` means anything.
pub fn is_guard(word: &str) -> bool {
    Guard::parse(word).is_some()
}

/// How many paths of each kind.
pub(super) fn count(plan: &Plan) -> Changes {
    let counts = plan.counts();
    let [added, modified, deleted] =
        [counts.added, counts.modified, counts.deleted].map(|count| count as u64);
    Changes { added, modified, deleted }
}
