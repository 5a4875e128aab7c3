//! One workspace, opened under its lease: everything that can be done with it, mounted or not.
//!
//! A daemon serves an engine; a command on a workspace that nobody serves opens one for itself.
//! Lock: `flushing` is held for a whole flush, network included; no file operation waits for it.

mod absorb;
mod fork;
mod fsck;
mod gitdir;
mod history;
mod holdings;
mod index;
mod mount;
mod open;
mod promisor;
mod push;
mod rest;
mod rollback;
mod seal;
mod status;
mod tenant;

pub(super) use open::{Opened, view_config};
pub use seal::guard_words;
pub(super) use tenant::{is_untouched, make_gitdir};

use super::control::{FlushRequest, Reply, Request};
use super::failure::{Failure, Kind};
use super::host::Host;
use super::policy::{Activity, Scheduler};
use super::report::{FlushReport, PushReport, SealReport};
use crate::base::Base;
use crate::commit::Sealer;
use crate::dotgit::LastRead;
use crate::fuse::{Notifier, Requests, Transport};
use crate::git::Repo;
use crate::overlay::Overlay;
use crate::registry::{FlushPolicy, Lease, WorkspaceRecord};
use crate::sync::{Nudge, Outbox, Pusher, RefPushed, RetryLoop};
use crate::sys::Cancel;
use crate::types::{Seq, WorkspaceId};
use crate::workspace::Workspace;
use parking_lot::Mutex;
use seal::Cut;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// An opened workspace.
pub struct Engine {
    host: Host,
    record: WorkspaceRecord,
    repo: Repo,
    base: Arc<Base>,
    /// Brings files that are on the remote only.
    remote: Option<Arc<promisor::Remote>>,
    overlay: Arc<Overlay>,
    sealer: Sealer,
    outbox: Arc<Outbox>,
    pusher: Arc<Pusher>,
    /// Held for a whole flush.
    flushing: Mutex<()>,
    last_index: LastRead,
    /// Ends a push that runs.
    hurry: Cancel,
    workspace: Arc<Workspace>,
    /// Tells the kernel, once it is mounted.
    notifier: OnceLock<Notifier>,
    /// What the kernel asked, once it is mounted.
    requests: OnceLock<Arc<Requests>>,
    transport: OnceLock<Transport>,
    /// Tells the loop that pushes again, once there is one.
    nudge: OnceLock<Nudge>,
    /// Power loss took the files back, and nothing was committed since.
    rolled_back: AtomicBool,
    /// File bodies that are missing.
    lost_bodies: usize,
    /// The newest change of the files when it was opened, and the one that the process before saw.
    opened_at: (Seq, Seq),
    lease: Arc<Lease>,
}

/// What comes after a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More work: what the remote had meanwhile is brought into the view.
    Stay,
    /// The end of the mount.
    Leave,
}

impl Engine {
    /// Which workspace.
    pub fn id(&self) -> &WorkspaceId {
        &self.record.id
    }

    /// Its mount point.
    pub fn dir(&self) -> &Path {
        &self.record.dir
    }

    /// The files.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The files, for whoever shows them.
    pub(super) fn shared_workspace(&self) -> Arc<Workspace> {
        self.workspace.clone()
    }

    /// When it flushes by itself.
    pub fn flush_policy(&self) -> FlushPolicy {
        self.record.flush_on
    }

    /// Answers everything that needs no mount.
    pub fn handle(&self, request: &Request) -> Reply {
        let answer = match request {
            Request::Status => self.status().map(|status| Reply::Status(Box::new(status))),
            Request::Diff => self.diff().map(Reply::Diff),
            Request::Fsck => self.fsck().map(Reply::Fsck),
            Request::Prefetch(wish) => self.prefetch(&wish.globs).map(Reply::Prefetch),
            Request::Fork(fork) => self.fork(fork).map(Reply::Fork),
            Request::Log(log) => self.log(log.limit).map(Reply::Log),
            Request::Flush(request) => {
                let mut report = FlushReport::new(self.id(), self.dir());
                self.flush(request, Then::Stay, &mut report);
                Ok(Reply::Flush(Box::new(report)))
            }
            Request::Umount(_) | Request::In(_) => {
                Err(Failure::new(Kind::NoSuchWorkspace, "it is not mounted"))
            }
        };
        answer.unwrap_or_else(Reply::Failed)
    }

