//! A disk that writes down what is done to it, and what a host that lost power would find on it.
//!
//! What was not synced may be there or not: names in any selection, writes in any selection and
//! torn between sectors of 512 bytes. An fsync of a file covers its bytes, one of a directory its
//! names, neither the other; a syncfs covers everything. Directories and files are known by their
//! inode numbers, as a directory may be renamed with what is in it.
//!
//! A disk that watches sees what goes past the seam, too (git, locks): as something that nobody
//! synced, but for git's packs, whose bytes git syncs itself.

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use toft::sys::{Disk, FsyncCounts, OsDisk, Reason};
use toft::types::BootId;

const SECTOR: u64 = 512;

/// A name in a directory.
type Place = (u64, OsString);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    ino: u64,
    is_dir: bool,
}

#[derive(Clone, Debug)]
enum Event {
    Name(Naming),
    Write { ino: u64, offset: u64, bytes: Vec<u8> },
    SetLen { ino: u64, len: u64 },
    SyncFile(u64),
    SyncDir(u64),
    SyncFs,
}

/// A change of one directory.
#[derive(Clone, Debug)]
enum Naming {
    Put(Place, Entry),
    Rename(Place, Place, Entry),
    Remove(Place),
}

impl Naming {
    fn parent(&self) -> u64 {
        match self {
            Self::Put(place, _) | Self::Remove(place) | Self::Rename(_, place, _) => place.0,
        }
    }

    fn apply(&self, names: &mut BTreeMap<Place, Entry>) {
        match self {
            Self::Put(place, entry) => drop(names.insert(place.clone(), *entry)),
            Self::Rename(from, to, entry) => {
                names.remove(from);
                names.insert(to.clone(), *entry);
            }
            Self::Remove(place) => drop(names.remove(place)),
        }
    }
}

/// What survives of what was not synced.
#[derive(Clone, Copy, Debug)]
pub struct Luck {
    /// The chance of a name, in percent.
    pub names: u32,
    /// The chance of a sector of a write, in percent.
    pub bytes: u32,
}

/// What is on a disk.
#[derive(Clone, Default)]
struct Tree {
    names: BTreeMap<Place, Entry>,
    content: HashMap<u64, Arc<Vec<u8>>>,
}

/// What a disk that watches knows of the files as they are now.
#[derive(Default)]
struct Watch {
    names: BTreeMap<Place, Entry>,
    stamps: HashMap<u64, (u64, i64, i64)>,
}

/// Something outside that a disk keeps an eye on.
type Probe = Box<dyn Fn() -> String + Send>;

/// What is on the disk at the start, and all that happened since.
pub struct PowerDisk {
    root: PathBuf,
    root_ino: u64,
    boot: u8,
    start: Tree,
    events: Mutex<Vec<Event>>,
    /// Kept open, so that no inode number is used twice.
    kept: Mutex<Vec<File>>,
    watch: Option<Mutex<Watch>>,
    probe: Mutex<Option<Probe>>,
    probed: Mutex<Vec<(usize, String)>>,
    /// Syncs that are said to be done and are not.
    skips: Option<Reason>,
    stopped: AtomicBool,
}

