//! The second half of a flush: what the branch has reaches the remote.

use super::Engine;
use super::seal::Cut;
use crate::daemon::control::FlushRequest;
use crate::daemon::failure::{Failure, Kind};
use crate::daemon::report::{FlushReport, PushReport, show_path};
use crate::git::{GitError, Head};
use crate::sync::{Conflicting, PushIntent, PushOutcome, RefPushed};
use crate::types::{Oid, Timespec};
use std::time::Duration;

impl Engine {
    /// Queues what is new, durably, and pushes everything that is queued.
    pub(super) fn push(
        &self,
        request: &FlushRequest,
        cut: Option<&Cut>,
        report: &mut FlushReport,
    ) -> Result<(), Failure> {
        report.push = Some(PushReport::Nothing);
        self.enqueue(cut)?;
        let other = self.enqueue_other_branch(&request.allow);
        let timeout = request.timeout_s.map(Duration::from_secs);
        let mut failure = None;
        for pushed in self.pusher.push_now(timeout, &self.hurry)? {
            tracing::info!(refname = %pushed.refname, outcome = ?pushed.outcome, "pushed");
            let (told, failed) = self.judge(&pushed, timeout.is_some());
            let ours = Some(&pushed.refname) == self.record.branch.as_ref();
            if ours || matches!(report.push, Some(PushReport::Nothing)) || failed.is_some() {
                report.push = Some(told);
            }
            failure = failure.or(failed);
        }
        failure.map_or(other, Err)
    }

    /// Queues the commit just made; else the branch's tip, which git may have moved in the mount,
    /// or which a crash kept out of the queue.
    fn enqueue(&self, cut: Option<&Cut>) -> Result<(), Failure> {
        if let Some((refname, new)) = cut.and_then(|cut| cut.commit.clone()) {
            let seq = cut.map_or(self.overlay.seq(), |cut| cut.freeze.seq());
            return Ok(self.outbox.enqueue(&PushIntent { refname, new, seq })?);
        }
        if cut.is_none() {
            // What is in the queue is never newer than the files, which no seal has synced here.
            self.overlay.sync()?;
        }
        let Some(branch) = &self.record.branch else { return Ok(()) };
        let Some(tip) = self.repo.read_ref(branch)? else { return Ok(()) };
        if self.is_delivered(tip)? {
            return Ok(());
        }
        self.outbox.ensure(branch, tip, self.overlay.seq())?;
        Ok(())
    }

    /// Commits that git made in the mount on another branch go nowhere unless that was meant.
    fn enqueue_other_branch(&self, allow: &[String]) -> Result<(), Failure> {
        let Head::Branch { name, tip: Some(tip) } = self.repo.head()? else { return Ok(()) };
        if Some(&name) == self.record.branch.as_ref() || self.is_known(tip)? {
            return Ok(());
        }
        if allow.iter().any(|word| word == "branch") {
            self.outbox.ensure(&name, tip, self.overlay.seq())?;
            return Ok(());
        }
        let name = name.trim_start_matches("refs/heads/");
        let what = format!("the commits of {name} are not pushed: another branch is mounted");
        Err(Failure::new(Kind::Guard, what).fix(format!(
            "push it with git (git push origin {name}), switch back, or pass --allow branch"
        )))
    }

    /// What became of one ref, and the failure that follows.
    fn judge(&self, pushed: &RefPushed, timed: bool) -> (PushReport, Option<Failure>) {
        let queued = |error: String, retry_at: Timespec, kind: Kind, fix: String| {
            let now = self.host.clock.now();
            let retry_in_s = u64::try_from(retry_at.sec - now.sec).ok();
            let what = "committed here, not on the remote yet; it is queued and safe";
            let failure = Failure::new(kind, what).cause(&error).fix(fix);
            (PushReport::Queued { error, retry_in_s }, Some(failure))
        };
        let again =
            format!("it is tried again by itself while mounted; at once: toft push {}", self.id());
        match &pushed.outcome {
            PushOutcome::Pushed { tip } => {
                let merged = *tip != pushed.ours;
                (PushReport::Pushed { tip: tip.to_string(), merged }, None)
            }
            PushOutcome::Queued { error, retry_at } => {
                let late = timed && matches!(error, GitError::Timeout { .. });
                let kind = if late { Kind::Deadline } else { Kind::NotPushed };
                queued(error.to_string(), *retry_at, kind, again)
            }
            PushOutcome::Refused { reason, retry_at } => {
                let fix = format!("{again}; or take it elsewhere with git from inside the mount");
                queued(format!("the remote refuses it: {reason}"), *retry_at, Kind::NotPushed, fix)
            }
            PushOutcome::Credentials { message, retry_at } => {
                let fix = format!(
                    "sign in with git, or renew the credential; then: toft push {}",
                    self.id()
                );
                queued(message.clone(), *retry_at, Kind::Credentials, fix)
            }
            PushOutcome::Conflict { branch, theirs, why } => {
                self.conflict(pushed, branch, *theirs, why)
            }
        }
    }

    fn conflict(
        &self,
        pushed: &RefPushed,
        branch: &str,
        theirs: Oid,
        why: &Conflicting,
    ) -> (PushReport, Option<Failure>) {
        let target = pushed.refname.trim_start_matches("refs/heads/");
        let side = branch.trim_start_matches("refs/heads/");
        let (cause, paths) = match why {
            Conflicting::Paths(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| show_path(&path.path)).collect();
                (format!("both sides changed {}", paths.join(", ")), paths)
            }
            Conflicting::Rewritten => {
                ("the history here was rewritten, and toft never forces".to_owned(), Vec::new())
            }
            Conflicting::Unrelated => {
                ("the histories have nothing in common".to_owned(), Vec::new())
            }
        };
        let what =
            format!("the remote's {target} moved to {theirs}; our commit is kept there as {side}");
        let fix = format!(
            "toft mount --workspace {}, then in it: git fetch, git merge origin/{target}, and umount",
            self.id()
        );
        let failure = Failure::new(Kind::Conflict, what).cause(cause).fix(fix);
        (PushReport::Conflict { branch: side.to_owned(), paths }, Some(failure))
    }

    /// Whether the remote's branch is known to contain `tip`.
    fn is_delivered(&self, tip: Oid) -> Result<bool, Failure> {
        match self.delivered()? {
            Some(remote) => Ok(self.repo.is_ancestor(tip, remote)?),
            None => Ok(false),
        }
    }
}
