//! Small objects as they are, their deltas undone and their bytes unpacked, for all workspaces of a
//! remote: a ring in one file.
//!
//! A pack gives up a small file in 50 to 300 us, by the length of its chain of deltas; from here it
//! takes two reads. The file is `magic | budget u64 | head u64`, at 4096 the buckets, then a ring of
//! `budget` bytes with one object after the other, each `content | id`. A bucket has [`WAYS`] slots
//! `tag u32 | length u32 | offset u64`; which bucket and tag, the id tells. Little-endian.
//!
//! No content here is believed: it is compared with its id whenever it is read, so that readers need
//! no lock, and a file that power loss tore apart misses some. The sizes of a directory's files lie
//! here too, with a checksum, by the directory's id with all bits turned, which no object has. Writers
//! exclude each other, and one that would have to wait does without. What is used when the ring has
//! nearly come around to it is written anew, so that what nobody uses goes.

use super::blob::read_full_at;
use crate::git::{ObjectKind, Repo};
use crate::sys::locks::{AtomicU64, Mutex, Ordering};
use crate::sys::{free_bytes, make_private_dir};
use crate::types::Oid;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Larger ones are rarely deltas, and take their time wherever they are.
const LEN_MAX: usize = 128 << 10;
/// What the ring may take of the disk, at most; and one part in so many of what is free at first.
const BUDGET: u64 = 512 << 20;
const SHARE: u64 = 16;
/// Below this it is not worth having.
const BUDGET_LEAST: u64 = 1 << 20;
const MAGIC: &[u8; 8] = b"undone 1";
const HEADER_LEN: u64 = 4096;
const BUCKETS: u64 = 1 << 16;
const WAYS: usize = 4;
const SLOT_LEN: usize = 16;
const BUCKET_LEN: usize = WAYS * SLOT_LEN;
const RING: u64 = HEADER_LEN + BUCKETS * BUCKET_LEN as u64;
/// What will be overwritten within one part in so many of the ring is written anew when it is used.
const ENDANGERED: u64 = 8;

/// Objects that need no undoing.
pub(super) struct Undone {
    file: File,
    budget: u64,
    /// Where the next one goes, as far as this process knows.
    head: AtomicU64,
    writing: Mutex<()>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Slot {
    tag: u32,
    len: u32,
    offset: u64,
}

impl Undone {
    /// Opens the ring at `path`, made when missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let dir = path.parent().unwrap_or(path);
        make_private_dir(dir)?;
        Self::open_with(path, BUDGET.min(free_bytes(dir)? / SHARE))
    }

    /// The same; a new one gets `budget` bytes.
    fn open_with(path: &Path, budget: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = file.open(path)?;
        if file.metadata()?.len() == 0 {
            begin(&file, budget)?;
        }
        let mut header = [0; 24];
        file.read_exact_at(&mut header, 0)?;
        let (budget, head) = (number(&header[8..16]), number(&header[16..]));
        if &header[..8] != MAGIC || !(BUDGET_LEAST..=BUDGET).contains(&budget) || head > budget {
            // The next one that looks for it makes another.
            std::fs::remove_file(path)?;
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self { file, budget, head: AtomicU64::new(head), writing: Mutex::new(()) })
    }

    /// The object `oid`, if it is here and whole.
    pub(super) fn take(&self, repo: &Repo, kind: ObjectKind, oid: Oid) -> Option<Vec<u8>> {
        self.find(oid, |bytes| repo.is_object(kind, oid, bytes))
    }

    /// The sizes of the files of the directory `tree`, in its order.
    pub(super) fn sizes(&self, tree: Oid) -> Option<Vec<u64>> {
        let bytes = self.find(turned(tree), |bytes| {
            bytes.split_last_chunk().is_some_and(|(sizes, crc)| checksum(sizes) == *crc)
        })?;
        let (sizes, _) = bytes.as_chunks();
        Some(sizes.iter().map(|size| u64::from_le_bytes(*size)).collect())
    }

    /// Keeps them, as [`Undone::put`] does.
    pub(super) fn put_sizes(&self, tree: Oid, sizes: &[u64]) {
        let mut bytes: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
        bytes.extend(checksum(&bytes));
        self.put(turned(tree), &bytes);
    }

    fn find(&self, key: Oid, is_whole: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let slots = self.slots(key)?;
        let mut found = slots.iter().filter_map(|slot| Some((slot, self.read(*slot, key)?)));
        let (slot, bytes) = found.find(|(_, bytes)| is_whole(bytes))?;
        if self.until_overwritten(*slot) < self.budget / ENDANGERED {
            self.put(key, &bytes);
        }
        Some(bytes)
    }

    /// Keeps the content of `oid`, if that takes no waiting. That it could not be kept is no error.
    pub(super) fn put(&self, oid: Oid, content: &[u8]) {
        if content.is_empty() || content.len() > LEN_MAX {
            return;
        }
        let Some(_writing) = self.writing.try_lock() else { return };
        let outcome = Locked::try_now(&self.file).and_then(|_locked| self.write(oid, content));
        if let Err(error) = outcome {
            tracing::debug!(%oid, %error, "not kept undone");
        }
    }

