//! A workspace over a base that is made on the spot: a repository, an overlay, the view of both.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use toft::base::Base;
use toft::git::{ObjectWriter, Repo, TreeItem};
use toft::overlay::{Overlay, OverlayError};
use toft::sys::{Disk, FsyncCounts, OsClock, OsDisk, Reason};
use toft::types::{Name, Oid, Timespec, TreeMode};
use toft::workspace::{ViewConfig, Workspace};

pub const GITFILE: &[u8] = b"gitdir: /nowhere/gitdir\n";
pub const BASE_TIME: Timespec = Timespec { sec: 1_600_000_000, nsec: 0 };

/// What a path of the base is.
#[derive(Clone)]
pub enum Given {
    File(Vec<u8>),
    Exec(Vec<u8>),
    Link(Vec<u8>),
    /// A gitlink to this commit, in hex.
    Gitlink(&'static str),
}

pub fn file(bytes: impl AsRef<[u8]>) -> Given {
    Given::File(bytes.as_ref().to_vec())
}

/// A repository with one tree.
pub struct Lower {
    _dir: tempfile::TempDir,
    pub repo: Repo,
    pub tree: Oid,
}

#[derive(Default)]
struct Folder {
    files: BTreeMap<Vec<u8>, Given>,
    folders: BTreeMap<Vec<u8>, Folder>,
}

impl Lower {
    /// Writes `given`, by path, as the tree of a new repository.
    pub fn new(given: impl IntoIterator<Item = (Vec<u8>, Given)>) -> Lower {
        let dir = tempfile::tempdir().unwrap();
        crate::gitrepo::git(dir.path(), &["init", "-q", "--bare", "repo"]);
        let repo = Repo::open(&dir.path().join("repo")).unwrap();
        let mut root = Folder::default();
        for (path, given) in given {
            let mut names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
            let last = names.pop().unwrap();
            let folder = names
                .into_iter()
                .fold(&mut root, |folder, name| folder.folders.entry(name.to_vec()).or_default());
            folder.files.insert(last.to_vec(), given);
        }
        let mut writer = repo.writer();
        let tree = root.write(&mut writer);
        writer.finish(&OsDisk::default()).unwrap();
        repo.refresh();
        Lower { _dir: dir, repo, tree }
    }

    /// Takes the blob with these bytes away: the base is damaged then.
    pub fn lose(&self, bytes: &[u8]) {
        let oid = self.repo.dry_writer().blob(bytes).unwrap();
        self.lose_object(oid);
    }

    /// Takes the tree of a directory at the root away.
    pub fn lose_tree(&self, name: &str) {
        let entries = self.repo.tree(self.tree).unwrap();
        let entry = entries.iter().find(|entry| entry.name == name.as_bytes()).unwrap();
        self.lose_object(entry.oid);
    }

    fn lose_object(&self, oid: Oid) {
        let dir = self.repo.gitdir();
        let packs = dir.join("objects/pack");
        for entry in std::fs::read_dir(&packs).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "pack") {
                let outside = dir.join("unpack.pack");
                std::fs::rename(&path, &outside).unwrap();
                let index = path.with_extension("idx");
                std::fs::remove_file(index).unwrap();
                let mut unpack = crate::gitrepo::command(dir, &["unpack-objects", "-q"]);
                let pack = File::open(&outside).unwrap();
                assert!(unpack.stdin(pack).status().unwrap().success());
            }
        }
        let hex = oid.to_string();
        std::fs::remove_file(dir.join("objects").join(&hex[..2]).join(&hex[2..])).unwrap();
    }

    /// Writes more blobs, for merges.
    pub fn blob(&self, bytes: &[u8]) -> Oid {
        let mut writer = self.repo.writer();
        let oid = writer.blob(bytes).unwrap();
        writer.finish(&OsDisk::default()).unwrap();
        self.repo.refresh();
        oid
    }
}