    /// Takes everything acked so far as far as `request` says. What fails is in the report.
    pub fn flush(&self, request: &FlushRequest, then: Then, report: &mut FlushReport) {
        let _one_at_a_time = self.flushing.lock();
        let mut cut = match self.first_half(request, report) {
            Ok(ControlFlow::Continue(cut)) => cut,
            Ok(ControlFlow::Break(())) => return self.conclude(Ok(()), report),
            Err(failure) => return self.conclude(Err(failure), report),
        };
        let mut second_half = |cut: Option<&Cut>| {
            let pushed = if request.push { self.push(request, cut, report) } else { Ok(()) };
            self.conclude(pushed, report);
        };
        match &mut cut {
            Some(cut) => self.follow_beside(cut, |cut| second_half(Some(cut))),
            None => second_half(None),
        }
        if let (Some(cut), Then::Stay) = (&cut, then) {
            self.absorb(cut);
        }
    }

    /// The seal, where one is asked for; Break: there is nothing to do.
    fn first_half(
        &self,
        request: &FlushRequest,
        report: &mut FlushReport,
    ) -> Result<ControlFlow<(), Option<Cut>>, Failure> {
        if self.record.view.read_only {
            return Ok(ControlFlow::Break(()));
        }
        if self.is_as_forked(request)? {
            (report.seal, report.push) = (Some(SealReport::default()), Some(PushReport::Nothing));
            return Ok(ControlFlow::Break(()));
        }
        let cut = request.seal.then(|| self.seal(request, report)).transpose()?;
        Ok(ControlFlow::Continue(cut))
    }

    /// Remembers how far it came.
    fn conclude(&self, came: Result<(), Failure>, report: &mut FlushReport) {
        if let Err(failure) = came {
            let kind = failure.kind.slug();
            tracing::warn!(%kind, cause = ?failure.cause, "the flush did not come all the way: {failure}");
            report.failure = Some(failure);
        }
        self.note(report);
        // What could not be pushed has a time to be tried again.
        self.nudge.get().into_iter().for_each(Nudge::give);
    }

    /// Ends a push that runs; what it carries stays queued.
    pub fn hurry(&self) {
        self.hurry.cancel();
    }

    /// Monotonic time.
    pub fn now(&self) -> Duration {
        self.host.clock.monotonic()
    }

    /// Grows with every change of the files.
    pub fn changes(&self) -> u64 {
        self.overlay.changes()
    }

    /// What the policy looks at.
    pub fn activity(&self) -> Activity {
        Activity { changes: self.changes(), closes: self.workspace.closed_after_write() }
    }

    /// Makes durable what is not yet, and keeps the journal short.
    pub fn keep_house(&self) {
        if self.overlay.unsynced_bytes() == 0 {
            return;
        }
        // After a failure the overlay is read-only and says so in every status.
        if let Err(error) = self.overlay.keep_house() {
            tracing::error!(%error, "the workspace could not be synced");
        }
    }

    /// Pushes that failed are tried again from now on, until the result is dropped.
    pub fn retry_pushes(&self) -> Result<RetryLoop, Failure> {
        let report = |pushed: &RefPushed| {
            tracing::info!(refname = %pushed.refname, outcome = ?pushed.outcome, "tried again");
        };
        let retries = RetryLoop::start(self.pusher.clone(), report)
            .map_err(Failure::io("cannot start a thread"))?;
        let _ = self.nudge.set(retries.nudge());
        Ok(retries)
    }

    /// The policy of this workspace, from now on.
    pub fn scheduler(&self) -> Scheduler {
        // What an earlier session left is not flushed yet, for all that is known.
        let dirty = self.overlay.read().len() > 1;
        Scheduler::new(self.flush_policy(), self.activity(), dirty, self.now())
    }
}
