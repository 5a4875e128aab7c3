//! A workspace over a base that is made on the spot: a repository, an overlay, the view of both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toft::base::Base;
use toft::git::{ObjectWriter, Repo, TreeItem};
use toft::overlay::Overlay;
use toft::sys::{OsClock, OsDisk};
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
    pub config: ViewConfig,
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
        State { lower, dir, config }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn spill(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Opens the workspace as after a restart.
    pub fn open(&self) -> Arc<Workspace> {
        let (overlay, _) = Overlay::open(self.dir.path(), Arc::new(OsDisk::default())).unwrap();
        let base = Base::new(self.lower.repo.clone(), self.spill());
        let clock = Arc::new(OsClock::new());
        Arc::new(Workspace::new(Arc::new(overlay), Arc::new(base), clock, self.config.clone()))
    }
}
