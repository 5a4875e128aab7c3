//! Stock git as the oracle.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use toft::dotgit::index::FileStat;
use toft::dotgit::{BaseStat, Files, GitdirSpec, IndexLock, Installed, after_seal};
use toft::git::{Head, Repo};
use toft::types::{Ino, Oid, Timespec};

/// The versions of git that this machine has.
pub fn gits() -> Vec<&'static str> {
    ["/usr/bin/git", "/usr/local/bin/git"].into_iter().filter(|p| Path::new(p).exists()).collect()
}

/// Each git, and each hash with the newest.
pub fn variants() -> Vec<(&'static str, &'static str)> {
    let mut variants: Vec<_> = gits().into_iter().map(|git| (git, "sha1")).collect();
    variants.extend(gits().last().map(|git| (*git, "sha256")));
    variants
}

/// A git repository with a working tree in a temporary directory.
pub struct TestRepo {
    _dir: TempDir,
    pub git: &'static str,
    pub work: PathBuf,
}

/// `git` in `dir`, with nothing of the machine's or the user's configuration.
pub fn command(git: &str, dir: &Path) -> Command {
    let mut command = Command::new(git);
    for (name, _) in std::env::vars_os() {
        if name.as_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "protocol.file.allow")
        .env("GIT_CONFIG_VALUE_0", "always");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "A")
            .env(format!("GIT_{who}_EMAIL"), "a@example.invalid")
            .env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    command
}

/// The output of a command that must succeed.
pub fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

impl TestRepo {
    pub fn new(git: &'static str, format: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        std::fs::create_dir(&work).unwrap();
        let repo = Self { _dir: dir, git, work };
        let format = format!("--object-format={format}");
        repo.run(["init", "-q", "-b", "main", "--template=", &format]);
        repo
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Vec<u8> {
        output(command(self.git, &self.work).args(args))
    }

    pub fn text<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        String::from_utf8(self.run(args)).unwrap().trim_end().to_owned()
    }

    pub fn write(&self, path: impl AsRef<[u8]>, content: &[u8]) {
        let path = self.work.join(OsStr::from_bytes(path.as_ref()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn commit(&self, message: &str) -> String {
        self.run(["add", "-A"]);
        self.run(["commit", "-q", "--allow-empty", "-m", message]);
        self.text(["rev-parse", "HEAD"])
    }

    pub fn gitdir(&self) -> PathBuf {
        self.work.join(".git")
    }
}

/// Fills the working tree with what indexes have trouble with.
pub fn hard_cases(repo: &TestRepo) {
    repo.write("plain", b"content\n");
    repo.write("empty", b"");
    repo.write("run.sh", b"#!/bin/sh\n");
    let executable: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(repo.work.join("run.sh"), executable).unwrap();
    repo.write(b"caf\xe9/\xff\xfe", b"not UTF-8");
    repo.write("n".repeat(255), b"a long name");
    // git sorts a directory as if it ended in a slash.
    for twin in ["a", "a-b/x", "a.c", "a0"] {
        repo.write(twin, twin.as_bytes());
    }
    repo.write("b/one", b"1");
    repo.write("b.txt", b"2");
    repo.write("b-/x", b"3");
    for length in 1..=20 {
        repo.write(format!("pad/{}", "p".repeat(length)), b"padding");
    }
    let deep = vec!["deep"; 60].join("/");
    repo.write(format!("{deep}/file"), b"deep");
    // Longer than the 12 bits that hold the length of a path.
    let long = vec!["l".repeat(250); 15].join("/");
    repo.write(format!("{long}/{}", "m".repeat(200)), b"long");
    for (target, link) in [("plain", "link"), ("../outside", "b/link"), ("loop", "loop")] {
        std::os::unix::fs::symlink(target, repo.work.join(link)).unwrap();
    }
    let commit = "1".repeat(repo.text(["hash-object", "-t", "tree", "/dev/null"]).len());
    repo.run(["add", "-A"]);
    std::fs::create_dir_all(repo.work.join("sub/module")).unwrap();
    repo.run(["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub/module")]);
}

/// A store, a git directory on it, and a folder that stands for the mount.
pub struct Mounted {
    pub repo: TestRepo,
    pub store: PathBuf,
    pub gitdir: PathBuf,
    pub dir: PathBuf,
}

impl Mounted {
    /// From what is committed in `repo`.
    pub fn on(repo: TestRepo) -> Self {
        Self::with(repo, &[])
    }

    /// The store is cloned with these options.
    pub fn with(repo: TestRepo, options: &[&str]) -> Self {
        let top = repo.work.parent().unwrap().to_owned();
        let store = top.join("store.git");
        let source = format!("file://{}", repo.work.display());
        let mut clone = command(repo.git, &top);
        clone.args(["clone", "-q", "--bare"]).args(options).args([&*source, "store.git"]);
        output(&mut clone);
        // As the store room has them.
        let mut packed = String::from("# pack-refs with: sorted \n");
        for line in repo.text(["for-each-ref", "--format=%(objectname) %(refname)"]).lines() {
            packed += &format!("{}\n", line.replace("refs/heads/", "refs/remotes/origin/"));
        }
        std::fs::write(store.join("packed-refs"), packed).unwrap();
        std::fs::remove_dir_all(store.join("refs")).unwrap();
        std::fs::create_dir(store.join("refs")).unwrap();
        let mounted = Self { store, gitdir: top.join("state/gitdir"), dir: top.join("mnt"), repo };
        mounted.create();
        std::fs::create_dir(&mounted.dir).unwrap();
        std::fs::write(mounted.dir.join(".git"), toft::dotgit::gitfile(&mounted.gitdir)).unwrap();
        mounted
    }

    pub fn head(&self) -> Oid {
        Oid::from_hex(self.repo.text(["rev-parse", "HEAD"]).as_bytes()).unwrap()
    }

    pub fn tree(&self) -> Oid {
        Oid::from_hex(self.repo.text(["rev-parse", "HEAD^{tree}"]).as_bytes()).unwrap()
    }

    pub fn spec<'a>(&'a self, head: &'a Head) -> GitdirSpec<'a> {
        GitdirSpec {
            store: &self.store,
            hash: self.head().kind(),
            url: "https://host/a\\b \"r\".git",
            head,
            default_branch: Some("refs/heads/main"),
            partial: false,
        }
    }

    pub fn create(&self) {
        let head = Head::Branch { name: "refs/heads/main".into(), tip: Some(self.head()) };
        toft::dotgit::create(&toft::sys::OsDisk::default(), &self.gitdir, &self.spec(&head))
            .unwrap();
    }

    pub fn open(&self) -> Repo {
        Repo::open(&self.gitdir).unwrap()
    }

    /// Fills the index as a mount would.
    pub fn install(&self, stat: BaseStat) -> toft::dotgit::Result<Installed> {
        let cache = self.store.join("toft");
        let disk = toft::sys::OsDisk::default();
        toft::dotgit::install_index(&self.gitdir, &cache, &self.open(), self.tree(), stat, &disk)
    }

    /// git in the mount, whatever it says.
    pub fn try_git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        command(self.repo.git, &self.dir).args(args).output().unwrap()
    }

    /// git in the mount, which must succeed.
    pub fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let output = output(command(self.repo.git, &self.dir).args(args));
        String::from_utf8_lossy(&output).trim_end().to_owned()
    }

