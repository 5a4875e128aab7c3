//! A workspace that is edited, sealed and pushed on a disk that watches, beside a remote that comes
//! and goes and that others push to.

use crate::powerdisk::PowerDisk;
use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toft::daemon::control::FlushRequest;
use toft::daemon::create::{Wish, create};
use toft::daemon::{Engine, Failure, FlushReport, Host, Kind, Then, guard_words};
use toft::git::{CommitSpec, Git, Repo, TreeItem};
use toft::registry::{Directories, FlushPolicy, Registry};
use toft::sys::{Clock, Disk, OsClock, OsDisk, Reason};
use toft::types::{HashKind, Ino, Name, Oid, TreeMode, WorkspaceId};
use toft::workspace::{Caller, OpenMode, Workspace, WriteMode};

pub const MAIN: &str = "refs/heads/main";
const NAMES: [&str; 6] = ["a", "b", "c", "dir/d", "dir/e", "new"];
const CALLER: Caller = Caller { uid: 0, gid: 0, pid: 0 };

/// Files by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The files after a step.
pub struct Moment {
    pub files: Files,
    /// Events before the step and after it.
    pub from: usize,
    pub to: usize,
    /// The step made everything before it durable.
    pub synced: bool,
    /// Where the branch was afterwards.
    pub tip: Oid,
    /// What this step promised to bring to the remote.
    pub queued: Option<Oid>,
}

/// What can be done.
#[derive(Clone, Copy)]
pub enum Step {
    Write,
    Remove,
    Sync,
    Flush {
        push: bool,
    },
    /// Somebody else pushes.
    Other,
    /// The remote goes, or comes back.
    Toggle,
    Reopen,
}

/// A commit of this workspace.
pub struct Made {
    pub files: Files,
    /// The first moment that shows what it holds.
    pub moment: usize,
}

/// One workload, done.
pub struct Site {
    pub home: tempfile::TempDir,
    pub id: WorkspaceId,
    pub disk: Arc<PowerDisk>,
    pub moments: Vec<Moment>,
    pub made: BTreeMap<Oid, Made>,
    /// With all that it ever had.
    pub repo: Repo,
    host: Host,
    engine: Option<Engine>,
    others: u32,
}

pub fn shm() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A host in `home`, whose state is in `state`.
pub fn host(home: &Path, state: PathBuf, disk: Arc<dyn Disk>) -> Host {
    let runtime = home.join("run");
    let directories = Directories { state, cache: home.join("cache"), runtime };
    let registry = Registry::open(&directories.state, disk.clone()).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(OsClock::new());
    Host { directories, registry, disk, clock }
}

/// A remote with a few files.
pub fn seed(home: &Path) -> PathBuf {
    let remote = home.join("remote.git");
    Git::init_bare(&remote, HashKind::Sha1).unwrap();
    let _ = fs::remove_dir_all(remote.join("hooks"));
    fs::write(remote.join("HEAD"), format!("ref: {MAIN}\n")).unwrap();
    let files = NAMES[..5].iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec()));
    commit(&Repo::open(&remote).unwrap(), &files.collect(), "seed");
    remote
}

pub fn wish(home: &Path, remote: &Path) -> Wish {
    Wish {
        url: remote.to_str().unwrap().to_owned(),
        branch: None,
        new_branch: None,
        at: None,
        read_only: false,
        depth: None,
        hydrate: Default::default(),
        credential: None,
        offline: false,
        flush_on: FlushPolicy::Umount,
        uid: 0,
        gid: 0,
        dir: home.join("mnt"),
        made_dir: false,
        interactive: false,
    }
}

/// Puts a commit of `files` on the branch of a repository.
fn commit(repo: &Repo, files: &Files, message: &str) {
    let mut writer = repo.writer();
    let mut folders: BTreeMap<&str, Vec<TreeItem>> = BTreeMap::new();
    for (path, bytes) in files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let name = Name::new(name.as_bytes()).unwrap();
        let item = TreeItem { mode: TreeMode::Blob, name, oid: writer.blob(bytes).unwrap() };
        folders.entry(folder).or_default().push(item);
    }
    let mut root = folders.remove("").unwrap_or_default();
    for (name, items) in folders {
        let name = Name::new(name.as_bytes()).unwrap();
        root.push(TreeItem { mode: TreeMode::Tree, name, oid: writer.tree(items).unwrap() });
    }
    let tree = writer.tree(root).unwrap();
    let tip = repo.read_ref(MAIN).unwrap();
    let (author, committer) = repo.identity().sign(OsClock::new().now());
    let (parents, message) = (Vec::from_iter(tip), message.as_bytes().to_vec());
    let new = writer.commit(&CommitSpec { tree, parents, author, committer, message }).unwrap();
    writer.finish(&OsDisk::default()).unwrap();
    repo.cas_ref(&OsDisk::default(), MAIN, new, tip, "").unwrap();
}

