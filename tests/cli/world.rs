use crate::support::{Host, Kind, Ran, Server, mounts};
use std::path::PathBuf;

/// A host, a remote with the repository `r.git`, and a folder to mount at.
pub struct World {
    pub server: Server,
    pub host: Host,
    pub dir: PathBuf,
}

impl World {
    pub fn new() -> World {
        World::on(Host::new())
    }

    pub fn on(host: Host) -> World {
        let server = Server::start(Kind::File);
        server.seeded("r.git");
        let dir = host.path("work").canonicalize().unwrap().join("m");
        World { server, host, dir }
    }

    pub fn remote(&self) -> PathBuf {
        self.server.repo("r.git")
    }

    pub fn mount(&self) {
        self.mount_with("").ok();
    }

    pub fn mount_with(&self, flags: &str) -> Ran {
        self.host.toft(&format!(
            "mount {} {} {flags}",
            self.server.url("r.git"),
            self.dir.display()
        ))
    }

    /// A command on the mount.
    pub fn at(&self, command: &str) -> Ran {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        self.host.toft(&format!("{verb} {} {rest}", self.dir.display()))
    }

    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.dir.join(name), content).unwrap();
    }

    /// Subjects on the remote's branch, newest first.
    pub fn log(&self, branch: &str) -> Vec<String> {
        let host = Host::new();
        let text = host.git(&self.remote(), &["log", "--format=%s", branch]);
        text.lines().map(str::to_owned).collect()
    }

    pub fn is_mounted(&self) -> bool {
        mounts::at(&self.dir).is_some()
    }

    pub fn json(&self, command: &str) -> serde_json::Value {
        serde_json::from_slice(&self.at(&format!("{command} --json")).stdout).unwrap()
    }

    pub fn pid(&self) -> i32 {
        let pid = self.json("status")["daemon"]["pid"].as_i64().unwrap();
        i32::try_from(pid).unwrap()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
}
