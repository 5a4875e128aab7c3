//! The same files twice: in a workspace, and in an ordinary worktree whose git is the oracle.

use crate::git::{command, parse};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use toft::base::Base;
use toft::commit::{
    Allow, ChangeKind, CommitError, Cut, Guard, Plan, SealRequest, Sealed, Sealer, TrackedPaths,
};
use toft::git::Repo;
use toft::overlay::Overlay;
use toft::sys::{Clock, OsClock, OsDisk};
use toft::types::{FileKind, HashKind, Ino, Oid, Timespec};
use toft::workspace::{Caller, OpenMode, RenameMode, SetAttr, ViewConfig, Workspace, WriteMode};

pub const MOUNT_DIR: &str = "/where/it/is/mounted";
pub const MAIN: &str = "refs/heads/main";

/// An ordinary worktree.
pub struct Plain {
    pub git: &'static str,
    pub dir: PathBuf,
    tick: u64,
    written: HashSet<u64>,
}

/// A clock whose wall time can jump.
#[derive(Default)]
pub struct WallClock {
    real: OsClock,
    offset: AtomicI64,
}

impl WallClock {
    /// From now on it is so many seconds off.
    pub fn set(&self, seconds: i64) {
        self.offset.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timespec {
        let now = self.real.now();
        Timespec { sec: now.sec + self.offset.load(Ordering::Relaxed), ..now }
    }
    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }
}

/// The workspace and the worktree.
pub struct World {
    /// The wall clock, which can be set.
    pub clock: Arc<WallClock>,
    pub plain: Plain,
    pub gitdir: PathBuf,
    pub workspace: Arc<Workspace>,
    pub overlay: Arc<Overlay>,
    pub base: Arc<Base>,
    pub sealer: Sealer,
    pub disk: Arc<OsDisk>,
    pub dir: TempDir,
}

