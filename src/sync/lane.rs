//! The queue of one ref, on disk. Of its files, only `inbox` is appended to and only `ledger.json`
//! is remembered; `wal` stands between them while a drain runs.
//!
//! A drain: (1) stage the WAL durably, truncate the inbox; deliver; (2) replace the ledger
//! durably, drop the WAL (R1.1). That is two file and two directory fsyncs for any number of
//! records. The truncation and the drop are not synced: what comes back after a power failure has
//! ids that the ledger accounts for, and is skipped.

use super::ledger::{FORMAT, Ledger, Verdict};
use super::queue::{self, Batch};
use super::record::{self, PushIntent, Record};
use super::{Result, SyncError};
use crate::sys::{Cancel, Clock, Disk, Reason, make_private_dir, replace_file, sync_parent};
use crate::types::Timespec;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a drain that waits for another process looks whether it is over.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// How much of the inbox's end is read to find its last record.
const TAIL: u64 = 4096;

/// The queue of one ref.
pub(super) struct Lane {
    dir: PathBuf,
    refname: String,
    disk: Arc<dyn Disk>,
}

/// Which work a drain takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of it; open conflicts are tried again too.
    All,
    /// What is due: no attempt failed a short time ago.
    Due,
}

/// How long a drain, and its wait for another drain of the same ref, may take.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// When to give up, on the monotonic clock.
    pub deadline: Option<Duration>,
    /// Gives up at once.
    pub cancel: &'a Cancel,
}

impl Wait<'_> {
    /// The time that is left; None when there is no deadline.
    pub(super) fn left(&self) -> Option<Duration> {
        self.deadline.map(|end| end.saturating_sub(self.clock.monotonic()))
    }
}

/// What a drain hands to be delivered.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The record; it stands for all before it.
    pub record: Record,
    /// What is remembered of the ref.
    pub ledger: Ledger,
}

impl Lane {
    /// Makes the lane of `refname` in the directory `outbox`; one that exists is kept.
    pub(super) fn create(outbox: &Path, refname: &str, disk: Arc<dyn Disk>) -> Result<Lane> {
        let dir = outbox.join(record::lane_name(refname));
        let lane = Lane { dir, refname: refname.to_owned(), disk };
        let made = lane.disk.create_dir(&lane.dir).and_then(|()| make_private_dir(&lane.dir));
        made.map_err(SyncError::io(&lane.dir))?;
        let inbox = lane.inbox()?;
        lane.disk.fsync_file(&inbox, Reason::Outbox).map_err(SyncError::io(&lane.dir))?;
        lane.disk.fsync_dir(&lane.dir, Reason::Outbox).map_err(SyncError::io(&lane.dir))?;
        sync_parent(&*lane.disk, &lane.dir, Reason::Outbox).map_err(SyncError::io(outbox))?;
        Ok(lane)
    }

    /// The lane in `dir`; None when nothing was ever put there.
    pub(super) fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<Option<Lane>> {
        let mut lane = Lane { dir: dir.to_owned(), refname: String::new(), disk };
        if let Some(ledger) = lane.stored_ledger()? {
            lane.refname = ledger.refname;
        } else {
            let mut records = lane.records("wal")?;
            records.extend(lane.records("inbox")?);
            let Some(record) = records.into_iter().next() else { return Ok(None) };
            lane.refname = record.refname;
        }
        Ok(Some(lane))
    }

    /// Full name of the ref.
    pub(super) fn refname(&self) -> &str {
        &self.refname
    }

    /// What is remembered.
    pub(super) fn ledger(&self) -> Result<Ledger> {
        Ok(self.stored_ledger()?.unwrap_or_else(|| Ledger::new(&self.refname)))
    }

    /// What is remembered and not delivered, the inbox included.
    pub(super) fn waiting(&self) -> Result<(Ledger, Option<Record>)> {
        // In the direction in which records move, so that none is missed on its way.
        let fresh = self.records("inbox")?;
        let staged = self.records("wal")?;
        let ledger = self.ledger()?;
        let latest = queue::batch(&ledger, staged, fresh).map(|batch| batch.latest);
        Ok((ledger, latest))
    }