/// The files of a commit; every object of it is read.
pub fn files_of(repo: &Repo, commit: Oid) -> Result<Files, String> {
    let mut files = Files::new();
    let told = |error: toft::git::GitError| format!("commit {commit}: {error}");
    let mut todo = vec![(String::new(), repo.commit(commit).map_err(told)?.tree)];
    while let Some((at, tree)) = todo.pop() {
        for entry in repo.tree(tree).map_err(told)? {
            let path = format!("{at}{}", String::from_utf8(entry.name).unwrap());
            match entry.mode {
                0o040_000 => todo.push((format!("{path}/"), entry.oid)),
                _ => drop(files.insert(path, repo.blob(entry.oid).map_err(told)?)),
            }
        }
    }
    Ok(files)
}

/// The files that a workspace shows.
pub fn files_in(workspace: &Workspace) -> Files {
    let (mut files, mut todo) = (Files::new(), vec![(String::new(), Ino::ROOT)]);
    while let Some((at, dir)) = todo.pop() {
        let names: Vec<String> = workspace
            .list(dir)
            .unwrap()
            .iter()
            .map(|listed| String::from_utf8(listed.name.as_bytes().to_vec()).unwrap())
            .collect();
        for name in names.into_iter().filter(|name| name != ".git") {
            let attr = workspace.lookup(dir, name.as_bytes()).unwrap().unwrap();
            let path = format!("{at}{name}");
            match attr.kind {
                toft::types::FileKind::Directory => todo.push((format!("{path}/"), attr.ino)),
                _ => drop(files.insert(path, read(workspace, attr.ino, attr.size))),
            }
        }
    }
    files
}

fn read(workspace: &Workspace, ino: Ino, size: u64) -> Vec<u8> {
    let fh = workspace.open(ino, OpenMode::default()).unwrap();
    let mut bytes = vec![0; size as usize];
    let count = workspace.read(fh, &mut bytes, 0).unwrap();
    workspace.release(fh);
    assert_eq!(count as u64, size);
    bytes
}

/// Opens a workspace. A git that another thread is just starting may hold its lease for a moment.
pub fn open(host: &Host, id: &WorkspaceId) -> Result<Engine, Failure> {
    loop {
        match Engine::open(host, id) {
            Err(failure) if failure.kind == Kind::Held => std::thread::yield_now(),
            opened => return opened,
        }
    }
}

/// Replaces a file, or makes one.
pub fn write_file(workspace: &Workspace, path: &str, bytes: &[u8], sync: bool) {
    let (dir, name) = parent(workspace, path);
    let fh = match workspace.lookup(dir, name).unwrap() {
        Some(attr) => {
            let mode = OpenMode { write: true, truncate: true, kill_suid: false };
            workspace.open(attr.ino, mode).unwrap()
        }
        None => workspace.create(CALLER, dir, name, 0o644).unwrap().1,
    };
    if !bytes.is_empty() {
        workspace.write(fh, bytes, 0, WriteMode::default()).unwrap();
    }
    if sync {
        workspace.fsync(fh).unwrap();
    }
    workspace.release(fh);
}

fn parent<'a>(workspace: &Workspace, path: &'a str) -> (Ino, &'a [u8]) {
    match path.split_once('/') {
        Some((dir, name)) => {
            let dir = workspace.lookup(Ino::ROOT, dir.as_bytes()).unwrap().unwrap();
            (dir.ino, name.as_bytes())
        }
        None => (Ino::ROOT, path.as_bytes()),
    }
}

fn everything(push: bool) -> FlushRequest {
    let allow = guard_words().filter(|word| *word != "rolled-back").map(str::to_owned).collect();
    FlushRequest { seal: true, push, allow, ..FlushRequest::default() }
}

pub fn flush(engine: &Engine, push: bool) -> FlushReport {
    let mut report = FlushReport::new(engine.id(), engine.dir());
    engine.flush(&everything(push), Then::Stay, &mut report);
    report
}

impl Site {
    /// Makes a workspace, and opens it on a disk that lies about the syncs of `skips`.
    pub fn new(boot: u8, skips: Option<Reason>) -> Site {
        let home = shm();
        let remote = seed(home.path());
        let state = home.path().join("state");
        let made = host(home.path(), state.clone(), Arc::new(OsDisk::default()));
        let record = create(&made, &wish(home.path(), &remote)).unwrap();
        let gitdir = made.registry.paths(&record.id).gitdir();
        let mut disk = PowerDisk::watching(&state, boot);
        if let Some(reason) = skips {
            disk = disk.skipping(reason);
        }
        let disk = Arc::new(disk);
        let probed = remote.clone();
        disk.probe(move || tip_of(&probed));
        let host = host(home.path(), state, disk.clone());
        let repo = Repo::open(&gitdir).unwrap();
        let mut site = Site {
            id: record.id,
            disk,
            moments: Vec::new(),
            made: BTreeMap::new(),
            repo,
            engine: None,
            host,
            home,
            others: 0,
        };
        site.reopen();
        let (to, tip) = (site.disk.len(), site.tip());
        let files = files_in(site.workspace());
        site.made.insert(tip, Made { files: files.clone(), moment: 0 });
        site.moments.push(Moment { files, from: 0, to, synced: true, tip, queued: None });
        site
    }