pub fn os(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// File operations in the worktree. Each file written gets an mtime of its own in the past, so that
/// git never has to guess whether it saw the last change.
impl Plain {
    pub fn init(git: &'static str, dir: &Path, hash: HashKind) -> Plain {
        fs::create_dir_all(dir).unwrap();
        let plain =
            Plain { git, dir: dir.to_owned(), tick: 1_500_000_000, written: HashSet::new() };
        let format = if hash == HashKind::Sha1 { "sha1" } else { "sha256" };
        plain.git(&["init", "-q", "-b", "main", &format!("--object-format={format}"), "."]);
        plain
    }

    pub fn git<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        String::from_utf8(self.git_bytes(args)).unwrap().trim_end_matches('\n').to_owned()
    }

    pub fn git_bytes<S: AsRef<OsStr>>(&self, args: &[S]) -> Vec<u8> {
        let output = command(self.git).current_dir(&self.dir).args(args).output().unwrap();
        let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?} in {:?}: {stderr}", self.dir);
        output.stdout
    }

    pub fn git_with<S: AsRef<OsStr>>(&self, args: &[S], stdin: &[u8]) -> String {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(stdin).unwrap();
        file.rewind().unwrap();
        let mut command = command(self.git);
        command.current_dir(&self.dir).args(args).stdin(file);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits everything.
    pub fn commit(&mut self) -> Oid {
        self.age_written();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "plain"]);
        parse(&self.git(&["rev-parse", "HEAD"]))
    }

    /// What `git add -A && git write-tree` says, with HEAD's index.
    pub fn oracle(&mut self) -> Oid {
        self.oracle_with(&[])
    }

    /// The same after git commands on that index.
    pub fn oracle_with(&mut self, commands: &[&[&str]]) -> Oid {
        self.age_written();
        let index = self.dir.join(".git/oracle-index");
        let _ = fs::remove_file(&index);
        if self.dir.join(".git/index").exists() {
            fs::copy(self.dir.join(".git/index"), &index).unwrap();
        }
        let run = |args: &[&str]| {
            let mut command = command(self.git);
            command.current_dir(&self.dir).args(args).env("GIT_INDEX_FILE", &index);
            let output = command.output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "git {args:?} in {:?}: {stderr}", self.dir);
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        commands.iter().for_each(|args| drop(run(args)));
        run(&["add", "-A"]);
        parse(&run(&["write-tree"]))
    }

    /// Everything below, without what lies in a `.git`; directories end in a slash.
    pub fn paths(&self) -> Vec<Vec<u8>> {
        let mut paths = Vec::new();
        let mut dirs = vec![Vec::new()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(self.dir.join(os(&dir))).unwrap() {
                let entry = entry.unwrap();
                if entry.file_name() == ".git" {
                    continue;
                }
                let mut path = [dir.as_slice(), entry.file_name().as_bytes()].concat();
                if entry.file_type().unwrap().is_dir() {
                    path.push(b'/');
                    dirs.push(path.clone());
                }
                paths.push(path);
            }
        }
        paths.sort();
        paths
    }

    pub fn write(&mut self, path: &[u8], bytes: &[u8]) {
        fs::create_dir_all(self.dir.join(os(path)).parent().unwrap()).unwrap();
        fs::write(self.dir.join(os(path)), bytes).unwrap();
        self.stamp(path);
        self.written.insert(self.ino(path));
    }

    pub fn read(&self, path: &[u8]) -> Vec<u8> {
        fs::read(self.dir.join(os(path))).unwrap()
    }

    pub fn chmod(&self, path: &[u8], perm: u32) {
        fs::set_permissions(self.dir.join(os(path)), fs::Permissions::from_mode(perm)).unwrap();
    }

    pub fn symlink(&self, path: &[u8], target: &[u8]) {
        symlink(os(target), self.dir.join(os(path))).unwrap();
    }

    pub fn mkdir(&self, path: &[u8]) {
        fs::create_dir(self.dir.join(os(path))).unwrap();
    }

    pub fn remove(&self, path: &[u8]) {
        let path = self.dir.join(os(path));
        match path.symlink_metadata().unwrap().is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }

    pub fn rename(&mut self, from: &[u8], to: &[u8]) {
        fs::rename(self.dir.join(os(from)), self.dir.join(os(to))).unwrap();
        let prefix = [to, b"/"].concat();
        for path in self.paths() {
            if (path == to || path.starts_with(&prefix)) && !path.ends_with(b"/") {
                self.written.insert(self.ino(&path));
            }
        }
    }

    pub fn exists(&self, path: &[u8]) -> bool {
        self.dir.join(os(path)).symlink_metadata().is_ok()
    }

    fn ino(&self, path: &[u8]) -> u64 {
        self.dir.join(os(path)).symlink_metadata().unwrap().ino()
    }

    fn stamp(&mut self, path: &[u8]) {
        self.tick += 1;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.tick);
        fs::File::open(self.dir.join(os(path))).unwrap().set_modified(time).unwrap();
    }

    /// Has git look at every file that is no longer as it was checked out.
    fn age_written(&mut self) {
        for path in self.paths() {
            let full = self.dir.join(os(&path));
            if full.symlink_metadata().unwrap().is_file() && self.written.contains(&self.ino(&path))
            {
                self.stamp(&path);
            }
        }
    }
}

impl World {
    /// A workspace on what `build` makes and commits.
    pub fn new(build: impl FnOnce(&mut Plain)) -> World {
        Self::with(crate::git::newest(), HashKind::Sha1, build)
    }

    pub fn with(git: &'static str, hash: HashKind, build: impl FnOnce(&mut Plain)) -> World {
        let dir = TempDir::new().unwrap();
        let mut seed = Plain::init(git, &dir.path().join("seed"), hash);
        build(&mut seed);
        seed.commit();
        let plain = checkout(&seed, &dir.path().join("plain"));
        Self::over(dir, seed, plain)
    }

    /// A workspace on the tree whose id `build` returns. One that git cannot check out has no
    /// worktree beside it.
    pub fn with_tree(build: impl FnOnce(&mut Plain) -> String) -> World {
        let dir = TempDir::new().unwrap();
        let mut seed = Plain::init(crate::git::newest(), &dir.path().join("seed"), HashKind::Sha1);
        let tree = build(&mut seed);
        let commit = seed.git(&["commit-tree", "-m", "made by hand", &tree]);
        seed.git(&["update-ref", MAIN, &commit]);
        let plain = checkout(&seed, &dir.path().join("plain"));
        Self::over(dir, seed, plain)
    }

