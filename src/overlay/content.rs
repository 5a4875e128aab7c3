//! File bodies: plain files of the workspace, one a body, reached through this interface only.
//!
//! `bodies/<id / 1024, hex>/<id, hex>`. The body's size and mtime are the inode's. Nobody outside sees
//! a path, and a descriptor only through a [`super::Passage`].

use super::passage::Passages;
use super::unsynced::Unsynced;
use crate::sys::locks::{
    AtomicBool, AtomicU64, Mutex, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use crate::sys::{Disk, is_shared};
use crate::types::{BodyId, Timespec};
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// So many files are made ahead, so that a new body does not cost a sync of its folder.
const AHEAD: u64 = 4;

/// The content store of one workspace.
pub struct Bodies {
    pub(super) dir: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) open: Mutex<HashMap<BodyId, Weak<Body>>>,
    next: AtomicU64,
    /// The files of bodies below this id are there already, empty.
    made: Mutex<u64>,
    /// There was a body, or there is to be one soon: most forks never have any.
    expected: AtomicBool,
    /// Held shared by whoever alters a body, exclusively by a freeze.
    gate: RwLock<()>,
    /// Bodies whose id is below belong to a live freeze and are not written any more.
    frozen_below: AtomicU64,
    /// Bodies whose id is below are being shared.
    pub(super) sharing_below: AtomicU64,
    pub(super) unsynced: Arc<Mutex<Unsynced>>,
    alterations: Arc<AtomicU64>,
    pub(super) passages: Arc<Passages>,
}

/// Shared right to alter bodies; a freeze waits for it. Take it before the index lock, once a thread.
pub struct WriteGuard<'a> {
    _gate: RwLockReadGuard<'a, ()>,
}

/// One open body.
pub struct Body {
    /// Which one.
    pub id: BodyId,
    pub(super) file: File,
    disk: Arc<dyn Disk>,
    version: AtomicU64,
    pub(super) dirty: AtomicBool,
    /// Another workspace has this file, too, or had when that was looked at.
    pub(super) shared: AtomicBool,
    /// How many have it as a file.
    pub(super) passages: AtomicU64,
    unsynced: Arc<Mutex<Unsynced>>,
    alterations: Arc<AtomicU64>,
}

/// Size, allocation and time of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyStat {
    /// Bytes.
    pub len: u64,
    /// 512-byte blocks.
    pub blocks: u64,
    /// Last change of content.
    pub mtime: Timespec,
    /// Last change of anything, as the system saw it; cannot be set.
    pub ctime: Timespec,
}

impl Bodies {
    /// Opens the store below `dir` (made when missing).
    pub(super) fn open_store(dir: PathBuf, disk: Arc<dyn Disk>) -> io::Result<Self> {
        disk.create_dir(&dir)?;
        let bodies = Self {
            dir,
            disk,
            open: Mutex::default(),
            next: AtomicU64::new(1),
            made: Mutex::new(0),
            expected: AtomicBool::new(false),
            gate: RwLock::new(()),
            frozen_below: AtomicU64::new(0),
            sharing_below: AtomicU64::new(0),
            unsynced: Arc::default(),
            alterations: Arc::default(),
            passages: Arc::default(),
        };
        let newest = bodies.ids()?.into_iter().map(|id| id.0).max();
        bodies.expected.store(newest.is_some(), Ordering::Relaxed);
        bodies.next.store(newest.unwrap_or(0) + 1, Ordering::Relaxed);
        Ok(bodies)
    }

    /// Makes a new, empty body.
    pub fn create(&self) -> io::Result<Arc<Body>> {
        let (id, made) = {
            let made = self.made.lock();
            let id = BodyId(self.next.fetch_add(1, Ordering::Relaxed));
            (id, id.0 < *made)
        };
        let file = if made { self.open_file(id)? } else { self.create_file(id)? };
        let body = self.body(id, file);
        // Before it is on the list: a sync that did not find it could not mark it clean, and what is
        // written to it later would not be put on the list again.
        self.open.lock().insert(id, Arc::downgrade(&body));
        body.mark_altered();
        Ok(body)
    }

    /// Files for bodies are made ahead from now on.
    pub(super) fn expect_bodies(&self) {
        self.expected.store(true, Ordering::Relaxed);
    }

