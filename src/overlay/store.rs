//! The overlay itself: append, then apply, then answer; open, sync and trim.

use super::change::Change;
use super::content::Bodies;
use super::error::OverlayError;
use super::freeze::{Dead, Freeze, Pins};
use super::index::Index;
use super::node::{FileData, Node, NodeData, Slot};
use super::record::{Mark, decode_record, encode_batch, encode_mark};
use super::replay::{Outcome, Replay};
use super::values::Values;
use crate::journal::{Journal, Room};
use crate::sys::locks::{AtomicU64, Mutex, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::sys::{Disk, Reason, is_out_of_files, is_unsettled, settle};
use crate::types::{BodyId, BootId, Ino, Seq};
use std::collections::HashSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Changes a snapshot record holds: small enough for any frame, large enough to be few.
const SNAPSHOT_BATCH: usize = 1024;
/// Bytes of the journal set aside for the time when the disk is full, so that everything can be
/// removed and synced even then: some for marks, and some for each inode.
const RESERVE: u64 = 32 << 10;
/// The same for an overlay of few inodes, of which a host may have thousands; and what each adds.
const RESERVE_LEAST: u64 = 8 << 10;
const RESERVE_GROWS: u64 = 256;
/// While the journal is trimmed it has to do with so much: the rest is for the snapshot.
const RESERVE_TRIMMING: u64 = 4 << 10;
const RESERVE_EACH: u64 = 256;
/// The journal is trimmed when it is larger than this and than twice its last snapshot.
const TRIM_BYTES: u64 = 4 << 20;

/// The upper layer of one workspace.
pub struct Overlay {
    pub(super) index: RwLock<Index>,
    pub(super) journal: Journal,
    pub(super) bodies: Arc<Bodies>,
    pub(super) values: Arc<Values>,
    pub(super) pins: Arc<Mutex<Pins>>,
    boot: BootId,
    /// The newest batch.
    last: AtomicU64,
    /// The batch up to which the newest mark vouches. Held while bodies are synced: who comes later
    /// waits for what the first one took on.
    marked: Mutex<Seq>,
    /// The batch up to which a durable mark vouches.
    synced: AtomicU64,
    /// How often dropped contents or old records were removed from the disk.
    pub(super) freed: AtomicU64,
    /// Bytes of the last snapshot; held by the one thread that trims.
    pub(super) trim: Mutex<u64>,
    /// The folder, as long as nothing in it is durable.
    unsettled: Mutex<Option<PathBuf>>,
}

/// What opening an overlay found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records replayed.
    pub records: u64,
    /// Bytes of a torn record that were cut off.
    pub torn_bytes: u64,
    /// Open but unlinked inodes that were dropped.
    pub orphans: usize,
    /// Bodies that no inode named and that were removed.
    pub dead_bodies: usize,
    /// Bodies and values that are missing: reading them fails.
    pub lost_bodies: usize,
    /// The last batch of changes.
    pub last_batch: Seq,
    /// Batches after the last sync that the host's power loss may have torn; they were set aside.
    pub void_batches: usize,
    /// The host went down, or was shut down, since it was open.
    pub other_boot: bool,
    /// Whole segments of the journal that were set aside, behind damage or a gap.
    pub void_segments: usize,
}

/// Shared access to the index.
pub struct IndexRef<'a>(RwLockReadGuard<'a, Index>);

impl Deref for IndexRef<'_> {
    type Target = Index;
    fn deref(&self) -> &Index {
        &self.0
    }
}

/// Exclusive access to the index: the namespace lock. Taken back as a whole unless committed.
#[must_use = "a transaction that is dropped takes its changes back"]
pub struct Transaction<'a> {
    overlay: &'a Overlay,
    index: RwLockWriteGuard<'a, Index>,
    changes: Vec<Change>,
    undo: Vec<Change>,
}

impl Overlay {
    /// Makes a new overlay in `dir`, with `root` as the directory [`Ino::ROOT`]; durable on return.
    pub fn create(dir: &Path, root: Node, disk: Arc<dyn Disk>) -> Result<Self, OverlayError> {
        let boot = boot_of(&*disk)?;
        let content = open_content(dir, &disk)?;
        let journal = Journal::create(&dir.join("journal"), disk)?;
        let overlay = Self::with(Index::new(), journal, content, boot, None);
        let mut transaction = overlay.begin();
        transaction.push(Change::PutNode(Ino::ROOT, root));
        transaction.commit()?;
        overlay.bodies.expect_bodies();
        overlay.bodies.make_ahead();
        overlay.sync()?;
        Ok(overlay)
    }

