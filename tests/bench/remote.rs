//! A git server that is a round trip of 20 ms away, and somebody who works on its repo by one driver.

use super::compare;
use crate::support::far::FarAway;
use crate::support::{Host, Kind, Server};
use std::path::{Path, PathBuf};
use std::time::Duration;

const ROUND_TRIP: Duration = Duration::from_millis(20);

/// A host that knows nothing of the repo until it arrives there, and the repo's server.
pub struct Site {
    pub driver: &'static str,
    pub host: Host,
    pub root: PathBuf,
    server: Server,
    link: FarAway,
}

impl Site {
    /// Serves a copy of `repo`.
    pub fn new(driver: &'static str, repo: &Path) -> Self {
        let server = Server::start(Kind::Http);
        let link = FarAway::start(server.port(), ROUND_TRIP);
        let host = Host::new();
        let served = server.repo("r.git");
        let (from, to) = (repo.to_str().expect("text"), served.to_str().expect("text"));
        host.git(&server.path(""), &["clone", "-q", "--bare", "--local", from, to]);
        for key in ["http.receivepack", "uploadpack.allowFilter"] {
            host.git(&served, &["config", key, "true"]);
        }
        let root = host.path("work/far");
        Self { driver, host, root, server, link }
    }

    /// Requests that the server got so far.
    pub fn requests(&self) -> u64 {
        self.link.requests()
    }

    fn is_native(&self) -> bool {
        self.driver == "native"
    }

    fn toft(&self, words: &[&str]) -> String {
        self.host.toft_with(words).ok()
    }

    fn text(&self) -> &str {
        self.root.to_str().expect("text")
    }

    /// From nothing to a tree.
    pub fn arrive(&self) {
        let url = self.server.url_at("r.git", self.link.port());
        if self.is_native() {
            self.host
                .git(&self.host.path("work"), &["clone", "-q", "--depth", "1", &url, self.text()]);
            return;
        }
        let mount =
            ["mount", "--json", "--flush-on", "manual", "--hydrate", "lazy", "--depth", "1"];
        let said = self.toft(&[&mount[..], &[&url, self.text()]].concat());
        assert!(said.contains("\"hydrate\": \"lazy\""), "{said}");
    }

    /// Takes everything that was changed to the server. Returns what tells its tree from others.
    pub fn push(&self, message: &str) {
        if self.is_native() {
            let git = |words: &[&str]| self.host.git(&self.root, words);
            git(&["add", "-A"]);
            git(&["-c", "core.fsync=all", "commit", "-q", "-m", message]);
            git(&["push", "-q", "origin", "HEAD"]);
        } else {
            self.toft(&["flush", "-m", message, self.text()]);
        }
    }

    /// A number that tells the tree on the server from others.
    pub fn pushed(&self) -> u64 {
        let tree = self.host.git(&self.server.repo("r.git"), &["rev-parse", "main^{tree}"]);
        u64::from_str_radix(&tree[..15], 16).expect("hex")
    }

    /// Goes to another host, which knows nothing.
    pub fn leave(&mut self) {
        if !self.is_native() {
            self.toft(&["umount", self.text()]);
        }
        self.host = Host::new();
        self.root = self.host.path("work/far");
    }

    /// A plain checkout of what is on the server.
    pub fn reference(&self) -> PathBuf {
        let (served, to) = (self.server.repo("r.git"), self.host.path("work/reference"));
        let words = [served.to_str().expect("text"), to.to_str().expect("text")];
        self.host.git(&self.host.path("work"), &["clone", "-q", "--local", words[0], words[1]]);
        to
    }

    /// Everything is here as it is in `reference`; the bytes of it.
    pub fn compare(&self, reference: &Path) -> u64 {
        compare::trees(&self.root, reference)
    }
}