    /// A workspace on a repository without a commit.
    pub fn unborn(hash: HashKind) -> World {
        let dir = TempDir::new().unwrap();
        let git = crate::git::newest();
        let plain = Plain::init(git, &dir.path().join("plain"), hash);
        // Not cloned: git 2.39 clones an empty repository of sha256 as one of sha1.
        let gitdir = dir.path().join("gitdir");
        let format = if hash == HashKind::Sha1 { "sha1" } else { "sha256" };
        let format = format!("--object-format={format}");
        plain.git(&["init", "-q", "--bare", "-b", "main", &format, gitdir.to_str().unwrap()]);
        Self::around(dir, plain, gitdir)
    }

    fn over(dir: TempDir, seed: Plain, plain: Plain) -> World {
        let gitdir = dir.path().join("gitdir");
        let clone = ["clone", "-q", "--bare", ".", gitdir.to_str().unwrap()];
        seed.git(&clone);
        Self::around(dir, plain, gitdir)
    }

    fn around(dir: TempDir, plain: Plain, gitdir: PathBuf) -> World {
        plain.git(&["--git-dir", gitdir.to_str().unwrap(), "config", "user.name", "W Ork"]);
        plain.git(&["--git-dir", gitdir.to_str().unwrap(), "config", "user.email", "w@ork"]);
        let repo = Repo::open(&gitdir).unwrap();
        let tip = repo.head().unwrap().tip();
        let tree = tip.map_or(repo.empty_tree(), |tip| repo.commit(tip).unwrap().tree);
        Self::on(dir, plain, gitdir, repo, tree)
    }

    fn on(dir: TempDir, plain: Plain, gitdir: PathBuf, repo: Repo, tree: Oid) -> World {
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        let config = ViewConfig {
            uid: 0,
            gid: 0,
            base_time: Timespec::from_sec(1_600_000_000),
            gitfile: b"gitdir: /nowhere\n".to_vec(),
            read_only: false,
            state_dir: state.clone(),
        };
        let disk = Arc::new(OsDisk::default());
        let clock = Arc::new(WallClock::default());
        let overlay = Overlay::create(&state, config.root(tree), disk.clone()).unwrap();
        let overlay = Arc::new(overlay);
        let base = Arc::new(Base::new(repo, state));
        let workspace = Workspace::new(overlay.clone(), base.clone(), clock.clone(), config);
        let sealer = Sealer::new(base.clone(), disk.clone(), clock.clone(), MOUNT_DIR.into());
        let workspace = Arc::new(workspace);
        World { clock, plain, gitdir, workspace, overlay, base, sealer, disk, dir }
    }

    pub fn repo(&self) -> &Repo {
        self.base.repo()
    }

    /// Runs git on the workspace's own git directory.
    pub fn git(&self, args: &[&str]) -> String {
        let gitdir = self.gitdir.to_str().unwrap();
        self.plain.git(&[&["--git-dir", gitdir], args].concat())
    }

    pub fn plan(&self) -> Plan {
        self.try_plan().unwrap()
    }

    pub fn try_plan(&self) -> Result<Plan, CommitError> {
        let head = self.repo().head().unwrap();
        self.sealer.plan(&self.overlay.freeze(), &head, &TrackedPaths::Head)
    }

    pub fn cut(&self) -> Cut {
        let tracked = TrackedPaths::Head;
        Cut { freeze: self.overlay.freeze(), tracked, operation: None }
    }

    pub fn seal(&self) -> Sealed {
        self.try_seal(&allow_all()).unwrap()
    }

    pub fn try_seal(&self, request: &SealRequest) -> Result<Sealed, CommitError> {
        self.sealer
            .seal(request, &mut |_: &toft::git::Head| Ok(self.cut()))
            .map(|(sealed, _)| sealed)
    }

    /// Asserts that a seal would be what git says, tree and list of changes.
    pub fn check(&mut self) -> Oid {
        let expected = self.plain.oracle();
        let plan = self.plan();
        if plan.tree != expected {
            let tree = self.seal_anyway();
            let borrowed = format!("{}\n", self.gitdir.join("objects").display());
            fs::write(self.plain.dir.join(".git/objects/info/alternates"), borrowed).unwrap();
            let range = [expected.to_string(), format!("{tree}^{{tree}}")];
            let diff = self.plain.git(&["diff", "--raw", &range[0], &range[1]]);
            let changes = &plan.changes;
            panic!("git's tree, then ours, in {:?}:\n{diff}\n{changes:#?}", self.dir.path());
        }
        assert_eq!(changes_of(&plan), self.changes_by_git(expected));
        expected
    }