    /// Opens the overlay in `dir`: replays its journal as far as it can be believed, drops orphans,
    /// removes dead bodies. What it then holds is durable.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<(Self, Recovered), OverlayError> {
        let boot = boot_of(&*disk)?;
        let (bodies, values) = open_content(dir, &disk)?;
        let mut replay = Replay::new();
        let (journal, replayed) = Journal::open(&dir.join("journal"), disk, |seq, payload| {
            replay.take(seq, decode_record(payload)?);
            Ok(())
        })?;
        let Outcome { mut index, same_boot, closed, void, last_batch } =
            replay.finish(journal.last(), boot);
        if index.node(Ino::ROOT).is_none() {
            return Err(OverlayError::NoRoot);
        }
        let content = |source| OverlayError::Content { path: dir.join("bodies"), source };
        let unsettled = is_unsettled(dir).then(|| dir.to_owned());
        if void > 0 {
            tracing::warn!(batches = void, "the host went down before these were synced");
            journal.restart(&snapshot_records(&index, journal.last(), boot))?;
        } else if same_boot && !closed && unsettled.is_none() {
            // Whoever wrote it ended without telling what was not synced yet.
            bodies.sync_whole().map_err(content)?;
        }
        let mut recovered = Recovered {
            records: replayed.records,
            torn_bytes: replayed.torn_bytes,
            orphans: index.drop_orphans(),
            last_batch,
            void_batches: void,
            other_boot: !same_boot,
            void_segments: replayed.set_aside,
            ..Recovered::default()
        };
        let live: HashSet<BodyId> = index.bodies().collect();
        let overlay = Self::with(index, journal, (bodies, values), boot, unsettled.clone());
        overlay.bodies.keep_numbers(&live);
        if unsettled.is_some() {
            // A fork that nobody asked to be durable: it costs no sync to look at it.
            return Ok((overlay, recovered));
        }
        overlay.bodies.make_ahead();
        overlay.sync_and_mark(true)?;
        // Not before: until then power loss could bring back who named them.
        (recovered.dead_bodies, recovered.lost_bodies) =
            overlay.bodies.reconcile(&live).map_err(content)?;
        recovered.lost_bodies += overlay
            .values
            .reconcile(overlay.read().values().map(|(_, value)| value))
            .map_err(content)?;
        overlay.trim()?;
        Ok((overlay, recovered))
    }

    fn with(
        index: Index,
        journal: Journal,
        content: (Bodies, Values),
        boot: BootId,
        unsettled: Option<PathBuf>,
    ) -> Self {
        Self {
            index: RwLock::new(index),
            last: AtomicU64::new(journal.last().0),
            journal,
            bodies: Arc::new(content.0),
            values: Arc::new(content.1),
            pins: Arc::default(),
            boot,
            marked: Mutex::new(Seq(0)),
            synced: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            trim: Mutex::new(0),
            unsettled: Mutex::new(unsettled),
        }
    }

    /// Looks at the index.
    pub fn read(&self) -> IndexRef<'_> {
        IndexRef(self.index.read())
    }

    /// Starts a batch of changes; everybody else waits until it is committed or dropped.
    pub fn begin(&self) -> Transaction<'_> {
        Transaction {
            overlay: self,
            index: self.index.write(),
            changes: Vec::new(),
            undo: Vec::new(),
        }
    }

    /// File bodies.
    pub fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// The bytes of small files.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Takes a consistent cut: index and bodies as of now. Waits for body writers, not for I/O.
    pub fn freeze(&self) -> Freeze {
        let _no_writers = self.bodies.stop_writes();
        let index = self.index.read();
        self.frozen(&index)
    }

    /// The cut of `index`, which is locked, with body writers kept out.
    pub(super) fn frozen(&self, index: &Index) -> Freeze {
        let below = self.bodies.next_id();
        self.pins.lock().pin(below);
        self.bodies.freeze_below(below);
        Freeze {
            index: index.clone(),
            seq: self.seq(),
            bodies: self.bodies.clone(),
            values: self.values.clone(),
            pins: self.pins.clone(),
            below,
            passed: self.bodies.passages.bodies(),
        }
    }

    /// Makes everything acknowledged before the call durable. Not to be called under a lock.
    ///
    /// Bytes first, then a mark that says so, then the journal. After a failure the overlay is
    /// read-only; the fsync is not tried again.
    pub fn sync(&self) -> Result<(), OverlayError> {
        self.sync_and_mark(false)
    }

    fn sync_and_mark(&self, always: bool) -> Result<(), OverlayError> {
        let upto = {
            let mut marked = self.marked.lock();
            if let Some(why) = self.journal.latched() {
                return Err(crate::journal::JournalError::Latched(why).into());
            }
            self.bury_dead_segments();
            let upto = self.seq();
            self.settle()?;
            if let Err(source) = self.values.sync().and_then(|()| self.bodies.sync()) {
                if !is_out_of_files(&source) {
                    self.journal.latch(format!("fsync of file contents failed: {source}"));
                }
                return Err(OverlayError::Content { path: "bodies".into(), source });
            }
            if always || upto > *marked {
                let mark = Mark { upto, boot: self.boot, closed: false };
                self.journal.append(&encode_mark(&mark), Room::Reserve)?;
                *marked = upto;
            }
            upto
        };
        self.journal.sync()?;
        self.synced.fetch_max(upto.0, Ordering::AcqRel);
        let deletable = self.pins.lock().take_deletable(upto);
        let count = deletable.len() as u64;
        deletable.into_iter().for_each(|dead| match dead {
            Dead::Body(body) => self.bodies.remove(body),
            Dead::Segment(segment) => self.values.remove(segment),
        });
        self.freed.fetch_add(count, Ordering::AcqRel);
        Ok(())
    }

    /// What a fork was made of becomes durable with the first sync; before that nothing was promised.
    fn settle(&self) -> Result<(), OverlayError> {
        let mut unsettled = self.unsettled.lock();
        let Some(dir) = &*unsettled else { return Ok(()) };
        if let Err(source) = settle(&*self.bodies.disk, dir, Reason::Manifest) {
            if !is_out_of_files(&source) {
                self.journal.latch(format!("a new workspace could not be made durable: {source}"));
            }
            return Err(OverlayError::Content { path: dir.clone(), source });
        }
        *unsettled = None;
        Ok(())
    }

    /// The newest batch.
    pub fn seq(&self) -> Seq {
        Seq(self.last.load(Ordering::Acquire))
    }

    /// The newest batch known to be durable, with the bytes that it names.
    pub fn synced_seq(&self) -> Seq {
        Seq(self.synced.load(Ordering::Acquire))
    }

    /// Bytes in the journal.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.bytes()
    }

    /// Grows with every change, of bytes or of names, in this process.
    pub fn changes(&self) -> u64 {
        self.seq().0 + self.bodies.alterations()
    }

    /// Bytes that may not be durable yet, at most.
    pub fn unsynced_bytes(&self) -> u64 {
        let journal = if self.synced_seq() < self.seq() { self.journal_bytes() } else { 0 };
        journal + self.bodies.unsynced_bytes() + self.values.unsynced_bytes()
    }

    /// Why the overlay takes no more changes, if so.
    pub fn read_only_reason(&self) -> Option<String> {
        self.journal.latched()
    }

    /// Replaces the journal by a snapshot once it has grown large. Called now and then, not under a
    /// lock: operations wait only while the index is cloned (its nodes are shared, not copied).
    pub fn trim(&self) -> Result<(), OverlayError> {
        self.trim_above(TRIM_BYTES)
    }

    /// The same for a journal of so many bytes.
    pub fn trim_above(&self, bytes: u64) -> Result<(), OverlayError> {
        let Some(mut last_snapshot) = self.trim.try_lock() else { return Ok(()) };
        if self.journal.bytes() <= bytes.max(2 * *last_snapshot) {
            return Ok(());
        }
        // Bodies before the records that name them, as in a sync: a snapshot is durable at once.
        self.sync()?;
        let (index, last) = {
            let _no_writers = self.bodies.stop_writes();
            let index = self.index.read();
            (index.clone(), self.journal.rotate(RESERVE_TRIMMING)?)
        };
        self.sync()?;
        let snapshot = snapshot_records(&index, last, self.boot);
        *last_snapshot = snapshot.iter().map(|record| record.len() as u64).sum();
        self.journal.trim(last, &snapshot)?;
        self.freed.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

fn open_content(dir: &Path, disk: &Arc<dyn Disk>) -> Result<(Bodies, Values), OverlayError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        |source| OverlayError::Content { path, source }
    };
    let (bodies, values) = (dir.join("bodies"), dir.join("values"));
    Ok((
        Bodies::open_store(bodies.clone(), disk.clone()).map_err(at(&bodies))?,
        Values::open_log(values.clone(), disk.clone()).map_err(at(&values))?,
    ))
}

