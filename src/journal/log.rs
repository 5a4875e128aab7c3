use super::error::JournalError;
use super::frame::{FRAME_MAX, encode_frame};
use super::segment;
use crate::sys::locks::{AtomicU64, Mutex, Ordering};
use crate::sys::{Disk, Reason, create_anew, is_disk_full, is_out_of_files, is_shared, share_file};
use crate::types::Seq;
use rustix::fs::FallocateFlags;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a record may take when the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Nothing: half of so many bytes at least stay set aside behind it for the others.
    Ordinary(u64),
    /// What was set aside: without this record no room would ever come back.
    Reserve,
}

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
    /// Up to here the disk has room set aside.
    reserved: u64,
    next: Seq,
    /// Whether the segment's name still has to be made durable.
    new_name: bool,
    /// Segments before this one since the newest snapshot.
    older: Vec<Older>,
}

struct Older {
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
    /// Its last record; a sync from before has to cover the file.
    last: Seq,
}

/// What a replay found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Whole records.
    pub records: u64,
    /// Bytes cut off at the end.
    pub torn_bytes: u64,
    /// Segments behind the first damage or gap; kill -9 leaves none.
    pub set_aside: usize,
}

impl Journal {
    /// Starts an empty log in the folder `dir`, which is made.
    pub fn create(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, JournalError> {
        disk.create_dir(dir).map_err(JournalError::io(dir))?;
        let mut tail = start_segment(dir, &*disk, Seq(1))?;
        disk.fsync_dir(dir, Reason::Journal).map_err(JournalError::io(dir))?;
        tail.new_name = false;
        Ok(Self::with(dir, disk, tail))
    }

    /// Opens the log and hands each record to `apply`, oldest first; the torn tail is cut off.
    ///
    /// Records of a snapshot come first, all with the number that the snapshot stands for. What is
    /// cut off is kept beside the log as `.cut`: after power loss the first damage is the end of
    /// what was synced, but should it be something else, nothing is destroyed.
    pub fn open(
        dir: &Path,
        disk: Arc<dyn Disk>,
        mut apply: impl FnMut(Seq, &[u8]) -> Result<(), &'static str>,
    ) -> Result<(Self, Replayed), JournalError> {
        let mut replayed = Replayed::default();
        let listing = segment::list(dir)?;
        let start = read_snapshot(&listing, &mut replayed, &mut apply)?;
        remove_superfluous(&*disk, &listing, start)?;
        let mut next = Seq(start.0 + 1);
        let mut older: Vec<Older> = Vec::new();
        let mut segments =
            listing.segments.into_iter().filter(|(first, _)| *first > start).peekable();
        let mut tail = None;
        // After a rotation power loss can take the end of the old segment and leave the new one.
        while let Some((first, path)) = segments.next_if(|(first, _)| *first <= next) {
            if first < next {
                put_away(&*disk, &path, &mut replayed)?;
                continue;
            }
            let bytes = std::fs::read(&path).map_err(JournalError::io(&path))?;
            let contents = segment::read(&path, &bytes, |seq, payload| {
                if seq != next {
                    return Err("sequence number out of order");
                }
                replayed.records += 1;
                next = Seq(seq.0 + 1);
                apply(seq, payload)
            })?;
            let end = contents.valid_bytes;
            let file = Arc::new(File::open(&path).map_err(JournalError::io(&path))?);
            // One that another log has, too, is whole; nobody appends to it.
            let shared = is_shared(&file).map_err(JournalError::io(&path))?;
            if contents.torn_bytes == 0 && (shared || segments.peek().is_some()) {
                older.push(Older { path, file, bytes: end, last: Seq(next.0 - 1) });
                continue;
            }
            replayed.torn_bytes = contents.torn_bytes;
            keep_cut_bytes(&path, &bytes[usize::try_from(end).unwrap_or(0)..])?;
            tail = Some((path, end));
            break;
        }
        for (first, path) in segments {
            let away = if first < next { put_away } else { set_aside };
            away(&*disk, &path, &mut replayed)?;
        }
        let mut tail = match tail {
            Some((path, end)) => reopen_tail(&*disk, path, end, next)?,
            None => start_segment(dir, &*disk, next)?,
        };
        tail.older = older;
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
    pub fn append(&self, payload: &[u8], room: Room) -> Result<Seq, JournalError> {
        if payload.is_empty() || payload.len() > FRAME_MAX {
            return Err(JournalError::TooLarge(payload.len()));
        }
        self.check_latch()?;
        let mut tail = self.tail.lock();
        let seq = tail.next;
        let frame = encode_frame(seq, payload);
        if let Room::Ordinary(behind) = room
            && let Err(source) = self.reserve(&mut tail, frame.len() as u64, behind)
        {
            return Err(JournalError::Io { path: tail.path.clone(), source });
        }
        if let Err(source) = self.disk.write_all_at(&tail.file, &frame, tail.end) {
            if let Err(error) = self.disk.set_len(&tail.file, tail.end) {
                self.latch(format!("a torn record could not be cut off: {error}"));
            }
            return Err(JournalError::Io { path: tail.path.clone(), source });
        }
        tail.end += frame.len() as u64;
        tail.next = Seq(seq.0 + 1);
        Ok(seq)
    }

    /// Sets room aside for a record of `len` bytes and what is to stay `behind` it; an error when
    /// there is none. A file system that sets nothing aside takes the writes as they come.
    fn reserve(&self, tail: &mut Tail, len: u64, behind: u64) -> std::io::Result<()> {
        if tail.end + len + behind / 2 <= tail.reserved {
            return Ok(());
        }
        let (wanted, keep_size) = (len + behind, FallocateFlags::KEEP_SIZE.bits().cast_signed());
        match self.disk.fallocate(&tail.file, keep_size, tail.end, wanted) {
            Ok(()) => tail.reserved = tail.end + wanted,
            Err(error) if is_disk_full(&error) => return Err(error),
            Err(_) => {}
        }
        Ok(())
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
        let synced = self.synced();
        let (files, upto, new_name) = {
            let mut tail = self.tail.lock();
            let older = tail.older.iter().filter(|older| older.last > synced);
            let mut files: Vec<_> =
                older.map(|older| (older.file.clone(), older.path.clone())).collect();
            files.push((tail.file.clone(), tail.path.clone()));
            (files, Seq(tail.next.0 - 1), std::mem::take(&mut tail.new_name))
        };
        for (file, path) in files {
            self.fsync_file(&file, &path)?;
        }
        if new_name {
            self.fsync_dir().inspect_err(|_| self.tail.lock().new_name = true)?;
        }
        self.synced.fetch_max(upto.0, Ordering::AcqRel);
        Ok(upto)
    }

    fn fsync_file(&self, file: &File, path: &Path) -> Result<(), JournalError> {
        self.disk.fsync_file(file, Reason::Journal).map_err(|source| {
            if !is_out_of_files(&source) {
                self.latch(format!("fsync of the journal failed: {source}"));
            }
            JournalError::Io { path: path.to_owned(), source }
        })
    }

    fn fsync_dir(&self) -> Result<(), JournalError> {
        self.disk.fsync_dir(&self.dir, Reason::Journal).map_err(|source| {
            if !is_out_of_files(&source) {
                self.latch(format!("fsync of the journal's folder failed: {source}"));
            }
            JournalError::Io { path: self.dir.clone(), source }
        })
    }

    /// Begins a new segment and returns the last record of the one before: what a snapshot for
    /// [`Journal::trim`] has to stand for. The caller keeps appends out meanwhile. So many bytes are
    /// set aside in the new one instead of what the old one has.
    pub fn rotate(&self, reserve: u64) -> Result<Seq, JournalError> {
        self.check_latch()?;
        let mut tail = self.tail.lock();
        let last = Seq(tail.next.0 - 1);
        if tail.end > segment::HEAD as u64 {
            let new = self.next_segment(&mut tail, reserve)?;
            // No fsync here: the next sync makes the new name durable before it vouches for records.
            let Tail { file, path, end, older, .. } = std::mem::replace(&mut *tail, new);
            tail.older = older;
            tail.older.push(Older { path, file, bytes: end, last });
        }
        Ok(last)
    }

    /// On a full disk there is no room but what is set aside behind the old segment: it goes back
    /// before anything is made.
    fn next_segment(&self, tail: &mut Tail, reserve: u64) -> Result<Tail, JournalError> {
        let set_aside = tail.reserved.saturating_sub(tail.end);
        self.disk.set_len(&tail.file, tail.end).map_err(JournalError::io(&tail.path))?;
        tail.reserved = tail.end;
        let made = self.start_reserved(tail.next, reserve);
        if made.is_err() {
            // It was there a moment ago; where somebody else has it now, deleting needs room, too.
            let _ = self.reserve(tail, 0, set_aside);
        }
        made
    }

    /// An empty segment with so many bytes set aside, or none.
    fn start_reserved(&self, first: Seq, reserve: u64) -> Result<Tail, JournalError> {
        let mut new = start_segment(&self.dir, &*self.disk, first)?;
        if let Err(source) = self.reserve(&mut new, 0, reserve) {
            let _ = self.disk.remove_file(&new.path);
            return Err(JournalError::Io { path: new.path, source });
        }
        Ok(new)
    }

    /// Gives the folder `into` all records up to `last`, the end of a segment: what stands there is
    /// never written to again. To be opened as a log of its own, whose records go on from there.
    ///
    /// The caller keeps [`Journal::trim`] out meanwhile. Nothing is durable.
    pub fn share(&self, into: &Path, last: Seq) -> Result<(), JournalError> {
        self.disk.create_dir(into).map_err(JournalError::io(into))?;
        let listing = segment::list(&self.dir)?;
        let start = listing.snapshots.last().map_or(Seq(0), |(stands_for, _)| *stands_for);
        let snapshot = listing.snapshots.into_iter().next_back();
        let segments = listing.segments.into_iter();
        let segments = segments.filter(|(first, _)| *first > start && *first <= last);
        for (_, path) in snapshot.into_iter().chain(segments) {
            let to = into.join(path.file_name().expect("a listed file has a name"));
            share_file(&*self.disk, &path, &to).map_err(JournalError::io(&to))?;
        }
        Ok(())
    }

    /// Replaces all records up to `last` by `snapshot`: the state that they lead to.
    ///
    /// The snapshot is durable before what it stands for is removed; a crash between leaves both,
    /// and the snapshot wins. Appends go on meanwhile.
    pub fn trim(&self, last: Seq, snapshot: &[Vec<u8>]) -> Result<(), JournalError> {
        self.check_latch()?;
        let path = segment::snapshot_path(&self.dir, last);
        let at = JournalError::io;
        let temporary = path.with_extension("snap.tmp");
        let file = write_file(&*self.disk, &temporary, snapshot)?;
        self.fsync_file(&file, &temporary)?;
        self.disk.rename(&temporary, &path).map_err(at(&path))?;
        self.fsync_dir()?;
        remove_superfluous(&*self.disk, &segment::list(&self.dir)?, last)?;
        self.tail.lock().older.retain(|older| older.last > last);
        self.synced.fetch_max(last.0, Ordering::AcqRel);
        Ok(())
    }

    /// Begins anew from `snapshot`, which need not be what the records lead to: the segments that it
    /// replaces are kept beside the log as `.cut`.
    pub fn restart(&self, snapshot: &[Vec<u8>]) -> Result<(), JournalError> {
        let last = self.rotate(0)?;
        for older in &self.tail.lock().older {
            let kept = older.path.with_extension("cut");
            std::fs::copy(&older.path, &kept).map_err(JournalError::io(&kept))?;
        }
        self.trim(last, snapshot)
    }

    /// The number of the newest record; 0 before the first.
    pub fn last(&self) -> Seq {
        Seq(self.tail.lock().next.0 - 1)
    }

    /// The newest record known to be durable.
    pub fn synced(&self) -> Seq {
        Seq(self.synced.load(Ordering::Acquire))
    }

    /// Bytes in the segments since the newest snapshot.
    pub fn bytes(&self) -> u64 {
        let tail = self.tail.lock();
        tail.older.iter().map(|older| older.bytes).sum::<u64>() + tail.end
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

/// A segment that began in the middle of another: without records it is of a rotation that did not
/// come about, and whose end was not durable.
fn put_away(disk: &dyn Disk, path: &Path, replayed: &mut Replayed) -> Result<(), JournalError> {
    let bytes = std::fs::read(path).map_err(JournalError::io(path))?;
    match segment::read(path, &bytes, |_, _| Ok(()))?.last {
        None => disk.remove_file(path).map_err(JournalError::io(path)),
        Some(_) => set_aside(disk, path, replayed),
    }
}

/// A segment behind damage or a gap.
fn set_aside(disk: &dyn Disk, path: &Path, replayed: &mut Replayed) -> Result<(), JournalError> {
    tracing::warn!(path = %path.display(), "records are missing before this segment");
    replayed.torn_bytes += std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    replayed.set_aside += 1;
    disk.rename(path, &path.with_extension("cut")).map_err(JournalError::io(path))
}

/// Applies the newest snapshot; returns the record that it stands for, 0 where there is none.
fn read_snapshot(
    listing: &segment::Listing,
    replayed: &mut Replayed,
    apply: &mut impl FnMut(Seq, &[u8]) -> Result<(), &'static str>,
) -> Result<Seq, JournalError> {
    let Some((last, path)) = listing.snapshots.last() else { return Ok(Seq(0)) };
    let bytes = std::fs::read(path).map_err(JournalError::io(path))?;
    let contents = segment::read(path, &bytes, |_, payload| {
        replayed.records += 1;
        apply(*last, payload)
    })?;
    if contents.torn_bytes > 0 {
        let (offset, why) = (contents.valid_bytes, "the snapshot is damaged");
        return Err(JournalError::Corrupt { path: path.clone(), offset, why });
    }
    Ok(*last)
}

/// Removes what the snapshot of the records up to `last` stands for.
fn remove_superfluous(
    disk: &dyn Disk,
    listing: &segment::Listing,
    last: Seq,
) -> Result<(), JournalError> {
    let segments = listing.segments.iter().filter(|(first, _)| *first <= last);
    let snapshots = listing.snapshots.iter().filter(|(stands_for, _)| *stands_for < last);
    for (_, path) in segments.chain(snapshots) {
        disk.remove_file(path).map_err(JournalError::io(path))?;
    }
    Ok(())
}

/// Writes head and frames, numbered from 1, to a new file; none is left where that fails.
fn write_file(disk: &dyn Disk, path: &Path, payloads: &[Vec<u8>]) -> Result<File, JournalError> {
    let file = create_anew(disk, path).map_err(JournalError::io(path))?;
    if let Err(error) = write_frames(disk, &file, path, payloads) {
        let _ = disk.remove_file(path);
        return Err(error);
    }
    Ok(file)
}

fn write_frames(
    disk: &dyn Disk,
    file: &File,
    path: &Path,
    payloads: &[Vec<u8>],
) -> Result<(), JournalError> {
    let at = JournalError::io;
    disk.write_all_at(file, &segment::head(), 0).map_err(at(path))?;
    let mut end = segment::HEAD as u64;
    for (payload, number) in payloads.iter().zip(1..) {
        if payload.is_empty() || payload.len() > FRAME_MAX {
            return Err(JournalError::TooLarge(payload.len()));
        }
        let frame = encode_frame(Seq(number), payload);
        disk.write_all_at(file, &frame, end).map_err(at(path))?;
        end += frame.len() as u64;
    }
    Ok(())
}

/// Makes an empty segment whose name is not durable yet.
fn start_segment(dir: &Path, disk: &dyn Disk, first: Seq) -> Result<Tail, JournalError> {
    let path = segment::path(dir, first);
    let temporary = path.with_extension("seg.tmp");
    let file = Arc::new(write_file(disk, &temporary, &[])?);
    disk.rename(&temporary, &path).map_err(JournalError::io(&path))?;
    let end = segment::HEAD as u64;
    Ok(Tail { file, path, end, reserved: end, next: first, new_name: true, older: Vec::new() })
}

/// Keeps what a torn segment loses, for whoever wants to look.
fn keep_cut_bytes(segment: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    let path = segment.with_extension("cut");
    std::fs::write(&path, bytes).map_err(JournalError::io(&path))
}

/// Opens the newest segment for appending, cut to its whole frames.
fn reopen_tail(disk: &dyn Disk, path: PathBuf, end: u64, next: Seq) -> Result<Tail, JournalError> {
    let at = JournalError::io;
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(at(&path))?;
    // Not when there is nothing to cut: it would give back the room set aside behind the end.
    if file.metadata().map_err(at(&path))?.len() != end {
        disk.set_len(&file, end).map_err(at(&path))?;
    }
    let mut end = end;
    if end < segment::HEAD as u64 {
        disk.write_all_at(&file, &segment::head(), 0).map_err(at(&path))?;
        end = segment::HEAD as u64;
    }
    let (file, older) = (Arc::new(file), Vec::new());
    Ok(Tail { file, path, end, reserved: end, next, new_name: false, older })
}