impl PowerDisk {
    /// Sees what goes through it in the directory `root`; what that holds is durable.
    pub fn new(root: &Path, boot: u8) -> PowerDisk {
        let (mut start, mut kept) = (Tree::default(), Vec::new());
        let mut todo = vec![root.to_owned()];
        while let Some(dir) = todo.pop() {
            let parent = ino_of(&dir).unwrap();
            for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let file = File::open(&path).unwrap();
                let found = entry_of(&path).unwrap();
                start.names.insert((parent, entry.file_name()), found);
                match found.is_dir {
                    true => todo.push(path),
                    false => {
                        start.content.insert(found.ino, Arc::new(fs::read(&path).unwrap()));
                    }
                }
                kept.push(file);
            }
        }
        PowerDisk {
            root: root.to_owned(),
            root_ino: ino_of(root).unwrap(),
            boot,
            start,
            events: Mutex::default(),
            kept: Mutex::new(kept),
            watch: None,
            probe: Mutex::default(),
            probed: Mutex::default(),
            skips: None,
            stopped: AtomicBool::new(false),
        }
    }

    /// Sees everything that happens in `root`.
    pub fn watching(root: &Path, boot: u8) -> PowerDisk {
        let mut disk = PowerDisk::new(root, boot);
        let stamps = disk.kept.lock().unwrap().iter().map(|file| stamp(file).unwrap()).collect();
        disk.watch = Some(Mutex::new(Watch { names: disk.start.names.clone(), stamps }));
        disk
    }

    /// One that lies about the syncs of one kind.
    pub fn skipping(self, reason: Reason) -> PowerDisk {
        PowerDisk { skips: Some(reason), ..self }
    }

    /// Notes what `probe` says whenever that changes, and how much had happened by then.
    pub fn probe(&self, probe: impl Fn() -> String + Send + 'static) {
        *self.probe.lock().unwrap() = Some(Box::new(probe));
        self.notice();
    }

    /// Looks no more: the work is done.
    pub fn stop(&self) {
        self.notice();
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// What the probe said, oldest first.
    pub fn probed(&self) -> Vec<(usize, String)> {
        self.notice();
        self.probed.lock().unwrap().clone()
    }

    /// How much happened so far.
    pub fn len(&self) -> usize {
        self.notice();
        self.events.lock().unwrap().len()
    }

    /// Where the syncs are.
    pub fn syncs(&self) -> Vec<usize> {
        let events = self.events.lock().unwrap();
        let is_sync =
            |event: &Event| matches!(event, Event::SyncFile(_) | Event::SyncDir(_) | Event::SyncFs);
        (0..events.len()).filter(|at| is_sync(&events[*at])).collect()
    }

    /// Writes to `to` what is left when the power goes after `upto` events.
    pub fn image(&self, upto: usize, luck: Luck, rng: &mut TestRng, to: &Path) {
        let events = self.events.lock().unwrap();
        let mut tree = self.start.clone();
        let mut loose: Vec<&Event> = Vec::new();
        for event in &events[..upto] {
            let covered = |other: &Event| match (event, other) {
                (Event::SyncFs, _) => true,
                (
                    Event::SyncFile(ino),
                    Event::Write { ino: of, .. } | Event::SetLen { ino: of, .. },
                ) => ino == of,
                (Event::SyncDir(dir), Event::Name(naming)) => naming.parent() == *dir,
                _ => false,
            };
            match event {
                Event::SyncFs | Event::SyncFile(_) | Event::SyncDir(_) => {
                    let (durable, rest): (Vec<_>, Vec<_>) =
                        loose.drain(..).partition(|other| covered(other));
                    loose = rest;
                    for event in durable {
                        apply(event, &mut tree, |_| true);
                    }
                }
                other => loose.push(other),
            }
        }
        for event in loose {
            let chance = if matches!(event, Event::Name(_)) { luck.names } else { luck.bytes };
            let whole = rng.random_range(0..100) < chance;
            let torn = matches!(event, Event::Write { .. }) && chance > 0 && chance < 100;
            if whole || torn {
                apply(event, &mut tree, |_| !torn || rng.random_range(0..100) < chance);
            }
        }
        lay(&tree, self.root_ino, to, &mut HashMap::new());
    }

    fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    /// Notes a name that was changed through the seam.
    fn did(&self, naming: Naming) {
        if let Some(watch) = &self.watch {
            naming.apply(&mut watch.lock().unwrap().names);
        }
        self.note(Event::Name(naming));
    }

    /// Notes bytes that were changed through the seam.
    fn wrote(&self, file: &File, event: Event) -> io::Result<()> {
        if let Some(watch) = &self.watch {
            let (ino, stamp) = stamp(file)?;
            watch.lock().unwrap().stamps.insert(ino, stamp);
        }
        self.note(event);
        Ok(())
    }

    fn sync(&self, reason: Reason, event: Event) {
        self.notice();
        if self.skips != Some(reason) {
            self.note(event);
        }
    }

    /// A range of a file as it is now, for what the kernel did to it.
    fn note_range(&self, file: &File, offset: u64, len: u64) -> io::Result<()> {
        let (ino, size) = (file.metadata()?.ino(), file.metadata()?.len());
        let len = len.min(size.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        file.read_exact_at(&mut bytes, offset)?;
        self.wrote(file, Event::SetLen { ino, len: size })?;
        self.wrote(file, Event::Write { ino, offset, bytes })
    }

    /// Notes what went past the seam since the last time, and what the probe says.
    fn notice(&self) {
        let Some(watch) = &self.watch else { return };
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let mut watch = watch.lock().unwrap();
        let (mut found, mut todo) = (Vec::new(), vec![self.root.clone()]);
        while let Some(dir) = todo.pop() {
            self.notice_in(&dir, &mut watch, &mut found, &mut todo);
        }
        for event in pair_renames(found, &watch.names) {
            if let Event::Name(naming) = &event {
                naming.apply(&mut watch.names);
            }
            self.note(event);
        }
        if let Some(probe) = &*self.probe.lock().unwrap() {
            let (said, at) = (probe(), self.events.lock().unwrap().len());
            let mut probed = self.probed.lock().unwrap();
            if probed.last().is_none_or(|(_, before)| *before != said) {
                probed.push((at, said));
            }
        }
    }

    fn notice_in(
        &self,
        dir: &Path,
        watch: &mut Watch,
        found: &mut Vec<Event>,
        todo: &mut Vec<PathBuf>,
    ) {
        let (Ok(parent), Ok(listing)) = (ino_of(dir), fs::read_dir(dir)) else { return };
        let mut here = BTreeMap::new();
        for name in listing.flatten().map(|entry| entry.file_name()) {
            let path = dir.join(&name);
            let (Ok(file), Ok(entry)) = (File::open(&path), entry_of(&path)) else { continue };
            if !entry.is_dir {
                self.notice_bytes(&path, &file, watch, found);
            } else if watch.stamps.insert(entry.ino, (0, 0, 0)).is_none() {
                self.kept.lock().unwrap().push(file);
            }
            if entry.is_dir {
                todo.push(path);
            }
            // After the bytes: git names its packs when they are synced.
            if watch.names.get(&(parent, name.clone())) != Some(&entry) {
                found.push(Event::Name(Naming::Put((parent, name.clone()), entry)));
            }
            here.insert(name, entry);
        }
        let known = watch.names.range((parent, OsString::new())..);
        let known = known.map(|(place, _)| place).take_while(|place| place.0 == parent);
        let gone = known.filter(|place| !here.contains_key(&place.1));
        found.extend(gone.map(|place| Event::Name(Naming::Remove(place.clone()))));
    }

    fn notice_bytes(&self, path: &Path, file: &File, watch: &mut Watch, found: &mut Vec<Event>) {
        let Ok((ino, stamp)) = stamp(file) else { return };
        let before = watch.stamps.insert(ino, stamp);
        if before.is_none() {
            self.kept.lock().unwrap().push(file.try_clone().unwrap());
        }
        if before == Some(stamp) || (before.is_none() && stamp.0 == 0) {
            return;
        }
        let bytes = fs::read(path).unwrap();
        found.push(Event::SetLen { ino, len: bytes.len() as u64 });
        found.push(Event::Write { ino, offset: 0, bytes });
        if path.parent().is_some_and(|dir| dir.ends_with("objects/pack")) {
            found.push(Event::SyncFile(ino));
        }
    }
}

/// A name that went and another that came for the same file are a rename.
fn pair_renames(found: Vec<Event>, names: &BTreeMap<Place, Entry>) -> Vec<Event> {
    let mut gone: BTreeMap<u64, Place> = BTreeMap::new();
    let (removed, mut events): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|event| matches!(event, Event::Name(Naming::Remove(_))));
    for event in removed {
        let Event::Name(Naming::Remove(place)) = event else { continue };
        gone.insert(names[&place].ino, place);
    }
    for event in &mut events {
        let Event::Name(Naming::Put(place, entry)) = event else { continue };
        if let Some(from) = gone.remove(&entry.ino) {
            *event = Event::Name(Naming::Rename(from, place.clone(), *entry));
        }
    }
    events.extend(gone.into_values().map(|place| Event::Name(Naming::Remove(place))));
    events
}

