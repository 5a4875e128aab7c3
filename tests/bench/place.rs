//! Where a workload runs: the same tree, shown by one driver.

use crate::support::{Host, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A writable tree with the content of the repo, and a git repository in it.
pub trait Place {
    /// The driver.
    fn driver(&self) -> &'static str;
    /// The top of the tree.
    fn root(&self) -> &Path;
    /// Empties the kernel's caches of this mount, but not of what lies below it. Returns how long
    /// it took from nothing to a mount; None where there is nothing to mount.
    fn mount_anew(&mut self) -> Option<Duration>;
    /// Commits everything; durable on return.
    fn commit(&self, message: &str);
    /// Whether it has all that this workload needs.
    fn can(&self, _workload: &str) -> bool {
        true
    }
    /// The daemon that serves it.
    fn daemon(&self) -> Option<u32> {
        None
    }
}

/// A clone on the disk: what everything is measured against.
pub struct Native<'a> {
    pub host: &'a Host,
    pub root: PathBuf,
}

impl<'a> Native<'a> {
    pub fn clone(host: &'a Host, remote: &Path, name: &str) -> Self {
        let root = host.path("work").join(name);
        let (from, to) = (remote.to_str().expect("text"), root.to_str().expect("text"));
        host.git(&host.path("work"), &["clone", "-q", "--local", from, to]);
        Self { host, root }
    }
}

impl Place for Native<'_> {
    fn driver(&self) -> &'static str {
        "native"
    }
    fn root(&self) -> &Path {
        &self.root
    }
    fn mount_anew(&mut self) -> Option<Duration> {
        None
    }
    fn commit(&self, message: &str) {
        commit_with_git(self.host, &self.root, message);
    }
}

fn commit_with_git(host: &Host, root: &Path, message: &str) {
    host.git(root, &["add", "-A"]);
    host.git(root, &["-c", "core.fsync=all", "commit", "-q", "-m", message]);
}

/// The kernel's overlayfs over a clone.
pub struct Overlayfs<'a> {
    host: &'a Host,
    lower: PathBuf,
    dir: PathBuf,
    merged: PathBuf,
}

impl<'a> Overlayfs<'a> {
    /// None where this kernel or this user cannot mount one.
    pub fn over(host: &'a Host, lower: &Path, name: &str) -> Option<Self> {
        let dir = host.path("work").join(name);
        for part in ["upper", "work", "merged"] {
            std::fs::create_dir_all(dir.join(part)).expect("mkdir");
        }
        let merged = dir.join("merged");
        let place = Self { host, lower: lower.to_owned(), dir, merged };
        place.mount().then_some(place)
    }

    fn mount(&self) -> bool {
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            self.lower.display(),
            self.dir.join("upper").display(),
            self.dir.join("work").display()
        );
        let mut command = Command::new("mount");
        command.args(["-t", "overlay", "overlay", "-o", &options]).arg(&self.merged);
        command.status().is_ok_and(|status| status.success())
    }

    fn unmount(&self) {
        let done = Command::new("umount").arg(&self.merged).status();
        assert!(done.is_ok_and(|status| status.success()), "cannot unmount");
    }
}

impl Place for Overlayfs<'_> {
    fn driver(&self) -> &'static str {
        "overlayfs"
    }
    fn root(&self) -> &Path {
        &self.merged
    }
    fn mount_anew(&mut self) -> Option<Duration> {
        self.unmount();
        let start = Instant::now();
        assert!(self.mount(), "cannot mount");
        Some(start.elapsed())
    }
    fn commit(&self, message: &str) {
        commit_with_git(self.host, self.root(), message);
    }
}

impl Drop for Overlayfs<'_> {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// A worktree of a clone.
pub struct Worktree<'a> {
    host: &'a Host,
    clone: PathBuf,
    root: PathBuf,
}

impl<'a> Worktree<'a> {
    pub fn add(host: &'a Host, clone: &Path, name: &str) -> Self {
        let root = host.path("work").join(name);
        host.git(clone, &["worktree", "add", "-q", "--detach", root.to_str().expect("text")]);
        Self { host, clone: clone.to_owned(), root }
    }
}

