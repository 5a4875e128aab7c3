use super::attempt::Attempt;
use super::courtesy::Courtesy;
use super::outcome::{self, RefPushed};
use super::{Outbox, Result, Wait, Which};
use crate::git::{Credential, Git, Repo};
use crate::sys::{Cancel, Clock, Disk};
use crate::types::WorkspaceId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Where a workspace pushes to, and from.
pub struct Target {
    /// The workspace's own repository.
    pub repo: Repo,
    /// The remote. Not its name in the configuration, which anybody in the mount can change.
    pub url: String,
    /// How to sign in there, unless the user's git knows.
    pub credential: Option<Credential>,
    /// Names the side branches.
    pub workspace: WorkspaceId,
    /// For objects and refs.
    pub disk: Arc<dyn Disk>,
    /// Dates merges and retries.
    pub clock: Arc<dyn Clock>,
}

/// Works off the queue of one workspace.
pub struct Pusher {
    target: Target,
    outbox: Arc<Outbox>,
    courtesy: Mutex<BTreeMap<String, Courtesy>>,
}

impl Pusher {
    /// A pusher for what `outbox` holds.
    pub fn new(target: Target, outbox: Arc<Outbox>) -> Pusher {
        Pusher { target, outbox, courtesy: Mutex::default() }
    }

    /// The queue.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.target.clock
    }

    /// Pushes everything that waits, whenever it was to be retried, and tries open conflicts
    /// again. What became of each ref that had something; none: there was nothing to do.
    ///
    /// What is not through after `timeout`, or when `cancel` is cancelled, stays queued. An error
    /// means that the queue's own files, or the local repository, failed.
    pub fn push_now(&self, timeout: Option<Duration>, cancel: &Cancel) -> Result<Vec<RefPushed>> {
        let refnames = self.outbox.refnames();
        let push = |refname: &String| self.push_ref(refname, Which::All, timeout, cancel);
        let results: Vec<_> = match refnames.as_slice() {
            [one] => vec![push(one)],
            // Side by side: one that is stuck holds up no other.
            many => std::thread::scope(|scope| {
                let threads: Vec<_> =
                    many.iter().map(|refname| scope.spawn(move || push(refname))).collect();
                let joined = threads.into_iter().map(|thread| thread.join());
                joined
                    .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect()
            }),
        };
        results.into_iter().filter_map(Result::transpose).collect()
    }

    /// Pushes what waits on one ref; None when there is nothing to do.
    pub fn push_ref(
        &self,
        refname: &str,
        which: Which,
        timeout: Option<Duration>,
        cancel: &Cancel,
    ) -> Result<Option<RefPushed>> {
        let clock = self.clock();
        let deadline = timeout.map(|timeout| clock.monotonic() + timeout);
        let wait = Wait { clock, deadline, cancel };
        let mut attempted = None;
        let ledger = self.outbox.drain(refname, which, &wait, |delivery| {
            self.make_room(refname, &wait);
            let start = clock.monotonic();
            let mut attempt = Attempt::new(&self.target, delivery, &wait);
            let result = attempt.run();
            let mut courtesy = self.courtesy.lock();
            let courtesy = courtesy.entry(refname.to_owned()).or_default();
            courtesy.pushed(start, clock.monotonic(), attempt.races);
            let verdict = outcome::verdict(&result, &delivery.record, attempt.remote);
            attempted = Some((delivery.record.new, result));
            verdict
        })?;
        if ledger.is_some() {
            self.tidy(&wait);
        }
        Ok(ledger.zip(attempted).map(|(ledger, (ours, result))| RefPushed {
            refname: refname.to_owned(),
            ours,
            outcome: outcome::outcome(result, &ledger),
        }))
    }
    /// Lets other writers of the branch have their turn.
    fn make_room(&self, refname: &str, wait: &Wait<'_>) {
        let now = wait.clock.monotonic();
        let pause = self.courtesy.lock().entry(refname.to_owned()).or_default().pause(now);
        let pause = wait.left().map_or(pause, |left| pause.min(left / 2));
        if !pause.is_zero() {
            wait.cancel.wait(pause);
        }
    }
    /// Keeps the packs few that commits, fetches and merges leave, now and then.
    fn tidy(&self, wait: &Wait<'_>) {
        let git = Git::new(self.target.repo.gitdir(), None);
        match git.timeout(wait.left()).cancelled_by(wait.cancel.clone()).consolidate() {
            Ok(true) => self.target.repo.refresh(),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "packs were not put together"),
        }
    }
}