    /// Seals, and commits in the worktree.
    pub fn seal_both(&mut self) -> Sealed {
        let expected = self.plain.oracle();
        let sealed = self.seal();
        if let Sealed::Commit { oid, plan, .. } = &sealed {
            assert_eq!(plan.tree, expected);
            assert_eq!(self.repo().commit(*oid).unwrap().tree, expected);
        }
        self.plain.commit();
        sealed
    }

    fn seal_anyway(&self) -> String {
        match self.seal() {
            Sealed::Commit { oid, .. } => oid.to_string(),
            Sealed::Nothing { .. } => self.git(&["rev-parse", "HEAD"]),
        }
    }

    fn changes_by_git(&self, tree: Oid) -> Vec<(char, Vec<u8>)> {
        let head = match self.repo().head().unwrap().tip() {
            Some(_) => self.plain.git(&["rev-parse", "HEAD^{tree}"]),
            None => self.repo().empty_tree().to_string(),
        };
        let tree = tree.to_string();
        let args = ["diff-tree", "-r", "-z", "--name-status", "--no-renames", &head, &tree];
        let output = self.plain.git_bytes(&args);
        let mut fields = output.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        let mut changes = Vec::new();
        while let (Some(kind), Some(path)) = (fields.next(), fields.next()) {
            let kind = if kind == b"T" { 'M' } else { char::from(kind[0]) };
            changes.push((kind, path.to_vec()));
        }
        changes.sort_by(|a, b| a.1.cmp(&b.1));
        changes
    }
}

/// A worktree of what `seed` committed, byte by byte as it is stored (D7), all of it clean to git.
fn checkout(seed: &Plain, dir: &Path) -> Plain {
    seed.git(&["clone", "-q", "--no-checkout", ".", dir.to_str().unwrap()]);
    let mut plain =
        Plain { git: seed.git, dir: dir.to_owned(), tick: 1_400_000_000, written: HashSet::new() };
    let attributes = dir.join(".git/info/attributes");
    fs::create_dir_all(attributes.parent().unwrap()).unwrap();
    fs::write(&attributes, "* -text -ident -filter\n").unwrap();
    // What cannot be checked out is not compared.
    let _ = command(seed.git).current_dir(dir).args(["checkout", "-q"]).output().unwrap();
    for path in plain.paths() {
        if plain.dir.join(os(&path)).symlink_metadata().unwrap().is_file() {
            plain.stamp(&path);
        }
    }
    plain.git(&["update-index", "-q", "--refresh"]);
    fs::remove_file(attributes).unwrap();
    plain
}

pub fn changes_of(plan: &Plan) -> Vec<(char, Vec<u8>)> {
    let letter = |kind| match kind {
        ChangeKind::Added => 'A',
        ChangeKind::Modified => 'M',
        ChangeKind::Deleted => 'D',
    };
    plan.changes.iter().map(|change| (letter(change.kind), change.path.clone())).collect()
}

pub fn allow_all() -> SealRequest {
    allow(&[Guard::MassDelete, Guard::BigFile, Guard::Secret, Guard::Branch])
}

pub fn allow(guards: &[Guard]) -> SealRequest {
    let allow = Allow(guards.iter().copied().collect());
    SealRequest { allow, mounted_branch: MAIN.to_owned(), ..SealRequest::default() }
}

/// The same operation in both.
impl World {
    pub fn write(&mut self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) {
        let (path, bytes) = (path.as_ref(), bytes.as_ref());
        self.plain.write(path, bytes);
        self.write_here(path, bytes);
    }

    /// In the workspace only.
    pub fn write_here(&self, path: &[u8], bytes: &[u8]) {
        let (dir, name) = self.make_parents(path);
        let fh = match self.workspace.lookup(dir, &name).unwrap() {
            Some(attr) => {
                let mode = OpenMode { write: true, truncate: true, kill_suid: false };
                self.workspace.open(attr.ino, mode).unwrap()
            }
            None => self.workspace.create(Caller::default(), dir, &name, 0o644).unwrap().1,
        };
        let mode = WriteMode::default();
        self.workspace.write(fh, bytes, 0, mode).unwrap();
        self.workspace.release(fh);
    }

    pub fn chmod(&self, path: impl AsRef<[u8]>, perm: u32) {
        self.plain.chmod(path.as_ref(), perm);
        self.chmod_here(path.as_ref(), perm);
    }