    /// Adds `intent`; it is durable when this returns.
    pub(super) fn enqueue(&self, intent: &PushIntent) -> Result<()> {
        let inbox = self.inbox()?;
        let failed = || SyncError::io(&self.dir);
        lock_exclusive(&inbox).map_err(failed())?;
        let len = inbox.metadata().map_err(failed())?.len();
        let record = Record {
            id: self.last_id(&inbox, len)? + 1,
            refname: self.refname.clone(),
            new: intent.new,
            seq: intent.seq,
        };
        let line = record::encode(&record);
        self.disk.write_all_at(&inbox, &line, len).map_err(failed())?;
        self.disk.fsync_file(&inbox, Reason::Outbox).map_err(failed())
    }

    /// Changes what is remembered, durably.
    pub(super) fn amend(&self, change: impl FnOnce(&mut Ledger)) -> Result<()> {
        let lock = self.file("lock")?;
        lock_exclusive(&lock).map_err(SyncError::io(&self.dir))?;
        let before = self.stored_ledger()?;
        let mut ledger = before.clone().unwrap_or_else(|| Ledger::new(&self.refname));
        change(&mut ledger);
        if before.as_ref() == Some(&ledger) { Ok(()) } else { self.store(&ledger) }
    }

    /// Delivers what there is; None when there is nothing to do, which costs no fsync.
    ///
    /// `deliver` may be called again with the same record after a crash: its effect must be the
    /// same then. Nobody else drains this ref meanwhile, and everybody may enqueue.
    pub(super) fn drain(
        &self,
        which: Which,
        wait: &Wait<'_>,
        deliver: impl FnOnce(&Delivery) -> Verdict,
    ) -> Result<Option<Ledger>> {
        let _lock = self.lock(wait)?;
        let ledger = self.ledger()?;
        let now = wait.clock.now();
        if which == Which::Due && !ledger.is_due(now) {
            return Ok(None);
        }
        let Some(batch) = self.stage(which, &ledger)? else { return Ok(None) };
        let Batch { latest, upto, .. } = batch;
        let delivery = Delivery { record: latest, ledger };
        let verdict = deliver(&delivery);
        let Delivery { record, ledger } = delivery;
        let random = RandomState::new().hash_one(upto);
        let ledger = ledger.after(record, upto, verdict, wait.clock.now(), random);
        self.store(&ledger)?;
        self.drop_wal()?;
        Ok(Some(ledger))
    }

    /// Moves the inbox into the WAL.
    fn stage(&self, which: Which, ledger: &Ledger) -> Result<Option<Batch>> {
        let failed = || SyncError::io(&self.dir);
        let mut inbox = self.inbox()?;
        lock_exclusive(&inbox).map_err(failed())?;
        let mut bytes = Vec::new();
        inbox.read_to_end(&mut bytes).map_err(failed())?;
        let (fresh, damaged) = record::decode(&bytes);
        if damaged > 0 {
            tracing::warn!(refname = self.refname, damaged, "skipped torn lines of the push queue");
        }
        let staged = self.records("wal")?;
        let leftovers = !bytes.is_empty() || !staged.is_empty();
        let again = ledger.conflict.as_ref().filter(|_| which == Which::All);
        let batch = queue::batch(ledger, staged, fresh)
            .or_else(|| again.map(|conflict| queue::again(ledger, &conflict.record)));
        if let Some(batch) = &batch {
            let wal: Vec<u8> = batch.records.iter().flat_map(record::encode).collect();
            let path = self.dir.join("wal");
            replace_file(&*self.disk, &path, &wal, Reason::Outbox).map_err(SyncError::io(&path))?;
        }
        if leftovers {
            self.disk.set_len(&inbox, 0).map_err(failed())?;
        }
        if leftovers && batch.is_none() {
            self.drop_wal()?;
        }
        Ok(batch)
    }