    fn create_file(&self, id: BodyId) -> io::Result<File> {
        self.expect_bodies();
        let path = self.path(id);
        let file = match self.disk.create_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.create_dir(shard_of(&path))?;
                self.unsynced.lock().dirs.insert(self.dir.clone());
                self.disk.create_file(&path)?
            }
            other => other?,
        };
        self.unsynced.lock().dirs.insert(shard_of(&path).to_owned());
        Ok(file)
    }

    fn open_file(&self, id: BodyId) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(id))
    }

    /// Gives no number of `live` away again, not even one whose file is lost.
    pub(super) fn keep_numbers(&self, live: &HashSet<BodyId>) {
        let newest = live.iter().map(|id| id.0).max().unwrap_or(0);
        self.next.fetch_max(newest + 1, Ordering::Relaxed);
    }

    /// Makes the files of the next bodies when few are left; the next sync makes their names durable.
    /// Where that fails, whoever needs a body will be told.
    pub(super) fn make_ahead(&self) {
        if !self.expected.load(Ordering::Relaxed) {
            return;
        }
        let mut made = self.made.lock();
        let next = self.next.load(Ordering::Relaxed);
        if *made > next + AHEAD / 2 {
            return;
        }
        for id in next.max(*made)..next + AHEAD {
            if self.create_file(BodyId(id)).is_err() {
                return;
            }
            *made = id + 1;
        }
    }

    /// Opens a body; every caller gets the same one.
    pub fn open(&self, id: BodyId) -> io::Result<Arc<Body>> {
        let mut open = self.open.lock();
        if let Some(body) = open.get(&id).and_then(Weak::upgrade) {
            return Ok(body);
        }
        let file = self.open_file(id)?;
        let shared = is_shared(&file)?;
        let body = self.body(id, file);
        body.shared.store(shared, Ordering::Release);
        open.insert(id, Arc::downgrade(&body));
        if open.len() > 4096 && open.len().is_power_of_two() {
            open.retain(|_, body| body.strong_count() > 0);
        }
        Ok(body)
    }

    /// Size and times without opening the body.
    pub fn stat(&self, id: BodyId) -> io::Result<BodyStat> {
        if let Some(body) = self.open.lock().get(&id).and_then(Weak::upgrade) {
            return body.stat();
        }
        Ok(BodyStat::of(&std::fs::metadata(self.path(id))?))
    }

    /// Whether the body may be altered; if not, it belongs to a freeze or to another workspace, too:
    /// write to a copy. One that somebody has as a file stays what it is.
    ///
    /// Ask while holding [`Bodies::writing`].
    pub fn may_write(&self, body: &Body) -> bool {
        body.is_passed()
            || body.id.0 >= self.frozen_below.load(Ordering::Acquire) && !self.is_shared(body)
    }

    /// Whether another workspace has the body, too, or is about to: not even its time may be altered.
    pub fn is_shared(&self, body: &Body) -> bool {
        body.id.0 < self.sharing_below.load(Ordering::Acquire) || body.is_shared()
    }

    /// To be held around each alteration of a body and the journal record that goes with it.
    pub fn writing(&self) -> WriteGuard<'_> {
        WriteGuard { _gate: self.gate.read() }
    }

    /// Removes a body that never got into the index (the operation that made it failed).
    pub fn discard(&self, body: Arc<Body>) {
        self.remove(body.id);
    }

    pub(super) fn stop_writes(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write()
    }

    /// Every body made so far is below this id.
    pub(super) fn next_id(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    pub(super) fn freeze_below(&self, id: u64) {
        self.frozen_below.store(id, Ordering::Release);
    }

    /// Deletes the body's file; readers that have it open keep it.
    pub(super) fn remove(&self, id: BodyId) {
        self.open.lock().remove(&id);
        if let Err(error) = self.disk.remove_file(&self.path(id)) {
            // The next open collects what no node names.
            tracing::warn!(body = id.0, %error, "a dead file body could not be removed");
        }
    }

    /// How often any body was altered in this process.
    pub fn alterations(&self) -> u64 {
        self.alterations.fetch_add(self.passages.count_changed(), Ordering::AcqRel);
        self.alterations.load(Ordering::Acquire)
    }

    /// For start-up: removes all bodies that `live` does not hold. Returns how many that were, and
    /// how many of `live` are not there: reading these fails, and nobody takes them for empty.
    pub(super) fn reconcile(&self, live: &HashSet<BodyId>) -> io::Result<(usize, usize)> {
        // What is made ahead is not dead.
        let next = self.next.load(Ordering::Relaxed);
        let present: HashSet<_> = self.ids()?.into_iter().filter(|id| id.0 < next).collect();
        let dead: Vec<BodyId> = present.difference(live).copied().collect();
        let used = dead.iter().filter(|id| self.stat(**id).is_ok_and(|stat| stat.len > 0)).count();
        dead.into_iter().for_each(|id| self.remove(id));
        for id in live.difference(&present) {
            tracing::error!(body = id.0, "a file body is missing");
        }
        Ok((used, live.difference(&present).count()))
    }

    fn body(&self, id: BodyId, file: File) -> Arc<Body> {
        Arc::new(Body {
            id,
            file,
            disk: self.disk.clone(),
            version: AtomicU64::new(0),
            dirty: AtomicBool::new(false),
            shared: AtomicBool::new(false),
            passages: AtomicU64::new(0),
            unsynced: self.unsynced.clone(),
            alterations: self.alterations.clone(),
        })
    }

    pub(super) fn path(&self, id: BodyId) -> PathBuf {
        path(&self.dir, id)
    }

    fn ids(&self) -> io::Result<Vec<BodyId>> {
        let mut ids = Vec::new();
        for shard in std::fs::read_dir(&self.dir)? {
            for entry in std::fs::read_dir(shard?.path())? {
                let name = entry?.file_name();
                let id = name.to_str().and_then(|name| u64::from_str_radix(name, 16).ok());
                ids.extend(id.map(BodyId));
            }
        }
        Ok(ids)
    }
}

