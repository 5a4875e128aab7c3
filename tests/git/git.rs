//! A hermetic git to make repositories with and to ask for the right answer.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use toft::git::Repo;
use toft::types::{HashKind, Oid};

/// The gits of this machine, old and new.
pub const GITS: [&str; 2] = ["/usr/bin/git", "/usr/local/bin/git"];

pub struct Sandbox {
    dir: TempDir,
    git: &'static str,
}

impl Sandbox {
    /// A repository with a worktree, on branch main, without commits.
    pub fn new(hash: HashKind) -> Self {
        Self::with_git(hash, newest())
    }

    pub fn with_git(hash: HashKind, git: &'static str) -> Self {
        let sandbox = Self { dir: TempDir::new().unwrap(), git };
        let format =
            format!("--object-format={}", if hash == HashKind::Sha1 { "sha1" } else { "sha256" });
        sandbox.git(&["init", "-q", "-b", "main", &format, "."]);
        sandbox
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn gitdir(&self) -> PathBuf {
        self.path().join(".git")
    }

    pub fn open(&self) -> Repo {
        Repo::open(&self.gitdir()).unwrap()
    }

    /// Runs git, which must succeed, and returns what it printed without the last newline.
    pub fn git<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        let bytes = self.git_bytes(args, b"");
        String::from_utf8(bytes).unwrap().trim_end_matches('\n').to_owned()
    }

    pub fn git_bytes<S: AsRef<OsStr>>(&self, args: &[S], stdin: &[u8]) -> Vec<u8> {
        let output = self.try_git(args, stdin);
        let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {stderr}");
        output.stdout
    }

    pub fn try_git<S: AsRef<OsStr>>(&self, args: &[S], stdin: &[u8]) -> Output {
        let mut child = command(self.git)
            .current_dir(self.path())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_vec();
        let feeder = std::thread::spawn(move || pipe.write_all(&stdin));
        let output = child.wait_with_output().unwrap();
        let _ = feeder.join().unwrap();
        output
    }

    pub fn oid<S: AsRef<OsStr>>(&self, args: &[S]) -> Oid {
        parse(&self.git(args))
    }

    pub fn rev(&self, spec: &str) -> Oid {
        self.oid(&["rev-parse", spec])
    }

    pub fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) -> Oid {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.rev("HEAD")
    }

    /// Stores a tree object of exactly these bytes.
    pub fn raw_tree(&self, bytes: &[u8]) -> Oid {
        let args = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
        parse(String::from_utf8(self.git_bytes(&args, bytes)).unwrap().trim())
    }

    pub fn fsck(&self) {
        self.git(&["fsck", "--strict", "--full", "--no-dangling"]);
    }
}

pub fn newest() -> &'static str {
    GITS.iter().rev().find(|git| Path::new(git).exists()).expect("git is installed")
}

/// A git that no configuration of this machine reaches.
pub fn command(git: &str) -> Command {
    let mut command = Command::new(git);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "A U Thor")
        .env("GIT_AUTHOR_EMAIL", "author@example.com")
        .env("GIT_AUTHOR_DATE", "1700000000 +0100")
        .env("GIT_COMMITTER_NAME", "C O Mitter")
        .env("GIT_COMMITTER_EMAIL", "committer@example.com")
        .env("GIT_COMMITTER_DATE", "1700000001 -0230")
        .env("LC_ALL", "C");
    command
}

pub fn parse(hex: &str) -> Oid {
    Oid::from_hex(hex.as_bytes()).unwrap_or_else(|_| panic!("'{hex}' is no object id"))
}
