//! The first half of a flush: what was acked becomes durable, then a commit, then a record in the
//! queue.

use super::Engine;
use super::history::skipped;
use crate::commit::{self, Allow, ChangeKind, Guard, Plan, SealRequest, Sealed, Trailers};
use crate::daemon::control::FlushRequest;
use crate::daemon::failure::Failure;
use crate::daemon::report::{Changes, FlushReport, SealReport};
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
        self.require_no_operation()?;
        self.overlay.sync()?;
        let seal = SealRequest {
            message: request.message.clone(),
            trailers: self.trailers(),
            mounted_branch: self.record.branch.clone().unwrap_or_default(),
            allow: Allow(request.allow.iter().filter_map(|word| Guard::parse(word)).collect()),
        };
        report.seal = Some(SealReport::default());
        let sealed = self.sealer.seal(&seal, |_head| self.look());
        let (sealed, commit::Cut { freeze, .. }) = sealed.inspect_err(|_| report.seal = None)?;
        let commit = match sealed {
            Sealed::Nothing { .. } => None,
            Sealed::Commit { oid, branch, plan, .. } => {
                tracing::info!(commit = %oid, %branch, paths = plan.changes.len(), "sealed");
                report.seal = Some(self.seal_report(oid, &plan)?);
                self.after_seal(&freeze, &plan);
                Some((branch, oid))
            }
        };
        Ok(Cut { commit, freeze })
    }

    /// What a seal would hold now. Writes nothing.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let head = self.repo.head()?;
        let commit::Cut { freeze, tracked, .. } = self.look()?;
        Ok(self.sealer.plan(&freeze, &head, &tracked)?)
    }

    /// The workspace as it is now; HEAD was read before.
    fn look(&self) -> Result<commit::Cut, Failure> {
        let (tracked, operation) = (self.tracked()?, self.operation()?);
        Ok(commit::Cut { freeze: self.overlay.freeze(), tracked, operation })
    }

    fn trailers(&self) -> Trailers {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Trailers {
            workspace: self.id().to_string(),
            agent: std::env::var("TOFT_AGENT").ok().filter(|agent| !agent.is_empty()),
            host: Some(host).filter(|host| !host.is_empty() && host != "(none)"),
        }
    }

    fn seal_report(&self, commit: Oid, plan: &Plan) -> Result<SealReport, Failure> {
        let subject = self.repo.commit(commit)?.subject;
        Ok(SealReport {
            commit: Some(commit.to_string()),
            subject: Some(subject),
            changes: count(plan),
            skipped: skipped(plan),
        })
    }
}

/// How many paths of each kind.
pub(super) fn count(plan: &Plan) -> Changes {
    let mut changes = Changes::default();
    for change in &plan.changes {
        match change.kind {
            ChangeKind::Added => changes.added += 1,
            ChangeKind::Modified => changes.modified += 1,
            ChangeKind::Deleted => changes.deleted += 1,
        }
    }
    changes
}
