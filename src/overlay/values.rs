//! The value log: the bytes of small files, one behind the other in segments that only grow.
//!
//! `values/<number, hex>`, no framing: the journal says where each value lies. Bytes once written
//! stay as they are, so whoever holds a [`Value`] (the index, a freeze, an open file) reads the same
//! bytes for ever, and a file that changes gets another value. What no node names is dead; the
//! overlay moves the last values out of a segment and drops it.

use crate::sys::locks::{Mutex, RwLock};
use crate::sys::{Disk, Reason, is_shared, share_file};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest value, in bytes; larger files have a body.
pub const VALUE_MAX: u64 = 128 << 10;
/// With so many bytes a segment is full.
const SEGMENT_BYTES: u64 = 16 << 20;

/// Where the bytes of a small file lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    /// Number of the segment; 0 for the empty value, which lies nowhere.
    pub segment: u32,
    /// First byte.
    pub offset: u32,
    /// Bytes.
    pub len: u32,
}

impl Value {
    /// No bytes.
    pub const EMPTY: Self = Self { segment: 0, offset: 0, len: 0 };

    /// The first `len` of its bytes.
    pub fn cut(self, len: u32) -> Self {
        if len == 0 { Self::EMPTY } else { Self { len: len.min(self.len), ..self } }
    }

    fn end(self) -> u64 {
        u64::from(self.offset) + u64::from(self.len)
    }
}

/// A value that can be read, even after its segment was dropped.
#[derive(Clone)]
pub struct OpenValue {
    /// Which one.
    pub value: Value,
    segment: Option<Arc<File>>,
}

impl OpenValue {
    /// Fills `buf` from `offset` as far as the value goes; returns how much that was.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = u64::from(self.value.len).saturating_sub(offset);
        let count = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match &self.segment {
            Some(segment) if count > 0 => {
                segment.read_exact_at(&mut buf[..count], u64::from(self.value.offset) + offset)?;
            }
            _ => {}
        }
        Ok(count)
    }

    /// All its bytes.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.value.len as usize];
        self.read_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// The value log of one workspace.
///
/// Whoever appends holds [`super::Bodies::writing`] until the journal names the value: what no node
/// names then is dead for good.
pub struct Values {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    segments: RwLock<BTreeMap<u32, Arc<File>>>,
    tail: Mutex<Tail>,
    unsynced: Mutex<Unsynced>,
}

struct Tail {
    number: u32,
    file: Arc<File>,
    end: u64,
}

#[derive(Default)]
struct Unsynced {
    segments: BTreeMap<u32, Arc<File>>,
    bytes: u64,
    new_name: bool,
}