    fn write(&self, oid: Oid, content: &[u8]) -> io::Result<()> {
        let mut head = [0; 8];
        self.file.read_exact_at(&mut head, 16)?;
        let record = [content, oid.as_bytes()].concat();
        let room = self.budget - number(&head).min(self.budget);
        let offset = if room < record.len() as u64 { 0 } else { number(&head) };
        self.file.write_all_at(&record, RING + offset)?;
        let slot = Slot { tag: tag(oid), len: u32::try_from(content.len()).unwrap_or(0), offset };
        let slots = self.slots(oid).ok_or(io::ErrorKind::UnexpectedEof)?;
        let oldest = slots.iter().enumerate().min_by_key(|(_, old)| self.worth(**old, slot.tag));
        let way = oldest.map_or(0, |(way, _)| way);
        self.file.write_all_at(&slot.encode(), bucket(oid) + (way * SLOT_LEN) as u64)?;
        let head = offset + record.len() as u64;
        self.file.write_all_at(&head.to_le_bytes(), 16)?;
        self.head.store(head, Ordering::Relaxed);
        Ok(())
    }

    /// How much would be lost with a slot: nothing where it is empty or has the same tag.
    fn worth(&self, slot: Slot, tag: u32) -> u64 {
        if slot.len == 0 || slot.tag == tag { 0 } else { 1 + self.until_overwritten(slot) }
    }

    fn until_overwritten(&self, slot: Slot) -> u64 {
        let head = self.head.load(Ordering::Relaxed);
        if slot.offset >= head { slot.offset - head } else { self.budget - head + slot.offset }
    }

    /// Those that the id may be in. What was never written is empty.
    fn slots(&self, oid: Oid) -> Option<[Slot; WAYS]> {
        let mut bytes = [0; BUCKET_LEN];
        read_full_at(&self.file, &mut bytes, bucket(oid)).ok()?;
        Some(std::array::from_fn(|way| Slot::decode(&bytes[way * SLOT_LEN..][..SLOT_LEN])))
    }

    fn read(&self, slot: Slot, oid: Oid) -> Option<Vec<u8>> {
        if slot.tag != tag(oid) || slot.len == 0 || slot.len as usize > LEN_MAX {
            return None;
        }
        let len = slot.len as usize;
        let mut bytes = vec![0; len + oid.as_bytes().len()];
        self.file.read_exact_at(&mut bytes, RING.checked_add(slot.offset)?).ok()?;
        let whole = &bytes[len..] == oid.as_bytes();
        bytes.truncate(len);
        whole.then_some(bytes)
    }
}

impl Slot {
    fn encode(self) -> [u8; SLOT_LEN] {
        let mut bytes = [0; SLOT_LEN];
        bytes[..4].copy_from_slice(&self.tag.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..].copy_from_slice(&self.offset.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        let [head, offset] = [number(&bytes[..8]), number(&bytes[8..])];
        Self { tag: head as u32, len: (head >> 32) as u32, offset }
    }
}

fn begin(file: &File, budget: u64) -> io::Result<()> {
    if budget < BUDGET_LEAST {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let _locked = Locked::try_now(file)?;
    file.write_all_at(&[&MAGIC[..], &budget.to_le_bytes(), &[0; 8]].concat(), 0)
}

/// The right to write, among all processes of the host.
struct Locked<'a>(&'a File);

impl<'a> Locked<'a> {
    fn try_now(file: &'a File) -> io::Result<Self> {
        flock(file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(file))
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

/// The key of what is told of `oid` beside its content.
fn turned(oid: Oid) -> Oid {
    let bytes: Vec<u8> = oid.as_bytes().iter().map(|byte| !byte).collect();
    Oid::from_bytes_or_panic(&bytes)
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).to_le_bytes()
}

/// Where the bucket of `oid` is in the file.
fn bucket(oid: Oid) -> u64 {
    let head = number(&oid.as_bytes()[..8]);
    HEADER_LEN + head % BUCKETS * BUCKET_LEN as u64
}

fn tag(oid: Oid) -> u32 {
    (number(&oid.as_bytes()[..8]) >> 32) as u32
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Hasher;
    use crate::types::HashKind;

    fn content(number: u32, len: usize) -> Vec<u8> {
        number.to_le_bytes().iter().copied().cycle().take(len).collect()
    }

    fn id(content: &[u8]) -> Oid {
        let mut hasher = Hasher::new(HashKind::Sha1);
        hasher.update(content);
        hasher.finish().expect("no collision")
    }

    fn put(undone: &Undone, content: &[u8]) {
        undone.put(id(content), content);
    }

    fn find(undone: &Undone, content: &[u8]) -> bool {
        let found = undone.find(id(content), |bytes| id(bytes) == id(content));
        found.inspect(|found| assert_eq!(found, content)).is_some()
    }

    fn made(budget: u64) -> (tempfile::TempDir, std::path::PathBuf, Undone) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("toft/undone");
        make_private_dir(path.parent().expect("a parent")).expect("room");
        let undone = Undone::open_with(&path, budget).expect("room");
        (dir, path, undone)
    }

