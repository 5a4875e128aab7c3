//! A repository with files in several folders behind a server that counts, and hosts that mount it.

use crate::gitrepo::{self, git};
use crate::http::Server;
use crate::support::{Host, Ran, Tree};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the repository that have files.
pub const FOLDERS: [&str; 8] = ["", "a", "a/b", "a/b/c", "d", "e/f", "e/g", "z"];
/// Files in each of them.
pub const FILES: usize = 12;

pub struct World {
    pub repos: gitrepo::World,
    pub server: Server,
    /// A plain checkout of what is on the server.
    pub checkout: PathBuf,
}

impl World {
    /// None where nothing can be mounted. The server knows filters.
    pub fn new(test: &str) -> Option<World> {
        if !crate::support::can_mount(test) {
            return None;
        }
        let repos = gitrepo::World::new();
        let url = repos.bare("r.git", &[]);
        let checkout = repos.checkout(&url, "checkout");
        for (number, folder) in FOLDERS.iter().enumerate() {
            fs::create_dir_all(checkout.join(folder)).unwrap();
            for file in 0..FILES {
                let text = format!("file {file} of folder {number}\n").repeat(1 + file * 7);
                fs::write(checkout.join(folder).join(format!("f{file}")), text).unwrap();
            }
        }
        std::os::unix::fs::symlink("b/f1", checkout.join("a/link")).unwrap();
        gitrepo::commit(&checkout, &[], "first");
        gitrepo::commit(&checkout, &[("a/f3", "another\n")], "second");
        git(&checkout, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
        let server = Server::start(&repos.path(""));
        let world = World { repos, server, checkout };
        world.configure("uploadpack.allowFilter", "true");
        Some(world)
    }

    /// Configures the server.
    pub fn configure(&self, key: &str, value: &str) {
        git(&self.repos.path("r.git"), &["config", key, value]);
    }

    pub fn url(&self) -> String {
        self.server.url("r.git")
    }

    /// Mounts on `host` so that only what is looked at comes.
    #[track_caller]
    pub fn mount(&self, host: &Host, name: &str) -> PathBuf {
        self.mount_with(host, name, "demand").0
    }

    #[track_caller]
    pub fn mount_with(&self, host: &Host, name: &str, hydrate: &str) -> (PathBuf, Ran) {
        let dir = host.path("work").join(name);
        let url = self.url();
        let arguments = ["mount", &url, dir.to_str().unwrap(), "--hydrate", hydrate];
        let ran = host.toft_with(&arguments).expect_code(0);
        (dir, ran)
    }

    /// How often the server was asked for objects so far.
    pub fn fetches(&self) -> usize {
        let requests = self.server.requests();
        requests.iter().filter(|head| head.starts_with("POST /r.git/git-upload-pack")).count()
    }

    /// Everything is as in the checkout.
    #[track_caller]
    pub fn assert_same(&self, dir: &Path) {
        Tree::read(dir).for_git().assert_equals(&Tree::read(&self.checkout).for_git());
    }
}

#[track_caller]
pub fn umount(host: &Host, dir: &Path) {
    host.toft_with(&["umount", dir.to_str().unwrap()]).expect_code(0);
}

/// All folders below `dir`, with their entries' metadata read by lstat.
pub fn stat_all(dir: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        count += 1;
        if metadata.is_dir() {
            count += stat_all(&entry.path());
        }
    }
    count
}