impl Values {
    /// Opens the log below `dir` (made when missing).
    pub(super) fn open_log(dir: PathBuf, disk: Arc<dyn Disk>) -> io::Result<Self> {
        disk.create_dir(&dir)?;
        let mut segments = BTreeMap::new();
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(number) = name.and_then(|name| u32::from_str_radix(name, 16).ok()) else {
                continue;
            };
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            segments.insert(number, Arc::new(file));
        }
        let mut new_name = false;
        if segments.is_empty() {
            // At once, so that no fsync of a file has to wait for the segment's name, too.
            segments.insert(1, Arc::new(disk.create_file(&dir.join("1"))?));
            new_name = true;
        }
        let (number, file) = segments.last_key_value().expect("there is one at least");
        let mut tail = Tail { number: *number, file: file.clone(), end: file.metadata()?.len() };
        if is_shared(file)? {
            // Another log may append to it.
            let (number, file) =
                (tail.number + 1, Arc::new(disk.create_file(&path(&dir, tail.number + 1))?));
            segments.insert(number, file.clone());
            (tail, new_name) = (Tail { number, file, end: 0 }, true);
        }
        Ok(Self {
            dir,
            disk,
            segments: RwLock::new(segments),
            tail: Mutex::new(tail),
            unsynced: Mutex::new(Unsynced { new_name, ..Unsynced::default() }),
        })
    }

    /// Writes a new value; `bytes` are at most [`VALUE_MAX`].
    pub fn append(&self, bytes: &[u8]) -> io::Result<Value> {
        if bytes.is_empty() {
            return Ok(Value::EMPTY);
        }
        self.rotate_above(SEGMENT_BYTES)?;
        let mut tail = self.tail.lock();
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let value = Value {
            segment: tail.number,
            offset: u32::try_from(tail.end).map_err(too_large)?,
            len: u32::try_from(bytes.len()).map_err(too_large)?,
        };
        self.write(&mut tail, bytes)?;
        Ok(value)
    }

    /// The value with `bytes` behind it, written in place; None when others lie behind it.
    pub fn extend(&self, value: Value, bytes: &[u8]) -> io::Result<Option<Value>> {
        let mut tail = self.tail.lock();
        let len = u32::try_from(bytes.len()).ok().and_then(|more| value.len.checked_add(more));
        match len {
            Some(len) if (tail.number, tail.end) == (value.segment, value.end()) => {
                self.write(&mut tail, bytes)?;
                Ok(Some(Value { len, ..value }))
            }
            _ => Ok(None),
        }
    }

    /// A value to be read. Ask while the index that names it is locked or frozen.
    pub fn open(&self, value: Value) -> io::Result<OpenValue> {
        if value.len == 0 {
            return Ok(OpenValue { value, segment: None });
        }
        let segment = self.segments.read().get(&value.segment).cloned();
        Ok(OpenValue { value, segment: Some(segment.ok_or(io::ErrorKind::NotFound)?) })
    }

    /// Begins a new segment when the last one has more than `bytes`.
    pub(super) fn rotate_above(&self, bytes: u64) -> io::Result<()> {
        let mut tail = self.tail.lock();
        if tail.end > bytes {
            *tail = self.start_segment(tail.number + 1)?;
        }
        Ok(())
    }

    /// Room that a failed write may have left half-filled is written over by the next one.
    fn write(&self, tail: &mut Tail, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_all_at(&tail.file, bytes, tail.end)?;
        tail.end += bytes.len() as u64;
        // Marked afterwards: a sync takes the mark before its fsync.
        let mut unsynced = self.unsynced.lock();
        unsynced.bytes += bytes.len() as u64;
        unsynced.segments.entry(tail.number).or_insert_with(|| tail.file.clone());
        Ok(())
    }

    fn start_segment(&self, number: u32) -> io::Result<Tail> {
        let file = Arc::new(self.disk.create_file(&self.path(number))?);
        self.segments.write().insert(number, file.clone());
        self.unsynced.lock().new_name = true;
        Ok(Tail { number, file, end: 0 })
    }

    /// Makes durable what was appended so far. A failure is final for the caller.
    pub(super) fn sync(&self) -> io::Result<()> {
        let Unsynced { segments, new_name, .. } = std::mem::take(&mut *self.unsynced.lock());
        for file in segments.values() {
            self.disk.fsync_file(file, Reason::Content)?;
        }
        if !new_name {
            return Ok(());
        }
        self.disk.fsync_dir(&self.dir, Reason::Content).inspect_err(|_| {
            // Without a descriptor nothing was tried, and it is tried again.
            self.unsynced.lock().new_name = true;
        })
    }

    /// Bytes appended since the last sync.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        self.unsynced.lock().bytes
    }

    /// Whether nothing was appended since the last sync.
    pub(super) fn is_synced(&self) -> bool {
        let unsynced = self.unsynced.lock();
        unsynced.segments.is_empty() && !unsynced.new_name
    }

    /// The segment that is appended to, and its size.
    pub(super) fn tail(&self) -> (u32, u64) {
        let tail = self.tail.lock();
        (tail.number, tail.end)
    }

    /// Full segments, to which nothing is appended any more, with their sizes; none for those whose
    /// room does not come back by leaving them: another workspace has them, too.
    pub(super) fn full_segments(&self) -> io::Result<Vec<(u32, u64)>> {
        let tail = self.tail.lock().number;
        let segments = self.segments.read();
        let full = segments.iter().filter(|(number, _)| **number != tail);
        full.map(|(number, file)| {
            let size = if is_shared(file)? { 0 } else { file.metadata()?.len() };
            Ok((*number, size))
        })
        .collect()
    }

    /// Deletes a segment; who has a value of it open keeps it.
    pub(super) fn remove(&self, segment: u32) {
        // Two syncs may both have found it dead.
        if self.segments.write().remove(&segment).is_none() {
            return;
        }
        if let Err(error) = self.disk.remove_file(&self.path(segment)) {
            // The next open collects what no node names.
            tracing::warn!(segment, %error, "a dead segment of values could not be removed");
        }
    }

    /// For start-up: removes segments without a value of `live`; returns how many of `live` are not
    /// there whole. Nothing is ever written over their place.
    pub(super) fn reconcile(&self, live: impl Iterator<Item = Value>) -> io::Result<usize> {
        let (mut ends, mut lost) = (BTreeMap::<u32, u64>::new(), 0);
        let mut tail = self.tail.lock();
        let sizes: BTreeMap<u32, u64> = {
            let segments = self.segments.read();
            let size = |(number, file): (&u32, &Arc<File>)| Ok((*number, file.metadata()?.len()));
            segments.iter().map(size).collect::<io::Result<_>>()?
        };
        for value in live.filter(|value| value.len > 0) {
            if sizes.get(&value.segment).is_none_or(|size| *size < value.end()) {
                tracing::error!(?value, "the bytes of a small file are missing");
                lost += 1;
            }
            let end = ends.entry(value.segment).or_default();
            *end = (*end).max(value.end());
        }
        for number in sizes.keys().filter(|number| !ends.contains_key(number)) {
            if *number != tail.number {
                self.remove(*number);
            }
        }
        let newest = ends.last_key_value().map_or(0, |(number, _)| *number);
        if newest > tail.number || ends.get(&tail.number).is_some_and(|end| *end > tail.end) {
            *tail = self.start_segment(newest.max(tail.number) + 1)?;
        }
        Ok(lost)
    }

    /// Gives the folder `into` the segments `live`. What is appended to them later is nothing to
    /// whoever opens that: nothing there names it, and it appends to a segment of its own.
    pub(super) fn share(&self, into: &Path, live: impl Iterator<Item = u32>) -> io::Result<()> {
        self.disk.create_dir(into)?;
        for number in live {
            share_file(&*self.disk, &self.path(number), &path(into, number))?;
        }
        Ok(())
    }

    fn path(&self, segment: u32) -> PathBuf {
        path(&self.dir, segment)
    }
}

fn path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:x}"))
}