fn ino_of(path: &Path) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.ino())
}

fn entry_of(path: &Path) -> io::Result<Entry> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(Entry { ino: metadata.ino(), is_dir: metadata.is_dir() })
}

fn place_of(path: &Path) -> io::Result<Place> {
    Ok((ino_of(path.parent().unwrap())?, path.file_name().unwrap().to_owned()))
}

fn stamp(file: &File) -> io::Result<(u64, (u64, i64, i64))> {
    let metadata = file.metadata()?;
    Ok((metadata.ino(), (metadata.len(), metadata.mtime(), metadata.mtime_nsec())))
}

fn apply(event: &Event, tree: &mut Tree, mut keep: impl FnMut(u64) -> bool) {
    match event {
        Event::Name(naming) => naming.apply(&mut tree.names),
        Event::SetLen { ino, len } => {
            let file = Arc::make_mut(tree.content.entry(*ino).or_default());
            file.resize(usize::try_from(*len).unwrap(), 0);
        }
        Event::Write { ino, offset, bytes } => {
            let file = Arc::make_mut(tree.content.entry(*ino).or_default());
            let (mut at, end) = (*offset, *offset + bytes.len() as u64);
            while at < end {
                let next = ((at / SECTOR + 1) * SECTOR).min(end);
                if keep(at) {
                    let (from, to) = (usize::try_from(at).unwrap(), usize::try_from(next).unwrap());
                    let start = usize::try_from(at - offset).unwrap();
                    file.resize(file.len().max(to), 0);
                    file[from..to].copy_from_slice(&bytes[start..start + to - from]);
                }
                at = next;
            }
        }
        Event::SyncFile(_) | Event::SyncDir(_) | Event::SyncFs => {}
    }
}