impl Folder {
    fn write(&self, writer: &mut ObjectWriter) -> Oid {
        let mut items = Vec::new();
        for (name, given) in &self.files {
            let (mode, oid) = match given {
                Given::File(bytes) => (TreeMode::Blob, writer.blob(bytes).unwrap()),
                Given::Exec(bytes) => (TreeMode::BlobExec, writer.blob(bytes).unwrap()),
                Given::Link(target) => (TreeMode::Link, writer.blob(target).unwrap()),
                Given::Gitlink(hex) => (TreeMode::Commit, Oid::from_hex(hex.as_bytes()).unwrap()),
            };
            items.push(TreeItem { mode, name: Name::new(name).unwrap(), oid });
        }
        for (name, folder) in &self.folders {
            let oid = folder.write(writer);
            items.push(TreeItem { mode: TreeMode::Tree, name: Name::new(name).unwrap(), oid });
        }
        writer.tree(items).unwrap()
    }
}

/// The state directory of a workspace over `lower`.
pub struct State<'a> {
    lower: &'a Lower,
    dir: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    repo: Option<Repo>,
    pub config: ViewConfig,
}

/// A disk whose writes and fsyncs fail on demand, and which counts the bytes.
#[derive(Default)]
pub struct FaultyDisk {
    real: OsDisk,
    pub fail_fsync: AtomicBool,
    /// Writes through the seam (the journal's) find no space.
    pub full: AtomicBool,
    /// Bytes that were written, and that were copied from file to file.
    pub written: AtomicU64,
}

impl Disk for FaultyDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.real.write_all_at(file, bytes, offset)
    }
    fn copy_range(&self, from: (&File, u64), to: (&File, u64), len: usize) -> io::Result<usize> {
        let copied = self.real.copy_range(from, to, len)?;
        self.written.fetch_add(copied as u64, Ordering::Relaxed);
        Ok(copied)
    }
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()> {
        if self.fail_fsync.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        self.real.fsync_file(file, reason)
    }
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.real.fsync_dir(dir, reason)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }
    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.real.sync_fs(dir, reason)
    }
    fn counts(&self) -> FsyncCounts {
        self.real.counts()
    }
}

impl<'a> State<'a> {
    pub fn new(lower: &'a Lower) -> State<'a> {
        Self::in_dir(lower, tempfile::tempdir().unwrap())
    }

    pub fn in_dir(lower: &'a Lower, dir: tempfile::TempDir) -> State<'a> {
        let config = ViewConfig {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            base_time: BASE_TIME,
            gitfile: GITFILE.to_vec(),
            read_only: false,
            state_dir: dir.path().to_owned(),
        };
        let root = config.root(lower.tree);
        drop(Overlay::create(dir.path(), root, Arc::new(OsDisk::default())).unwrap());
        State { lower, dir, disk: Arc::new(OsDisk::default()), repo: None, config }
    }

    /// One whose disk fails when it is told to.
    pub fn with_faulty_disk(lower: &'a Lower) -> (State<'a>, Arc<FaultyDisk>) {
        let disk = Arc::new(FaultyDisk::default());
        (State { disk: disk.clone(), ..State::new(lower) }, disk)
    }

    /// One that is there already, on `disk`.
    pub fn existing(
        lower: &'a Lower,
        dir: tempfile::TempDir,
        config: ViewConfig,
        disk: Arc<dyn Disk>,
    ) -> State<'a> {
        let config = ViewConfig { state_dir: dir.path().to_owned(), ..config };
        State { lower, dir, disk, repo: None, config }
    }

    /// The same on another disk.
    pub fn on(self, disk: Arc<dyn Disk>) -> State<'a> {
        State { disk, ..self }
    }

    /// The same without opening the repository each time, which takes longer than all the rest.
    pub fn with_open_repo(self) -> State<'a> {
        State { repo: Some(self.lower.repo.clone()), ..self }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn spill(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Opens the workspace as after a restart.
    pub fn open(&self) -> Arc<Workspace> {
        self.try_open().unwrap()
    }

    pub fn try_open(&self) -> Result<Arc<Workspace>, OverlayError> {
        let (overlay, _) = Overlay::open(self.dir.path(), self.disk.clone())?;
        let opened = || Repo::open(self.lower.repo.gitdir()).unwrap();
        let repo = self.repo.clone().unwrap_or_else(opened);
        let base = Base::new(repo, self.spill());
        let clock = Arc::new(OsClock::new());
        let config = self.config.clone();
        Ok(Arc::new(Workspace::new(Arc::new(overlay), Arc::new(base), clock, config)))
    }
}