    fn reopen(&mut self) {
        self.engine = None;
        self.engine = Some(open(&self.host, &self.id).unwrap());
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn workspace(&self) -> &Workspace {
        self.engine().workspace()
    }

    fn tip(&self) -> Oid {
        self.repo.read_ref(MAIN).unwrap().unwrap()
    }

    pub fn remote(&self) -> PathBuf {
        self.home.path().join("remote.git")
    }

    fn away(&self) -> PathBuf {
        self.home.path().join("away.git")
    }

    /// Does something.
    pub fn any_step(&mut self, rng: &mut TestRng) {
        let step = match rng.random_range(0..20) {
            0..9 => Step::Write,
            9..11 => Step::Remove,
            11 => Step::Sync,
            12..14 => Step::Flush { push: false },
            14..17 => Step::Flush { push: true },
            17 => Step::Other,
            18 => Step::Toggle,
            _ => Step::Reopen,
        };
        self.step(step, rng);
    }

    /// Does it, and notes what it led to.
    pub fn step(&mut self, step: Step, rng: &mut TestRng) {
        let from = self.disk.len();
        let mut files = self.moments.last().unwrap().files.clone();
        let (mut synced, mut queued) = (false, None);
        match step {
            Step::Write => self.write(&mut files, rng),
            Step::Remove => self.remove(&mut files, rng),
            Step::Sync => {
                self.engine().keep_house();
                synced = true;
            }
            Step::Flush { push } => {
                self.flush(push, &files);
                files = self.absorbed(files);
                queued = push.then(|| self.tip());
                synced = true;
            }
            Step::Other => self.other(),
            Step::Toggle => self.toggle(),
            Step::Reopen => {
                self.reopen();
                synced = true;
            }
        }
        let tip = self.tip();
        let moment = self.moments.len();
        self.made.entry(tip).or_insert_with(|| Made { files: files.clone(), moment });
        let to = self.disk.len();
        self.moments.push(Moment { files, from, to, synced, tip, queued });
    }

    fn write(&self, files: &mut Files, rng: &mut TestRng) {
        let path = NAMES[rng.random_range(0..NAMES.len())];
        let len = [0, 7, 600, 3000][rng.random_range(0..4)];
        let bytes: Vec<u8> = (0..len).map(|_| rng.random_range(b'a'..=b'z')).collect();
        write_file(self.workspace(), path, &bytes, false);
        files.insert(path.to_owned(), bytes);
    }

    fn remove(&self, files: &mut Files, rng: &mut TestRng) {
        let path = NAMES[rng.random_range(0..NAMES.len())];
        if files.remove(path).is_some() {
            let (dir, name) = parent(self.workspace(), path);
            self.workspace().unlink(dir, name).unwrap();
        }
    }

    fn flush(&mut self, push: bool, files: &Files) {
        let report = flush(self.engine(), push);
        let online = self.remote().is_dir();
        if let Some(failure) = report.failure.filter(|_| online || !push) {
            panic!("{failure}: {:?}", failure.cause);
        }
        if let Some(commit) = report.seal.and_then(|seal| seal.commit) {
            let (commit, moment) = (Oid::from_hex(commit.as_bytes()).unwrap(), self.moments.len());
            self.made.insert(commit, Made { files: files.clone(), moment: moment - 1 });
        }
    }

    /// The files, with what a flush brought from the remote.
    fn absorbed(&self, mut files: Files) -> Files {
        let seen = files_in(self.workspace());
        let brought = seen.iter().filter(|(path, _)| path.starts_with("other"));
        files.extend(brought.map(|(path, bytes)| (path.clone(), bytes.clone())));
        assert_eq!(files, seen);
        files
    }

    /// Somebody else pushes.
    fn other(&mut self) {
        let remote = self.remote();
        if remote.is_dir() {
            self.others += 1;
            let repo = Repo::open(&remote).unwrap();
            let tip = repo.read_ref(MAIN).unwrap().unwrap();
            let mut files = files_of(&repo, tip).unwrap();
            files.insert(format!("other-{}", self.others), b"from elsewhere".to_vec());
            commit(&repo, &files, "by somebody else");
        }
    }

    /// The remote goes, or comes back.
    fn toggle(&self) {
        let (here, away) = (self.remote(), self.away());
        let (from, to) = if here.is_dir() { (here, away) } else { (away, here) };
        fs::rename(from, to).unwrap();
    }

    /// Ends the work: the remote is there.
    pub fn finish(&mut self) {
        self.engine = None;
        if !self.remote().is_dir() {
            self.toggle();
        }
        self.disk.stop();
        self.repo.refresh();
    }
}

/// Where the branch of a remote is; nothing while it is away.
fn tip_of(remote: &Path) -> String {
    fs::read_to_string(remote.join(MAIN)).unwrap_or_default().trim().to_owned()
}