/// Lays out in `to` what the directory `dir` holds; names of one file stay that.
fn lay(tree: &Tree, dir: u64, to: &Path, laid: &mut HashMap<u64, PathBuf>) {
    let entries = tree.names.range((dir, OsString::new())..);
    for ((_, name), entry) in entries.take_while(|((of, _), _)| *of == dir) {
        let path = to.join(name);
        if entry.is_dir {
            fs::create_dir(&path).unwrap();
            lay(tree, entry.ino, &path, laid);
        } else if let Some(other) = laid.get(&entry.ino) {
            fs::hard_link(other, &path).unwrap();
        } else {
            fs::write(&path, tree.content.get(&entry.ino).map_or(&[][..], |it| it)).unwrap();
            laid.insert(entry.ino, path);
        }
    }
}

impl Disk for PowerDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.notice();
        OsDisk::default().write_all_at(file, bytes, offset)?;
        let ino = file.metadata()?.ino();
        self.wrote(file, Event::Write { ino, offset, bytes: bytes.to_vec() })
    }
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()> {
        self.sync(reason, Event::SyncFile(file.metadata()?.ino()));
        Ok(())
    }
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.sync(reason, Event::SyncDir(ino_of(dir)?));
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.notice();
        let (entry, old, new) = (entry_of(from)?, place_of(from)?, place_of(to)?);
        fs::rename(from, to)?;
        self.did(Naming::Rename(old, new, entry));
        Ok(())
    }
    fn create_file(&self, path: &Path) -> io::Result<File> {
        self.notice();
        let file = OsDisk::default().create_file(path)?;
        // Opened anew: a clone would share its locks.
        self.kept.lock().unwrap().push(File::open(path)?);
        if let Some(watch) = &self.watch {
            let (ino, stamp) = stamp(&file)?;
            watch.lock().unwrap().stamps.insert(ino, stamp);
        }
        self.did(Naming::Put(place_of(path)?, entry_of(path)?));
        Ok(file)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.notice();
        if !path.is_dir() {
            fs::create_dir(path)?;
            self.kept.lock().unwrap().push(File::open(path)?);
            self.did(Naming::Put(place_of(path)?, entry_of(path)?));
        }
        Ok(())
    }
    fn copy_range(&self, from: (&File, u64), to: (&File, u64), len: usize) -> io::Result<usize> {
        self.notice();
        let copied = OsDisk::default().copy_range(from, to, len)?;
        self.note_range(to.0, to.1, copied as u64)?;
        Ok(copied)
    }
    fn fallocate(&self, file: &File, mode: i32, offset: u64, len: u64) -> io::Result<()> {
        self.notice();
        OsDisk::default().fallocate(file, mode, offset, len)?;
        if mode == libc::FALLOC_FL_KEEP_SIZE {
            return Ok(());
        }
        // Some modes move everything behind.
        self.note_range(file, 0, u64::MAX)
    }
    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        self.notice();
        file.set_len(len)?;
        self.wrote(file, Event::SetLen { ino: file.metadata()?.ino(), len })
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.notice();
        let place = place_of(path)?;
        fs::remove_file(path)?;
        self.did(Naming::Remove(place));
        Ok(())
    }
    fn sync_fs(&self, _: &Path, reason: Reason) -> io::Result<()> {
        self.sync(reason, Event::SyncFs);
        Ok(())
    }
    fn boot(&self) -> io::Result<BootId> {
        Ok(BootId([self.boot; 16]))
    }
    fn counts(&self) -> FsyncCounts {
        FsyncCounts::default()
    }
}