    pub fn chmod_here(&self, path: &[u8], perm: u32) {
        let set = SetAttr { perm: Some(perm), ..SetAttr::default() };
        self.workspace.setattr(Caller::default(), self.ino(path), &set).unwrap();
    }

    pub fn symlink(&self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) {
        self.plain.symlink(path.as_ref(), target.as_ref());
        let (dir, name) = self.parent(path.as_ref());
        self.workspace.symlink(Caller::default(), dir, &name, target.as_ref()).unwrap();
    }

    pub fn mkdir(&self, path: impl AsRef<[u8]>) {
        self.plain.mkdir(path.as_ref());
        let (dir, name) = self.parent(path.as_ref());
        self.workspace.mkdir(Caller::default(), dir, &name, 0o755).unwrap();
    }

    pub fn fifo(&self, path: impl AsRef<[u8]>) {
        let path = path.as_ref();
        let full = self.plain.dir.join(os(path));
        let status = std::process::Command::new("mkfifo").arg(full).status();
        assert!(status.unwrap().success());
        let (dir, name) = self.parent(path);
        self.workspace.mknod(Caller::default(), dir, &name, FileKind::Fifo, 0o644, 0).unwrap();
    }

    pub fn link(&mut self, path: impl AsRef<[u8]>, new: impl AsRef<[u8]>) {
        let (path, new) = (path.as_ref(), new.as_ref());
        fs::hard_link(self.plain.dir.join(os(path)), self.plain.dir.join(os(new))).unwrap();
        let (dir, name) = self.parent(new);
        self.workspace.link(self.ino(path), dir, &name).unwrap();
        let ino = self.plain.ino(new);
        self.plain.written.insert(ino);
    }

    pub fn rename(&mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) {
        let (from, to) = (from.as_ref(), to.as_ref());
        self.plain.rename(from, to);
        self.rename_here(from, to);
    }

    pub fn rename_here(&self, from: &[u8], to: &[u8]) {
        let (dir, name) = self.parent(from);
        let (new_dir, new_name) = self.parent(to);
        self.workspace.rename(dir, &name, new_dir, &new_name, RenameMode::Replace, None).unwrap();
    }

    /// Removes a file or a whole directory.
    pub fn remove(&self, path: impl AsRef<[u8]>) {
        self.plain.remove(path.as_ref());
        self.remove_here(path.as_ref());
    }

    pub fn remove_here(&self, path: &[u8]) {
        let (dir, name) = self.parent(path);
        let attr = self.workspace.lookup(dir, &name).unwrap().unwrap();
        if attr.kind != FileKind::Directory {
            return self.workspace.unlink(dir, &name).unwrap();
        }
        for listed in self.workspace.list(attr.ino).unwrap().iter() {
            self.remove_here(&[path, b"/", listed.name.as_bytes()].concat());
        }
        self.workspace.rmdir(dir, &name).unwrap();
    }

    /// Copies a directory of this host into both.
    pub fn copy_in(&mut self, from: &Path, to: &[u8]) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let path = [to, b"/", entry.file_name().as_bytes()].concat();
            if entry.file_type().unwrap().is_dir() {
                if !self.plain.exists(&path) {
                    self.mkdir(&path);
                }
                self.copy_in(&entry.path(), &path);
            } else {
                self.write(&path, fs::read(entry.path()).unwrap());
            }
        }
    }

    /// Looked up as the kernel does, and never forgotten.
    pub fn ino(&self, path: &[u8]) -> Ino {
        let look = |dir, name| self.workspace.lookup(dir, name).unwrap().unwrap().ino;
        path.split(|byte| *byte == b'/').fold(Ino::ROOT, look)
    }

    /// The directory of `path` and its last name.
    fn parent(&self, path: &[u8]) -> (Ino, Vec<u8>) {
        let (dir, name) = split(path);
        let dir = if dir.is_empty() { Ino::ROOT } else { self.ino(dir) };
        (dir, name.to_vec())
    }

    fn make_parents(&self, path: &[u8]) -> (Ino, Vec<u8>) {
        let (dirs, name) = split(path);
        let mut dir = Ino::ROOT;
        for part in dirs.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            dir = match self.workspace.lookup(dir, part).unwrap() {
                Some(attr) => attr.ino,
                None => self.workspace.mkdir(Caller::default(), dir, part, 0o755).unwrap().ino,
            };
        }
        (dir, name.to_vec())
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}
