//! One host with a mount on it.

use crate::support::Host;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct World {
    pub host: Host,
    pub dir: PathBuf,
}

/// What every mount here gets besides, for runs by hand: `TOFT_TEST_OPTIONS=passthrough`.
pub fn options() -> Vec<String> {
    let options = std::env::var("TOFT_TEST_OPTIONS").ok();
    options.map_or(Vec::new(), |options| vec!["-o".into(), options])
}

impl World {
    pub fn new() -> Self {
        let host = Host::new();
        let dir = host.path("work/mount");
        Self { host, dir }
    }

    /// `toft VERB DIR`, not run yet.
    pub fn toft(&self, verb: &str) -> Command {
        let mut command = self.host.command(env!("CARGO_BIN_EXE_toft"));
        command.arg(verb).arg(&self.dir);
        command
    }

    pub fn mount(&self, source: &Path) {
        let mut mount = self.host.command(env!("CARGO_BIN_EXE_toft"));
        mount.arg("mount").arg(source).arg(&self.dir).args(options());
        let ran = self.host.run(mount);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, self.daemon_logs());
    }

    pub fn pid(&self) -> Pid {
        let mut status = self.toft("status");
        status.arg("--json");
        let report: Value = serde_json::from_str(&self.host.run(status).ok()).unwrap();
        let pid = report["daemon"]["pid"].as_i64().unwrap();
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    pub fn daemon_logs(&self) -> String {
        let Ok(entries) = std::fs::read_dir(self.host.path("state/workspaces")) else {
            return String::new();
        };
        entries
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("daemon.log")).ok())
            .collect()
    }
}

pub fn kill(daemon: Pid) {
    kill_process(daemon, Signal::KILL).unwrap();
}

/// A bare repository with a few files, directories and links on `main`.
pub fn seeded_remote(host: &Host) -> PathBuf {
    let work = host.folder("seed");
    std::fs::create_dir_all(work.join("src/deep")).unwrap();
    for number in 0..12 {
        let text = format!("file {number}\n").repeat(20 * number + 1);
        std::fs::write(work.join(format!("src/f{number}")), text).unwrap();
    }
    std::fs::write(work.join("src/deep/one"), "one\n").unwrap();
    std::fs::write(work.join("README"), "read me\n").unwrap();
    std::os::unix::fs::symlink("src/f1", work.join("link")).unwrap();
    host.git(&work, &["init", "-q"]);
    host.git(&work, &["add", "-A"]);
    host.git(&work, &["commit", "-q", "-m", "seed"]);
    let remote = host.path("remote.git");
    host.git(&work, &["clone", "-q", "--bare", ".", remote.to_str().unwrap()]);
    remote
}