pub(super) fn path(dir: &Path, id: BodyId) -> PathBuf {
    dir.join(format!("{:x}/{:x}", id.0 >> 10, id.0))
}

pub(super) fn shard_of(path: &Path) -> &Path {
    path.parent().expect("a body's path has a shard")
}

/// Operations; those that alter are done under [`Bodies::writing`].
impl Body {
    /// Whether another workspace has this file, too. It gets more owners only from here
    /// (`overlay::fork`); that the others let go shows in how many names it has.
    fn is_shared(&self) -> bool {
        if !self.shared.load(Ordering::Acquire) {
            return false;
        }
        let shared = is_shared(&self.file).unwrap_or(true);
        self.shared.store(shared, Ordering::Release);
        shared
    }

    /// Fills `buf` from `offset` as far as the body goes; returns how much that was.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Writes at `offset` as much of `bytes` as there is room for, and says how much; an error where
    /// that is nothing.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.alter(|file| self.disk.write_at(file, bytes, offset))
    }

    /// Writes all of `bytes` at `offset`.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.alter(|file| self.disk.write_all_at(file, bytes, offset))
    }

    /// Cuts or extends to `len` bytes.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.alter(|file| self.disk.set_len(file, len))
    }

    /// fallocate(2) with the given FALLOC_FL_* bits.
    pub fn fallocate(&self, mode: i32, offset: u64, len: u64) -> io::Result<()> {
        self.alter(|file| self.disk.fallocate(file, mode, offset, len))
    }

    /// lseek(2) for SEEK_DATA and SEEK_HOLE.
    pub fn seek(&self, from: rustix::fs::SeekFrom) -> io::Result<u64> {
        rustix::fs::seek(&self.file, from).map_err(Into::into)
    }

    /// Makes this body a copy of `source`: bytes, holes (where the file system tells them) and mtime.
    pub fn copy_from(&self, source: &Body) -> io::Result<()> {
        let stat = source.stat()?;
        let mut at = 0;
        while at < stat.len {
            let data = match rustix::fs::seek(&source.file, rustix::fs::SeekFrom::Data(at)) {
                Ok(data) => data,
                Err(rustix::io::Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let hole = rustix::fs::seek(&source.file, rustix::fs::SeekFrom::Hole(data))?;
            self.copy_all(source, data..hole)?;
            at = hole;
        }
        self.set_len(stat.len)?;
        self.set_mtime(stat.mtime)
    }

    /// Copies `range` of `source` to the same place here, all of it.
    pub fn copy_all(&self, source: &Body, range: Range<u64>) -> io::Result<()> {
        let mut at = range.start;
        while at < range.end {
            match self.copy_range(source, at, at, range.end - at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => at += count,
            }
        }
        Ok(())
    }

    /// Copies at most `len` bytes of `source`; returns how many there were, and were room for. An
    /// error where nothing was copied. The two may be the same body.
    pub fn copy_range(&self, source: &Body, from: u64, to: u64, len: u64) -> io::Result<u64> {
        let mut done = 0;
        while done < len {
            let step = usize::try_from(len - done).unwrap_or(usize::MAX).min(1 << 30);
            let source = (&source.file, from + done);
            match self.alter(|file| self.disk.copy_range(source, (file, to + done), step)) {
                Ok(0) => break,
                Ok(copied) => done += copied as u64,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Sets the body's mtime, which is the inode's.
    pub fn set_mtime(&self, mtime: Timespec) -> io::Result<()> {
        let time = |sec, nsec| rustix::fs::Timespec { tv_sec: sec, tv_nsec: nsec };
        let times = rustix::fs::Timestamps {
            last_access: time(0, rustix::fs::UTIME_OMIT),
            last_modification: time(mtime.sec, mtime.nsec.into()),
        };
        self.alter(|file| Ok(rustix::fs::futimens(file, &times)?))
    }

    /// Size, allocation and mtime.
    pub fn stat(&self) -> io::Result<BodyStat> {
        Ok(BodyStat::of(&self.file.metadata()?))
    }

    /// Grows with every alteration in this process; equal versions mean equal bytes.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn alter<T>(&self, operation: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let result = operation(&self.file);
        self.mark_altered();
        result
    }

    /// After an alteration, even one that failed half-way: hashes taken before are no longer
    /// believed, and the next sync covers it. Marked afterwards, because a sync clears the mark
    /// before its fsync: an alteration that the fsync missed is then marked again.
    pub(super) fn mark_altered(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
        self.alterations.fetch_add(1, Ordering::AcqRel);
        if !self.dirty.swap(true, Ordering::AcqRel) {
            self.unsynced.lock().bodies.insert(self.id);
        }
    }
}

impl BodyStat {
    fn of(metadata: &std::fs::Metadata) -> Self {
        let time = |sec, nsec| Timespec { sec, nsec: u32::try_from(nsec).unwrap_or(0) };
        Self {
            len: metadata.len(),
            blocks: metadata.blocks(),
            mtime: time(metadata.mtime(), metadata.mtime_nsec()),
            ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
