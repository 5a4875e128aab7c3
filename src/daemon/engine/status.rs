//! How the workspace stands. What cannot be found out stays unknown and becomes a problem.

use super::Engine;
use crate::daemon::failure::{Failure, Kind};
use crate::daemon::report::{DaemonState, Durability, OutboxStatus, StatusReport, show_path};
use crate::sync::RefState;
use std::collections::BTreeMap;

impl Engine {
    /// Everything but what the kernel and the lease say; the asker knows those.
    pub fn status(&self) -> Result<StatusReport, Failure> {
        let mut report = StatusReport::unknown(&self.record);
        report.daemon.state = DaemonState::Ok;
        if let Some(requests) = self.requests.get() {
            report.requests = named(requests.so_far());
            report.fsyncs = named(self.host.disk.counts().so_far());
        }
        report.transport = self.transport.get().copied();
        self.see_head(&mut report)?;
        match self.plan() {
            Ok(plan) => {
                report.changes = Some(super::seal::count(&plan));
                report.problems.extend(plan.skipped.iter().map(|skipped| {
                    let what = format!("{} cannot be committed", show_path(&skipped.path));
                    Failure::new(Kind::Guard, what).cause(skipped.why)
                }));
            }
            Err(failure) => report.problems.push(failure),
        }
        match self.away() {
            Ok(away) => report.away = away,
            Err(failure) => report.problems.push(failure),
        }
        self.see_queue(&mut report)?;
        self.see_durability(&mut report);
        if let Some(why) = self.overlay.read_only_reason() {
            let what = "writing failed once; the workspace is read-only until it is mounted again";
            report.problems.push(Failure::new(Kind::ReadOnly, what).cause(why));
        }
        report.problems.extend(self.losses());
        report.problems.extend(self.hidden());
        if let Some(operation) = self.operation()? {
            let what = format!("{operation}: nothing is committed until it is over");
            report.problems.push(Failure::new(Kind::InProgress, what).fix(operation.way_out()));
        }
        Ok(report)
    }

    /// What the base holds and no file can stand for.
    fn hidden(&self) -> Option<Failure> {
        let hidden = crate::dotgit::hidden(self.repo.gitdir());
        let what = "some entries of the repository are not shown, as no file may be called so";
        let fix = "a folder that holds one is committed only as it is, or removed as a whole";
        let told = || Failure::new(Kind::Guard, what).cause(hidden.join(", ")).fix(fix);
        (!hidden.is_empty()).then(told)
    }

    fn see_head(&self, report: &mut StatusReport) -> Result<(), Failure> {
        let head = self.repo.head()?;
        report.workspace.ref_name = match &head {
            crate::git::Head::Branch { name, .. } => Some(name.clone()),
            crate::git::Head::Detached(_) => None,
        };
        report.workspace.head = head.tip().map(|tip| tip.to_string());
        let remote = self.tracked_tip()?;
        report.source.behind = match (head.tip(), remote) {
            (Some(ours), Some(theirs)) if self.repo.exists(theirs) => {
                Some(self.repo.count_between(ours, theirs)? as u64)
            }
            (None, None) => Some(0),
            _ => None,
        };
        report.durability = Durability {
            unsynced_bytes: Some(self.overlay.unsynced_bytes()),
            unpushed_commits: self.unpushed_commits(head.tip())?,
            pushed: None,
        };
        Ok(())
    }

    fn see_queue(&self, report: &mut StatusReport) -> Result<(), Failure> {
        let states = self.outbox.states()?;
        let failure = states.iter().find_map(|state| state.failure.as_ref());
        let due = self.outbox.due(&*self.host.clock)?;
        report.outbox = OutboxStatus {
            pending: states.iter().filter(|state| state.pending.is_some()).count() as u64,
            next_retry_s: due.iter().map(|(_, wait)| wait.as_secs()).min(),
            last_error: failure.map(|failure| failure.message.clone()),
        };
        report.problems.extend(states.iter().filter_map(conflict));
        Ok(())
    }

    /// Everything is on the remote only if all three say so.
    fn see_durability(&self, report: &mut StatusReport) {
        let clean = report.changes.as_ref().map(|changes| changes.is_empty());
        let queue = report.outbox.pending == 0;
        report.durability.pushed = match (clean, report.durability.unpushed_commits) {
            (Some(false), _) => Some(false),
            (_, Some(commits)) if commits > 0 || !queue => Some(false),
            (Some(true), Some(_)) => Some(true),
            _ => None,
        };
        if self.record.view.read_only {
            report.durability.pushed = Some(true);
        }
    }
}

fn named(counts: BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// The two sides of what could not be merged.
fn conflict(state: &RefState) -> Option<Failure> {
    let conflict = state.conflict.as_ref()?;
    let paths: Vec<_> = conflict.paths.iter().map(|path| show_path(path)).collect();
    let branch = state.refname.trim_start_matches("refs/heads/");
    let ours = conflict.branch.trim_start_matches("refs/heads/");
    let what = format!("both sides changed the same thing: ours is kept on the remote as {ours}");
    let cause = format!(
        "ours {} against {branch} at {}: {}",
        conflict.record.new,
        conflict.theirs,
        if paths.is_empty() { "the histories do not meet".to_owned() } else { paths.join(", ") }
    );
    let fix = format!("in the mount: git fetch, git merge origin/{branch}, then toft flush");
    Some(Failure::new(Kind::Conflict, what).cause(cause).fix(fix))
}
