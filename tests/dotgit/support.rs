//! Stock git as the oracle.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The versions of git that this machine has.
pub fn gits() -> Vec<&'static str> {
    ["/usr/bin/git", "/usr/local/bin/git"].into_iter().filter(|p| Path::new(p).exists()).collect()
}

/// A git repository with a working tree in a temporary directory.
pub struct TestRepo {
    _dir: TempDir,
    pub git: &'static str,
    pub work: PathBuf,
    /// Options before the subcommand, such as `--git-dir`.
    options: Vec<OsString>,
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
        let repo = Self { _dir: dir, git, work, options: Vec::new() };
        let format = format!("--object-format={format}");
        repo.run(["init", "-q", "-b", "main", "--template=", &format]);
        repo
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Vec<u8> {
        output(command(self.git, &self.work).args(&self.options).args(args))
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