    #[test]
    fn what_one_put_there_another_finds() {
        let (_dir, path, undone) = made(BUDGET_LEAST);
        let contents: Vec<_> =
            (0..300).map(|number| content(number, number as usize * 7)).collect();
        contents.iter().for_each(|content| put(&undone, content));
        undone.put_sizes(id(b"a directory"), &[3, u64::MAX, 0]);
        let other = Undone::open(&path).expect("it is there");
        for undone in [&undone, &other] {
            assert!(!find(undone, &contents[0]), "nothing is kept of nothing");
            assert!(contents[1..].iter().all(|content| find(undone, content)));
            assert!(!find(undone, b"never put"));
            assert_eq!(undone.sizes(id(b"a directory")), Some(vec![3, u64::MAX, 0]));
            assert_eq!(undone.sizes(id(b"another")), None);
        }
        put(&other, b"by the other");
        put(&undone, b"by the first");
        for undone in [&undone, &other] {
            assert!(find(undone, b"by the other") && find(undone, b"by the first"));
        }
        put(&undone, &content(1, LEN_MAX + 1));
        assert!(!find(&undone, &content(1, LEN_MAX + 1)), "too large");
    }

    #[test]
    fn the_ring_keeps_its_length_and_what_is_used() {
        let (_dir, path, undone) = made(BUDGET_LEAST);
        let used = content(0, 1000);
        put(&undone, &used);
        for number in 1..5000 {
            put(&undone, &content(number, 1000));
            assert!(find(&undone, &used), "after {number}");
            assert!(find(&undone, &content(number, 1000)));
        }
        assert!(!find(&undone, &content(1, 1000)), "nobody used it");
        let len = std::fs::metadata(&path).expect("it").len();
        assert!(len <= RING + BUDGET_LEAST, "{len}");
    }

    #[test]
    fn a_torn_file_misses_some_and_lies_about_none() {
        let (_dir, path, undone) = made(BUDGET_LEAST);
        let contents: Vec<_> = (1..200).map(|number| content(number, 500)).collect();
        contents.iter().for_each(|content| put(&undone, content));
        undone.put_sizes(id(b"a directory"), &[3]);
        let file = OpenOptions::new().write(true).open(&path).expect("it is there");
        for at in (HEADER_LEN..RING).step_by(SLOT_LEN) {
            // Another offset, of the same tag.
            file.write_all_at(&[1], at + 8).expect("room");
        }
        let found = contents.iter().filter(|content| find(&undone, content)).count();
        assert!(found < contents.len(), "{found}");
        for byte in 0..(200 * 520) {
            file.write_all_at(&[byte as u8], RING + byte).expect("room");
        }
        assert!(!contents.iter().any(|content| find(&undone, content)));
        assert_eq!(undone.sizes(id(b"a directory")), None);
        file.write_all_at(&[0xff; BUCKET_LEN], bucket(id(&contents[0]))).expect("room");
        file.write_all_at(&[0xff; 8], 16).expect("room");
        assert!(!find(&undone, &contents[0]));
        put(&undone, &contents[0]);
        assert!(find(&undone, &contents[0]), "it is good for new ones");
        file.set_len(RING + 10).expect("cut");
        assert!(!find(&undone, &contents[0]));
    }

    #[test]
    fn who_would_have_to_wait_does_without() {
        let (_dir, path, undone) = made(BUDGET_LEAST);
        let other = File::open(&path).expect("it is there");
        let locked = Locked::try_now(&other).expect("nobody has it");
        put(&undone, b"while another writes");
        assert!(!find(&undone, b"while another writes"));
        assert!(!find(&Undone::open(&path).expect("no need to wait"), b"while another writes"));
        drop(locked);
        put(&undone, b"while nobody writes");
        assert!(find(&undone, b"while nobody writes"));
    }

    #[test]
    fn a_file_of_another_kind_is_made_anew() {
        let (_dir, path, _) = made(BUDGET_LEAST);
        std::fs::write(&path, [b'x'; 100]).expect("room");
        assert!(Undone::open(&path).is_err());
        put(&Undone::open(&path).expect("made anew"), b"a content");
        assert!(find(&Undone::open(&path).expect("kept"), b"a content"));
    }

    #[test]
    fn a_disk_without_room_gets_none() {
        let (_dir, path, _) = made(BUDGET_LEAST);
        std::fs::remove_file(&path).expect("it is there");
        assert!(Undone::open_with(&path, BUDGET_LEAST - 1).is_err());
    }
}
