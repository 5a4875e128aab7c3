//! One host: its own state, cache and runtime directories, and the real binary.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub struct Host {
    pub root: TempDir,
    pub dir: PathBuf,
}

impl Host {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("mount");
        Self { root, dir }
    }

    /// The binary with this host's directories and no configuration but ours.
    pub fn toft(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_toft"));
        for (name, folder) in
            [("TOFT_STATE_DIR", "state"), ("TOFT_CACHE_DIR", "cache"), ("TOFT_RUNTIME_DIR", "run")]
        {
            command.env(name, self.root.path().join(folder));
        }
        self.hermetic(&mut command);
        command.stdin(Stdio::null());
        command
    }

    pub fn git(&self, dir: &Path, args: &[&str]) -> String {
        let mut command = Command::new("git");
        self.hermetic(&mut command);
        let output = command.current_dir(dir).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn hermetic(&self, command: &mut Command) {
        command
            .env("HOME", self.root.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Test")
            .env("GIT_AUTHOR_EMAIL", "test@example.com")
            .env("GIT_COMMITTER_NAME", "Test")
            .env("GIT_COMMITTER_EMAIL", "test@example.com");
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.toft().args(args).output().unwrap()
    }

    pub fn ok(&self, args: &[&str]) -> Output {
        let output = self.run(args);
        assert!(output.status.success(), "toft {args:?}: {output:?}\n{}", self.daemon_logs());
        output
    }

    pub fn mount(&self, source: &Path) {
        self.ok(&["mount", source.to_str().unwrap(), self.dir.to_str().unwrap()]);
    }

    pub fn status(&self) -> Value {
        let output = self.ok(&["status", "--json", self.dir.to_str().unwrap()]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn kill_daemon(&self, pid: i32) {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    pub fn daemon_logs(&self) -> String {
        let workspaces = self.root.path().join("state/workspaces");
        let Ok(entries) = std::fs::read_dir(workspaces) else { return String::new() };
        entries
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("daemon.log")).ok())
            .collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let dir = self.dir.to_str().unwrap();
        let _ = self.run(&["umount", "--discard", dir]);
        let _ = Command::new("umount").args(["-l", dir]).stderr(Stdio::null()).status();
    }
}

/// A bare repository with a few files, directories and links on `main`.
pub fn seeded_remote(host: &Host) -> PathBuf {
    let work = host.root.path().join("seed");
    std::fs::create_dir_all(work.join("src/deep")).unwrap();
    for number in 0..12 {
        let text = format!("file {number}\n").repeat(20 * number + 1);
        std::fs::write(work.join(format!("src/f{number}")), text).unwrap();
    }
    std::fs::write(work.join("src/deep/one"), "one\n").unwrap();
    std::fs::write(work.join("README"), "read me\n").unwrap();
    std::os::unix::fs::symlink("src/f1", work.join("link")).unwrap();
    host.git(&work, &["init", "-q", "-b", "main"]);
    host.git(&work, &["add", "-A"]);
    host.git(&work, &["commit", "-q", "-m", "seed"]);
    let remote = host.root.path().join("remote.git");
    host.git(&work, &["clone", "-q", "--bare", ".", remote.to_str().unwrap()]);
    remote
}