    /// Writes the files of HEAD into the folder, with times of long ago.
    pub fn check_out(&self) {
        let index = self.gitdir.join("other-index");
        for args in [&["read-tree", "HEAD"][..], &["checkout-index", "-a", "-f"]] {
            output(command(self.repo.git, &self.dir).env("GIT_INDEX_FILE", &index).args(args));
        }
        let old = ["-c", "find . -name .git -o -print0 | xargs -0 touch -h -d @1600000000"];
        output(command("sh", &self.dir).args(old));
        std::fs::remove_file(index).unwrap();
    }

    /// What lstat(2) says of a path in the folder.
    pub fn stat(&self, path: &[u8]) -> Option<FileStat> {
        let metadata = self.dir.join(OsStr::from_bytes(path)).symlink_metadata().ok()?;
        let time = |sec, nsec| Timespec { sec, nsec: u32::try_from(nsec).unwrap() };
        Some(FileStat {
            ino: Ino(metadata.ino()),
            size: metadata.len(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            mtime: time(metadata.mtime(), metadata.mtime_nsec()),
            ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// The index after HEAD moved; what is in the folder was frozen at `at`.
    pub fn follow_at(&self, at: i64) -> bool {
        let lock = IndexLock::acquire(&self.gitdir).unwrap().unwrap();
        let stat = |path: &[u8]| self.stat(path);
        let files = Files { stat: &stat, at: Timespec::from_sec(at) };
        let repo = self.open();
        let head = repo.head().unwrap().tip().unwrap();
        after_seal(lock, &repo, head, &files).unwrap()
    }

    pub fn follow(&self) {
        assert!(self.follow_at(i64::MAX));
    }

    /// Commits the files of the folder as a seal does: without the index, and HEAD moves.
    pub fn seal(&self) {
        let index = self.gitdir.join("other-index");
        let run = |args: &[&str]| {
            let mut command = command(self.repo.git, &self.dir);
            let text = output(command.env("GIT_INDEX_FILE", &index).args(args));
            String::from_utf8(text).unwrap().trim_end().to_owned()
        };
        run(&["read-tree", "HEAD"]);
        run(&["add", "-A"]);
        let tree = run(&["write-tree"]);
        let commit = run(&["commit-tree", "-p", "HEAD", "-m", "seal", &tree]);
        run(&["update-ref", "HEAD", &commit]);
        std::fs::remove_file(index).unwrap();
    }
}

pub fn oid(hex: &str) -> Oid {
    Oid::from_hex(hex.as_bytes()).unwrap()
}