    fn drop_wal(&self) -> Result<()> {
        let path = self.dir.join("wal");
        match self.disk.remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result.map_err(SyncError::io(&path)),
        }
    }

    fn store(&self, ledger: &Ledger) -> Result<()> {
        let path = self.dir.join("ledger.json");
        let failed = SyncError::io(&path);
        let json = serde_json::to_vec_pretty(ledger).map_err(io::Error::other);
        json.and_then(|json| replace_file(&*self.disk, &path, &json, Reason::Outbox))
            .map_err(failed)
    }

    /// The ledger on disk. One that cannot be understood counts as missing: what is not known will
    /// be asked, and records speak for themselves.
    fn stored_ledger(&self) -> Result<Option<Ledger>> {
        let path = self.dir.join("ledger.json");
        let Some(bytes) = read(&path)? else { return Ok(None) };
        #[derive(serde::Deserialize)]
        struct Format {
            format: u32,
        }
        match serde_json::from_slice::<Format>(&bytes) {
            Ok(Format { format }) if format > FORMAT => {
                return Err(SyncError::Format { path, format });
            }
            _ => {}
        }
        let ledger = serde_json::from_slice(&bytes);
        if let Err(error) = &ledger {
            tracing::warn!(path = %path.display(), %error, "the push queue's ledger is damaged");
        }
        Ok(ledger.ok())
    }

    fn records(&self, name: &str) -> Result<Vec<Record>> {
        Ok(read(&self.dir.join(name))?.map_or_else(Vec::new, |bytes| record::decode(&bytes).0))
    }

    /// The highest id that was ever given, when `inbox`, of `len` bytes, is locked.
    fn last_id(&self, inbox: &File, len: u64) -> Result<u64> {
        let highest = |records: &[Record]| records.iter().map(|record| record.id).max();
        // The end is enough, unless it is damaged: ids grow.
        let mut fresh = None;
        for start in [len.saturating_sub(TAIL), 0] {
            let mut tail = vec![0; usize::try_from(len - start).unwrap_or(0)];
            inbox.read_exact_at(&mut tail, start).map_err(SyncError::io(&self.dir))?;
            fresh = highest(&record::decode(&tail).0);
            if fresh.is_some() {
                break;
            }
        }
        // The WAL before the ledger: a drain writes the ledger before it drops the WAL. All three,
        // so that nothing rests on which of the files came through a power failure.
        let staged = highest(&self.records("wal")?);
        let consumed = self.ledger()?.consumed;
        Ok([fresh, staged, Some(consumed)].into_iter().flatten().max().unwrap_or(0))
    }

    fn inbox(&self) -> Result<File> {
        self.file("inbox")
    }

    fn file(&self, name: &str) -> Result<File> {
        let path = self.dir.join(name);
        let open = || OpenOptions::new().read(true).write(true).open(&path);
        let opened = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => match self.disk.create_file(&path)
            {
                // Another process was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => open(),
                made => made,
            },
            opened => opened,
        };
        opened.map_err(SyncError::io(&path))
    }

    /// Keeps other drains of this ref out, of this process and of others, while the file lives.
    fn lock(&self, wait: &Wait<'_>) -> Result<File> {
        let file = self.file("lock")?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(SyncError::io(&self.dir)(error.into())),
            }
            if wait.left() == Some(Duration::ZERO) || wait.cancel.wait(LOCK_POLL) {
                return Err(SyncError::Busy { refname: self.refname.clone() });
            }
        }
    }
}

/// Waits for a lock that nobody holds for long; closing the file gives it back.
fn lock_exclusive(file: &File) -> io::Result<()> {
    Ok(rustix::io::retry_on_intr(|| flock(file, FlockOperation::LockExclusive))?)
}

/// The bytes of a file; None when it is missing.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SyncError::io(path)(error)),
    }
}

/// When the next attempt of `ledger` is due, seen at `now`.
pub(super) fn due_in(ledger: &Ledger, now: Timespec) -> Duration {
    ledger
        .failure
        .as_ref()
        .map_or(Duration::ZERO, |failure| super::backoff::until(failure.next(), now))
}
