use super::error::JournalError;
use super::frame::{FRAME_MAX, encode_frame};
use super::segment;
use crate::sys::{Disk, Reason};
use crate::types::Seq;
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An open log: one writer, any number of threads.
///
/// Lock order: `sync` before `tail`. The tail's lock is held for a write(2), never for an fsync.
pub struct Journal {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    tail: Mutex<Tail>,
    /// Held by the one thread that syncs; the others wait here and find their work done.
    sync: Mutex<()>,
    synced: AtomicU64,
    latch: Mutex<Option<String>>,
}

struct Tail {
    file: Arc<File>,
    path: PathBuf,
    end: u64,
    next: Seq,
    /// Bytes in segments before this one.
    older_bytes: u64,
}

/// What a replay found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Whole records.
    pub records: u64,
    /// Bytes cut off at the end.
    pub torn_bytes: u64,
}

impl Journal {
    /// Starts an empty log in the folder `dir`, which is made.
    pub fn create(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, JournalError> {
        std::fs::create_dir_all(dir).map_err(JournalError::io(dir))?;
        let tail = start_segment(dir, &*disk, Seq(1), false, &[])?;
        disk.fsync_dir(dir, Reason::Journal).map_err(JournalError::io(dir))?;
        Ok(Self::with(dir, disk, tail))
    }

    /// Opens the log and hands each record to `apply`, oldest first; the torn tail is cut off.
    pub fn open(
        dir: &Path,
        disk: Arc<dyn Disk>,
        mut apply: impl FnMut(Seq, &[u8]) -> Result<(), &'static str>,
    ) -> Result<(Self, Replayed), JournalError> {
        let segments = live_segments(dir)?;
        let mut replayed = Replayed::default();
        let mut next = segments.first().map_or(Seq(1), |(first, _)| *first);
        let mut older_bytes = 0;
        let mut tail = None;
        for (index, (first, path)) in segments.iter().enumerate() {
            let is_last = index + 1 == segments.len();
            let bytes = std::fs::read(path).map_err(JournalError::io(path))?;
            let corrupt = |offset, why| JournalError::Corrupt { path: path.clone(), offset, why };
            if *first != next {
                return Err(corrupt(0, "records are missing before this segment"));
            }
            let contents = segment::read(path, &bytes, |seq, payload| {
                if seq != next {
                    return Err("sequence number out of order");
                }
                replayed.records += 1;
                next = Seq(seq.0 + 1);
                apply(seq, payload)
            })?;
            if contents.torn_bytes > 0 && !is_last {
                return Err(corrupt(contents.valid_bytes, "a record before the end is damaged"));
            }
            if is_last {
                replayed.torn_bytes = contents.torn_bytes;
                tail = Some((path.clone(), contents.valid_bytes));
            } else {
                older_bytes += contents.valid_bytes;
            }
        }
        let tail = match tail {
            Some((path, end)) => reopen_tail(&*disk, path, end, next, older_bytes)?,
            None => start_segment(dir, &*disk, next, false, &[])?,
        };
        Ok((Self::with(dir, disk, tail), replayed))
    }

    fn with(dir: &Path, disk: Arc<dyn Disk>, tail: Tail) -> Self {
        Self {
            dir: dir.to_owned(),
            disk,
            tail: Mutex::new(tail),
            sync: Mutex::new(()),
            synced: AtomicU64::new(0),
            latch: Mutex::new(None),
        }
    }

    /// Appends one record (a write(2), no fsync) and returns its number.
    ///
    /// On an error nothing was appended: a partial write is cut off again, and where that fails the
    /// log latches.
    pub fn append(&self, payload: &[u8]) -> Result<Seq, JournalError> {
        if payload.is_empty() || payload.len() > FRAME_MAX {
            return Err(JournalError::TooLarge(payload.len()));
        }
        self.check_latch()?;
        let mut tail = self.tail.lock();
        let seq = tail.next;
        let frame = encode_frame(seq, payload);
        if let Err(source) = self.disk.write_all_at(&tail.file, &frame, tail.end) {
            if let Err(error) = tail.file.set_len(tail.end) {
                self.latch(format!("a torn record could not be cut off: {error}"));
            }
            return Err(JournalError::Io { path: tail.path.clone(), source });
        }
        tail.end += frame.len() as u64;
        tail.next = Seq(seq.0 + 1);
        Ok(seq)
    }

    /// Makes every record appended before the call durable; calls that wait share one fsync.
    ///
    /// After a failed fsync the log is latched: the kernel may have dropped the pages, so another
    /// fsync would report success for bytes that are not there.
    pub fn sync(&self) -> Result<Seq, JournalError> {
        let wanted = self.last();
        let _one_at_a_time = self.sync.lock();
        if self.synced() >= wanted {
            return Ok(self.synced());
        }
        self.check_latch()?;
        let (file, path, upto) = {
            let tail = self.tail.lock();
            (tail.file.clone(), tail.path.clone(), Seq(tail.next.0 - 1))
        };
        if let Err(source) = self.disk.fsync_file(&file, Reason::Journal) {
            self.latch(format!("fsync of the journal failed: {source}"));
            return Err(JournalError::Io { path, source });
        }
        self.synced.store(upto.0, Ordering::Release);
        Ok(upto)
    }

    /// Replaces all records by `snapshot`: the state that they lead to, as records of its own.
    ///
    /// The new segment is durable before the old ones go; a crash between leaves both, and the
    /// snapshot wins. The caller keeps appends out.
    pub fn trim(&self, snapshot: &[Vec<u8>]) -> Result<(), JournalError> {
        self.check_latch()?;
        let _no_sync = self.sync.lock();
        let mut tail = self.tail.lock();
        let old = segment::list(&self.dir)?;
        let first = tail.next;
        *tail = start_segment(&self.dir, &*self.disk, first, true, snapshot)?;
        self.synced.store(tail.next.0 - 1, Ordering::Release);
        for (_, path) in old.into_iter().filter(|(_, path)| *path != tail.path) {
            std::fs::remove_file(&path).map_err(JournalError::io(&path))?;
        }
        Ok(())
    }

    /// The number of the newest record; 0 before the first.
    pub fn last(&self) -> Seq {
        Seq(self.tail.lock().next.0 - 1)
    }

    /// The newest record known to be durable.
    pub fn synced(&self) -> Seq {
        Seq(self.synced.load(Ordering::Acquire))
    }

    /// Bytes in all segments.
    pub fn bytes(&self) -> u64 {
        let tail = self.tail.lock();
        tail.older_bytes + tail.end
    }

    /// Why the log takes no more records, if so.
    pub fn latched(&self) -> Option<String> {
        self.latch.lock().clone()
    }

    /// Refuses all records from now on.
    pub fn latch(&self, why: String) {
        tracing::error!(why, "the journal is read-only from now on");
        self.latch.lock().get_or_insert(why);
    }

    fn check_latch(&self) -> Result<(), JournalError> {
        match self.latched() {
            Some(why) => Err(JournalError::Latched(why)),
            None => Ok(()),
        }
    }
}

/// The segments from the newest snapshot on; older ones, left by a crash in a trim, are removed.
fn live_segments(dir: &Path) -> Result<Vec<(Seq, PathBuf)>, JournalError> {
    let mut segments = segment::list(dir)?;
    let mut start = 0;
    for (index, (_, path)) in segments.iter().enumerate() {
        let mut head = [0; segment::HEAD];
        let file = File::open(path).map_err(JournalError::io(path))?;
        let whole = std::os::unix::fs::FileExt::read_exact_at(&file, &mut head, 0).is_ok();
        if whole && segment::read_head(path, &head)? == Some(true) {
            start = index;
        }
    }
    for (_, path) in segments.drain(..start) {
        std::fs::remove_file(&path).map_err(JournalError::io(&path))?;
    }
    Ok(segments)
}

/// Writes a new segment under a temporary name and publishes it durably.
fn start_segment(
    dir: &Path,
    disk: &dyn Disk,
    first: Seq,
    snapshot: bool,
    payloads: &[Vec<u8>],
) -> Result<Tail, JournalError> {
    let path = segment::path(dir, first);
    let temporary = path.with_extension("seg.tmp");
    let at = JournalError::io;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(at(&temporary))?;
    disk.write_all_at(&file, &segment::head(snapshot), 0).map_err(at(&temporary))?;
    let mut end = segment::HEAD as u64;
    let mut next = first;
    for payload in payloads {
        if payload.is_empty() || payload.len() > FRAME_MAX {
            return Err(JournalError::TooLarge(payload.len()));
        }
        let frame = encode_frame(next, payload);
        disk.write_all_at(&file, &frame, end).map_err(at(&temporary))?;
        end += frame.len() as u64;
        next = Seq(next.0 + 1);
    }
    disk.fsync_file(&file, Reason::Journal).map_err(at(&temporary))?;
    disk.rename(&temporary, &path).map_err(at(&path))?;
    disk.fsync_dir(dir, Reason::Journal).map_err(at(dir))?;
    Ok(Tail { file: Arc::new(file), path, end, next, older_bytes: 0 })
}

/// Opens the newest segment for appending, cut to its whole frames.
fn reopen_tail(
    disk: &dyn Disk,
    path: PathBuf,
    end: u64,
    next: Seq,
    older_bytes: u64,
) -> Result<Tail, JournalError> {
    let at = JournalError::io;
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(at(&path))?;
    file.set_len(end).map_err(at(&path))?;
    let mut end = end;
    if end < segment::HEAD as u64 {
        disk.write_all_at(&file, &segment::head(false), 0).map_err(at(&path))?;
        end = segment::HEAD as u64;
    }
    Ok(Tail { file: Arc::new(file), path, end, next, older_bytes })
}