impl Place for Worktree<'_> {
    fn driver(&self) -> &'static str {
        "worktree"
    }
    fn root(&self) -> &Path {
        &self.root
    }
    fn mount_anew(&mut self) -> Option<Duration> {
        None
    }
    fn commit(&self, message: &str) {
        commit_with_git(self.host, &self.root, message);
    }
}

impl Drop for Worktree<'_> {
    fn drop(&mut self) {
        let root = self.root.to_str().expect("text");
        self.host.git(&self.clone, &["worktree", "remove", "--force", root]);
    }
}

/// toft, mounted in one of its ways.
pub struct Toft<'a> {
    host: &'a Host,
    url: String,
    root: PathBuf,
    way: Way,
}

/// How the kernel and the daemon share the work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As anybody mounts.
    Plain,
    /// The kernel reads and writes large files by itself.
    Passed,
    /// Requests come by io_uring.
    Ring,
}

/// Root's switch of the ring, for mounts that are made afterwards.
const RING: &str = "/sys/module/fuse/parameters/enable_uring";

impl Way {
    /// All of them, as drivers.
    pub const ALL: [(&'static str, Self); 3] =
        [("toft", Self::Plain), ("toft-pass", Self::Passed), ("toft-ring", Self::Ring)];
}

impl<'a> Toft<'a> {
    pub fn mount(host: &'a Host, remote: &Path, name: &str) -> Self {
        Self::mount_in(host, remote, name, Way::Plain)
    }

    pub fn mount_in(host: &'a Host, remote: &Path, name: &str, way: Way) -> Self {
        let root = host.path("work").join(name);
        let place = Self { host, url: remote.to_str().expect("text").to_owned(), root, way };
        place.mount_it();
        place
    }

    pub fn host(&self) -> &Host {
        self.host
    }

    fn text(&self) -> &str {
        self.root.to_str().expect("text")
    }

    fn mount_it(&self) {
        let mut words = vec!["mount", "--flush-on", "manual", &self.url, self.text()];
        let switch = |state| std::fs::write(RING, state).expect("root, and a kernel with the ring");
        match self.way {
            Way::Plain => {}
            Way::Passed => words.extend(["-o", "passthrough"]),
            Way::Ring => switch("Y"),
        }
        self.host.toft_with(&words).expect_code(0);
        if self.way == Way::Ring {
            switch("N");
        }
    }

    /// Unmounts without a commit, as a signal does where nothing is to be flushed by itself.
    fn leave(&self) {
        let daemon = self.daemon().and_then(|pid| i32::try_from(pid).ok()).expect("a daemon");
        let pid = Pid::from_raw(daemon).expect("a process");
        kill_process(pid, Signal::TERM).expect("it runs");
        let traces = PathBuf::from(format!("/proc/{daemon}"));
        wait_until("it is gone", || !traces.exists());
    }
}

impl Place for Toft<'_> {
    fn driver(&self) -> &'static str {
        Way::ALL.iter().find(|(_, way)| *way == self.way).expect("one of all").0
    }
    fn root(&self) -> &Path {
        &self.root
    }
    fn mount_anew(&mut self) -> Option<Duration> {
        self.leave();
        let start = Instant::now();
        self.mount_it();
        Some(start.elapsed())
    }
    fn commit(&self, message: &str) {
        self.host.toft_with(&["commit", "-m", message, self.text()]).expect_code(0);
    }
    fn daemon(&self) -> Option<u32> {
        let said = self.host.toft_with(&["status", "--json", self.text()]);
        let status: serde_json::Value = serde_json::from_slice(&said.stdout).ok()?;
        u32::try_from(status["daemon"]["pid"].as_u64()?).ok()
    }
}

impl Drop for Toft<'_> {
    fn drop(&mut self) {
        let done = self.host.toft_with(&["umount", "--discard", self.text()]);
        if done.code != 0 && !std::thread::panicking() {
            panic!("umount: {}", done.stderr);
        }
    }
}
