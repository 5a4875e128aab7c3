//! A disk that writes down what is done to it, and what a host that lost power would find on it.
//!
//! What was not synced may be there or not: names in any selection, writes in any selection and
//! torn between sectors of 512 bytes. An fsync of a file covers its bytes, one of a directory its
//! names, neither the other; a syncfs covers everything.

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use toft::sys::{Disk, FsyncCounts, OsDisk, Reason};
use toft::types::BootId;

const SECTOR: u64 = 512;

#[derive(Clone, Debug)]
enum Event {
    Name(Naming),
    Write { ino: u64, offset: u64, bytes: Vec<u8> },
    SetLen { ino: u64, len: u64 },
    SyncFile(u64),
    SyncDir(PathBuf),
    SyncFs,
}

/// A change of one directory.
#[derive(Clone, Debug)]
enum Naming {
    Dir(PathBuf),
    Create(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Remove(PathBuf),
}

impl Naming {
    fn parent(&self) -> &Path {
        match self {
            Self::Dir(path) | Self::Create(path, _) | Self::Remove(path) => path.parent().unwrap(),
            Self::Rename(_, to, _) => to.parent().unwrap(),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>, dirs: &mut BTreeSet<PathBuf>) {
        match self {
            Self::Dir(path) => drop(dirs.insert(path.clone())),
            Self::Create(path, ino) => drop(names.insert(path.clone(), *ino)),
            Self::Rename(from, to, ino) => {
                names.remove(from);
                names.insert(to.clone(), *ino);
            }
            Self::Remove(path) => drop(names.remove(path)),
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

/// What is on the disk at the start, and all that happened since.
pub struct PowerDisk {
    root: PathBuf,
    boot: u8,
    names: BTreeMap<PathBuf, u64>,
    dirs: BTreeSet<PathBuf>,
    content: HashMap<u64, Vec<u8>>,
    events: Mutex<Vec<Event>>,
    /// Kept open, so that no inode number is used twice.
    kept: Mutex<Vec<File>>,
}

impl PowerDisk {
    /// Watches the directory `root`; what it holds is durable.
    pub fn new(root: &Path, boot: u8) -> PowerDisk {
        let (mut names, mut dirs) = (BTreeMap::new(), BTreeSet::new());
        let (mut content, mut kept) = (HashMap::new(), Vec::new());
        let mut todo = vec![root.to_owned()];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.insert(path.clone());
                    todo.push(path);
                    continue;
                }
                let file = File::open(&path).unwrap();
                let ino = file.metadata().unwrap().ino();
                content.insert(ino, fs::read(&path).unwrap());
                names.insert(path, ino);
                kept.push(file);
            }
        }
        let (events, kept) = (Mutex::default(), Mutex::new(kept));
        PowerDisk { root: root.to_owned(), boot, names, dirs, content, events, kept }
    }

    /// How much happened so far.
    pub fn len(&self) -> usize {
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
        let (mut names, mut dirs) = (self.names.clone(), self.dirs.clone());
        let mut content = self.content.clone();
        let mut loose: Vec<&Event> = Vec::new();
        for event in &events[..upto] {
            let covered = |other: &Event| match (event, other) {
                (Event::SyncFs, _) => true,
                (
                    Event::SyncFile(ino),
                    Event::Write { ino: of, .. } | Event::SetLen { ino: of, .. },
                ) => ino == of,
                (Event::SyncDir(dir), Event::Name(naming)) => naming.parent() == dir,
                _ => false,
            };
            match event {
                Event::SyncFs | Event::SyncFile(_) | Event::SyncDir(_) => {
                    let (durable, rest): (Vec<_>, Vec<_>) =
                        loose.drain(..).partition(|other| covered(other));
                    loose = rest;
                    for event in durable {
                        apply(event, &mut names, &mut dirs, &mut content, |_| true);
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
                apply(event, &mut names, &mut dirs, &mut content, |_| {
                    !torn || rng.random_range(0..100) < chance
                });
            }
        }
        self.write(to, &names, &dirs, &content);
    }

    fn write(
        &self,
        to: &Path,
        names: &BTreeMap<PathBuf, u64>,
        dirs: &BTreeSet<PathBuf>,
        content: &HashMap<u64, Vec<u8>>,
    ) {
        let at = |path: &Path| to.join(path.strip_prefix(&self.root).unwrap());
        dirs.iter().for_each(|dir| fs::create_dir_all(at(dir)).unwrap());
        for (path, ino) in names {
            // A name without its directory is not there.
            if path.parent().is_none_or(|dir| dir == self.root || dirs.contains(dir)) {
                fs::write(at(path), content.get(ino).map_or(&[][..], Vec::as_slice)).unwrap();
            }
        }
    }

    fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    /// A range of a file as it is now, for what the kernel did to it.
    fn note_range(&self, file: &File, offset: u64, len: u64) -> io::Result<()> {
        let (ino, size) = (file.metadata()?.ino(), file.metadata()?.len());
        let len = len.min(size.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        file.read_exact_at(&mut bytes, offset)?;
        self.note(Event::SetLen { ino, len: size });
        self.note(Event::Write { ino, offset, bytes });
        Ok(())
    }
}

fn apply(
    event: &Event,
    names: &mut BTreeMap<PathBuf, u64>,
    dirs: &mut BTreeSet<PathBuf>,
    content: &mut HashMap<u64, Vec<u8>>,
    mut keep: impl FnMut(u64) -> bool,
) {
    match event {
        Event::Name(naming) => naming.apply(names, dirs),
        Event::SetLen { ino, len } => {
            content.entry(*ino).or_default().resize(usize::try_from(*len).unwrap(), 0);
        }
        Event::Write { ino, offset, bytes } => {
            let file = content.entry(*ino).or_default();
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

impl Disk for PowerDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        OsDisk::default().write_all_at(file, bytes, offset)?;
        self.note(Event::Write { ino: file.metadata()?.ino(), offset, bytes: bytes.to_vec() });
        Ok(())
    }
    fn fsync_file(&self, file: &File, _: Reason) -> io::Result<()> {
        self.note(Event::SyncFile(file.metadata()?.ino()));
        Ok(())
    }
    fn fsync_dir(&self, dir: &Path, _: Reason) -> io::Result<()> {
        self.note(Event::SyncDir(dir.to_owned()));
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ino = fs::metadata(from)?.ino();
        fs::rename(from, to)?;
        self.note(Event::Name(Naming::Rename(from.to_owned(), to.to_owned(), ino)));
        Ok(())
    }
    fn create_file(&self, path: &Path) -> io::Result<File> {
        let file = OsDisk::default().create_file(path)?;
        self.kept.lock().unwrap().push(file.try_clone()?);
        self.note(Event::Name(Naming::Create(path.to_owned(), file.metadata()?.ino())));
        Ok(file)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if !path.is_dir() {
            fs::create_dir(path)?;
            self.note(Event::Name(Naming::Dir(path.to_owned())));
        }
        Ok(())
    }
    fn copy_range(&self, from: (&File, u64), to: (&File, u64), len: usize) -> io::Result<usize> {
        let copied = OsDisk::default().copy_range(from, to, len)?;
        self.note_range(to.0, to.1, copied as u64)?;
        Ok(copied)
    }
    fn fallocate(&self, file: &File, mode: i32, offset: u64, len: u64) -> io::Result<()> {
        OsDisk::default().fallocate(file, mode, offset, len)?;
        if mode == libc::FALLOC_FL_KEEP_SIZE {
            return Ok(());
        }
        // Some modes move everything behind.
        self.note_range(file, 0, u64::MAX)
    }
    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)?;
        self.note(Event::SetLen { ino: file.metadata()?.ino(), len });
        Ok(())
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)?;
        self.note(Event::Name(Naming::Remove(path.to_owned())));
        Ok(())
    }
    fn sync_fs(&self, _: &Path, _: Reason) -> io::Result<()> {
        self.note(Event::SyncFs);
        Ok(())
    }
    fn boot(&self) -> io::Result<BootId> {
        Ok(BootId([self.boot; 16]))
    }
    fn counts(&self) -> FsyncCounts {
        FsyncCounts::default()
    }
}