pub(super) fn reserve_for(index: &Index) -> u64 {
    let len = index.len() as u64;
    (RESERVE_GROWS * len).clamp(RESERVE_LEAST, RESERVE) + RESERVE_EACH * len
}

fn boot_of(disk: &dyn Disk) -> Result<BootId, OverlayError> {
    disk.boot().map_err(|source| OverlayError::Content { path: "boot_id".into(), source })
}

/// The state after the record `last`, all of it durable.
fn snapshot_records(index: &Index, last: Seq, boot: BootId) -> Vec<Vec<u8>> {
    let puts: Vec<_> =
        index.iter().map(|(ino, node)| Change::PutNode(ino, Node::clone(node))).collect();
    let batches = puts.chunks(SNAPSHOT_BATCH).map(|batch| encode_batch(index.next_ino(), batch));
    batches.chain([encode_mark(&Mark { upto: last, boot, closed: false })]).collect()
}

impl Drop for Overlay {
    /// Spares the next open a sync of everything, where there is nothing left to sync.
    fn drop(&mut self) {
        let upto = self.seq();
        if self.journal.latched().is_none()
            && self.bodies.is_synced()
            && self.values.is_synced()
            && upto <= *self.marked.lock()
        {
            let mark = Mark { upto, boot: self.boot, closed: true };
            if let Err(error) = self.journal.append(&encode_mark(&mark), Room::Reserve) {
                tracing::debug!(%error, "the journal was not closed");
            }
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = Index;
    /// The index with the changes of this transaction.
    fn deref(&self) -> &Index {
        &self.index
    }
}

impl Transaction<'_> {
    /// A number for a new inode; never handed out again once committed.
    pub fn allocate_ino(&mut self) -> Ino {
        self.index.allocate_ino()
    }

    /// Applies a change; it is journaled by [`Transaction::commit`].
    pub fn push(&mut self, change: Change) {
        self.changes.push(change.clone());
        self.undo.extend(self.index.apply(change));
    }

    /// Appends the batch to the journal. On an error all of it is taken back.
    pub fn commit(mut self) -> Result<Seq, OverlayError> {
        if self.changes.is_empty() {
            return Ok(self.overlay.seq());
        }
        let record = encode_batch(self.index.next_ino(), &self.changes);
        // What takes a name away may take the last room: it makes some.
        let takes_name = |change: &Change| {
            matches!(change, Change::SetSlot(_, _, None | Some(Slot::Whiteout)))
                || matches!(change, Change::DropNode(_))
        };
        let makes_room = self.changes.iter().any(takes_name);
        let room =
            if makes_room { Room::Reserve } else { Room::Ordinary(reserve_for(&self.index)) };
        let seq = self.overlay.journal.append(&record, room)?;
        self.overlay.last.store(seq.0, Ordering::Release);
        self.bury_dropped_bodies(seq);
        self.undo.clear();
        Ok(seq)
    }

    fn bury_dropped_bodies(&self, seq: Seq) {
        for change in &self.undo {
            let (ino, body) = match change {
                Change::PutNode(ino, node) => (*ino, node.body()),
                Change::SetFile(ino, FileData::Body(id)) => (*ino, Some(*id)),
                _ => continue,
            };
            let now = self.index.node(ino).and_then(|node| match node.data {
                NodeData::Regular(FileData::Body(id)) => Some(id),
                _ => None,
            });
            if let Some(id) = body.filter(|id| now != Some(*id)) {
                self.overlay.pins.lock().bury(seq, Dead::Body(id));
            }
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        while let Some(change) = self.undo.pop() {
            self.index.apply(change);
        }
    }
}
