use super::lane::{Delivery, Lane, Wait, Which, due_in};
use super::ledger::{Failure, Known, Ledger, OpenConflict, Verdict};
use super::record::{PushIntent, Record};
use super::{Result, SyncError};
use crate::sys::{Clock, Disk, create_dirs, make_private_dir};
use crate::types::{Oid, Seq};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The durable queue of pushes: one lane for each ref, so that a ref that is stuck holds up no
/// other (R1.6). Shared by threads and, through its files, by processes.
pub struct Outbox {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    lanes: Mutex<BTreeMap<String, Arc<Lane>>>,
}

/// The state of one ref, for status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefState {
    /// Full name of the ref.
    pub refname: String,
    /// Where the remote's ref stands, as far as we know.
    pub remote: Known,
    /// The last commit of ours that the remote's ref contains.
    pub delivered: Option<Oid>,
    /// What waits to be pushed.
    pub pending: Option<Record>,
    /// Why it waits.
    pub failure: Option<Failure>,
    /// What is kept on a side branch.
    pub conflict: Option<OpenConflict>,
}

impl Outbox {
    /// Opens the queue in `dir`, which is made when it is missing.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<Outbox> {
        let failed = || SyncError::io(dir);
        create_dirs(&*disk, dir).and_then(|()| make_private_dir(dir)).map_err(failed())?;
        let mut lanes = BTreeMap::new();
        for entry in std::fs::read_dir(dir).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            if path.is_dir()
                && let Some(lane) = Lane::open(&path, disk.clone())?
            {
                lanes.insert(lane.refname().to_owned(), Arc::new(lane));
            }
        }
        Ok(Outbox { dir: dir.to_owned(), disk, lanes: Mutex::new(lanes) })
    }

    /// Remembers of a new workspace where the remote's ref stands and which commit we began with,
    /// None when the repository is empty. Does nothing where the ref is known already.
    pub fn register(&self, refname: &str, remote: Known, began_with: Option<Oid>) -> Result<()> {
        self.amend(refname, |ledger| {
            if ledger.remote == Known::Unknown && ledger.consumed == 0 {
                (ledger.remote, ledger.delivered) = (remote, began_with);
            }
        })
    }

    /// Remembers that our branch stands at `tip` now, a commit that a push reported as the
    /// remote's: a merge that was brought into the view.
    pub fn adopt(&self, refname: &str, tip: Oid) -> Result<()> {
        self.amend(refname, |ledger| {
            if ledger.remote == Known::At(tip) && ledger.pending.is_none() {
                ledger.delivered = Some(tip);
            }
        })
    }

    /// Adds `intent`; it is durable when this returns.
    pub fn enqueue(&self, intent: &PushIntent) -> Result<()> {
        self.lane(&intent.refname)?.enqueue(intent)
    }

    /// Adds the commit `tip` of a branch unless it is delivered, queued or set aside: for the start
    /// after a crash between a commit and its [`Outbox::enqueue`]. True when it was added.
    pub fn ensure(&self, refname: &str, tip: Oid, seq: Seq) -> Result<bool> {
        let lane = self.lane(refname)?;
        let (ledger, waiting) = lane.waiting()?;
        if ledger.knows(tip) || waiting.is_some_and(|record| record.new == tip) {
            return Ok(false);
        }
        lane.enqueue(&PushIntent { refname: refname.to_owned(), new: tip, seq })?;
        Ok(true)
    }

    /// What waits to be pushed: the latest commit of each ref.
    pub fn pending(&self) -> Result<Vec<Record>> {
        Ok(self.states()?.into_iter().filter_map(|state| state.pending).collect())
    }

    /// The state of each ref.
    pub fn states(&self) -> Result<Vec<RefState>> {
        let state = |lane: Arc<Lane>| {
            let (ledger, pending) = lane.waiting()?;
            let Ledger { refname, remote, delivered, failure, conflict, .. } = ledger;
            Ok(RefState { refname, remote, delivered, pending, failure, conflict })
        };
        self.lanes().into_iter().map(state).collect()
    }

    /// Refs with something to push, and how long until their next attempt.
    pub fn due(&self, clock: &dyn Clock) -> Result<Vec<(String, Duration)>> {
        let now = clock.now();
        let due = |lane: Arc<Lane>| match lane.waiting() {
            Ok((ledger, Some(_))) => Some(Ok((ledger.refname.clone(), due_in(&ledger, now)))),
            Ok((_, None)) => None,
            Err(error) => Some(Err(error)),
        };
        self.lanes().into_iter().filter_map(due).collect()
    }

    /// Delivers what waits on the ref `refname`; None when there is nothing (left) to do.
    ///
    /// A drain that has something costs 2 file and 2 directory fsyncs, whatever the number of
    /// records; one that has nothing costs none (R1.3). `deliver` may see a record again after a
    /// crash; its effect must not be doubled then.
    pub fn drain(
        &self,
        refname: &str,
        which: Which,
        wait: &Wait<'_>,
        deliver: impl FnOnce(&Delivery) -> Verdict,
    ) -> Result<Option<Ledger>> {
        let Some(lane) = self.lanes.lock().get(refname).cloned() else { return Ok(None) };
        lane.drain(which, wait, deliver)
    }

    /// Full names of all refs.
    pub fn refnames(&self) -> Vec<String> {
        self.lanes.lock().keys().cloned().collect()
    }

    fn amend(&self, refname: &str, change: impl FnOnce(&mut Ledger)) -> Result<()> {
        self.lane(refname)?.amend(change)
    }

    fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().values().cloned().collect()
    }

    /// The lane of `refname`, made when it is missing.
    fn lane(&self, refname: &str) -> Result<Arc<Lane>> {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get(refname) {
            return Ok(lane.clone());
        }
        let lane = Arc::new(Lane::create(&self.dir, refname, self.disk.clone())?);
        lanes.insert(refname.to_owned(), lane.clone());
        Ok(lane)
    }
}
