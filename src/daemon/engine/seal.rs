//! The first half of a flush: what was acked becomes durable, then a commit, then a record in the
//! queue.

use super::Engine;
use super::history::skipped;
use crate::commit::{self, Allow, Guard, Plan, SealRequest, Sealed, Trailers};
use crate::daemon::control::FlushRequest;
use crate::daemon::failure::{Failure, Kind};
use crate::daemon::report::{Changes, FlushReport, SealReport};
use crate::dotgit::IndexLock;
use crate::git::Head;
use crate::overlay::{Freeze, OverlayError};
use crate::types::{Oid, Timespec};
use std::panic::resume_unwind;
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

/// So often a seal works beside git; after that it keeps git from the index.
const FREE_LOOKS: u32 = 2;

/// The cut that a seal was made from; HEAD's tree is what it shows.
pub(super) struct Cut {
    /// The branch and the commit, where anything differed.
    pub(super) commit: Option<(String, Oid)>,
    /// The overlay as it was sealed.
    pub(super) freeze: Freeze,
    /// git's index, which is still to follow the commit.
    pub(super) index: Option<BehindIndex>,
}

/// git's index, locked, while it is not yet the commit's.
pub(super) struct BehindIndex {
    lock: IndexLock,
    commit: Oid,
    /// When the seal began.
    at: Timespec,
}

impl Engine {
    /// Makes a commit of everything acked so far, if anything differs from HEAD.
    pub(super) fn seal(
        &self,
        request: &FlushRequest,
        report: &mut FlushReport,
    ) -> Result<Cut, Failure> {
        let freed = self.overlay.freed();
        match self.try_seal(request, report) {
            // The freeze kept what was deleted, whose room the commit needs.
            Err(failure) if failure.kind == Kind::DiskFull && self.overlay.make_room(freed) => {
                self.try_seal(request, report)
            }
            sealed => sealed,
        }
    }

    fn try_seal(&self, request: &FlushRequest, report: &mut FlushReport) -> Result<Cut, Failure> {
        let began = self.now();
        // No git may be in the middle of something (D8).
        drop(self.lock_index()?);
        let at = self.host.clock.now();
        let seal = SealRequest {
            message: request.message.clone(),
            trailers: self.trailers(),
            mounted_branch: self.record.branch.clone().unwrap_or_default(),
            rolled_back: self.is_behind_head()?,
            allow: Allow(request.allow.iter().filter_map(|word| Guard::parse(word)).collect()),
        };
        let ((sealed, commit::Cut { freeze, .. }), lock) = std::thread::scope(|scope| {
            let mut sealing = Sealing { engine: self, scope, looks: 0, lock: None, syncing: None };
            let sealed = self.sealer.seal(&seal, &mut sealing)?;
            sealing.synced()?;
            Ok::<_, Failure>((sealed, sealing.lock))
        })?;
        self.caught_up()?;
        let (commit, index) = match sealed {
            Sealed::Nothing { .. } => {
                report.seal = Some(SealReport::default());
                (None, None)
            }
            Sealed::Commit { oid, branch, subject, plan, .. } => {
                tracing::info!(commit = %oid, %branch, paths = plan.changes.len(), "sealed");
                report.seal = Some(seal_report(oid, subject, &plan, self.now() - began));
                let index = lock.map(|lock| BehindIndex { lock, commit: oid, at });
                (Some((branch, oid)), index)
            }
        };
        Ok(Cut { commit, freeze, index })
    }

    /// The index follows the commit while `other` runs: to write that of a large repo takes longer
    /// than the seal, and nobody but the next git in the mount waits for it.
    pub(super) fn follow_beside<T>(&self, cut: &mut Cut, other: impl FnOnce(&Cut) -> T) -> T {
        let Some(BehindIndex { lock, commit, at }) = cut.index.take() else { return other(cut) };
        let freeze = &cut.freeze;
        std::thread::scope(|scope| {
            scope.spawn(move || self.index_after_seal(lock, commit, freeze, at));
            other(cut)
        })
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

    fn trailers(&self) -> Trailers {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Trailers {
            workspace: self.id().to_string(),
            agent: std::env::var("TOFT_AGENT").ok().filter(|agent| !agent.is_empty()),
            host: Some(host).filter(|host| !host.is_empty() && host != "(none)"),
        }
    }
}

/// One seal's looks at the workspace. git may go on with the index until the branch moves; where it
/// changed what is tracked, or began something, the seal looks again, in the end under the lock.
struct Sealing<'scope, 'env> {
    engine: &'env Engine,
    scope: &'scope Scope<'scope, 'env>,
    looks: u32,
    lock: Option<IndexLock>,
    /// Makes the files of the cut durable, beside the making of the commit.
    syncing: Option<ScopedJoinHandle<'scope, Result<(), OverlayError>>>,
}

impl Sealing<'_, '_> {
    /// Waits until the files of the cut are durable. A commit must not outlive the files that it was
    /// made from: after power loss the next one would take it back.
    fn synced(&mut self) -> Result<(), Failure> {
        let synced = self.syncing.take().map(ScopedJoinHandle::join);
        Ok(synced.map_or(Ok(()), |synced| synced.unwrap_or_else(|panic| resume_unwind(panic)))?)
    }
}

impl commit::Look for Sealing<'_, '_> {
    type Error = Failure;

    fn look(&mut self, head: &Head) -> Result<commit::Cut, Failure> {
        self.synced()?;
        self.looks += 1;
        self.lock = None;
        if self.looks > FREE_LOOKS {
            self.lock = Some(self.engine.lock_index()?);
        }
        let cut = self.engine.look(head)?;
        let engine = self.engine;
        match Builder::new().spawn_scoped(self.scope, || engine.overlay.sync()) {
            Ok(syncing) => self.syncing = Some(syncing),
            Err(_) => engine.overlay.sync()?,
        }
        Ok(cut)
    }

    fn settle(&mut self, head: &Head, cut: &commit::Cut) -> Result<bool, Failure> {
        self.synced()?;
        if self.lock.is_some() {
            return Ok(true);
        }
        self.lock = Some(self.engine.lock_index()?);
        Ok(self.engine.tracked(head)? == cut.tracked)
    }
}

fn seal_report(commit: Oid, subject: String, plan: &Plan, took: Duration) -> SealReport {
    SealReport {
        commit: Some(commit.to_string()),
        subject: Some(subject),
        changes: count(plan),
        skipped: skipped(plan),
        took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    }
}

/// The words that `--allow` takes.
pub fn guard_words() -> impl Iterator<Item = &'static str> {
    Guard::OVERRULABLE.into_iter().filter_map(Guard::flag)
}

/// How many paths of each kind.
pub(super) fn count(plan: &Plan) -> Changes {
    let counts = plan.counts();
    let [added, modified, deleted] =
        [counts.added, counts.modified, counts.deleted].map(|count| count as u64);
    Changes { added, modified, deleted }
}
