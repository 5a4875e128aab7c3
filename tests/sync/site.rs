//! A workspace as this room sees it: a git directory, a queue, a pusher.

use crate::gitrepo::{World, commit_on, git};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use toft::git::{Credential, Depth, FetchOptions, Git, Repo};
use toft::sync::{Known, Outbox, PushIntent, PushOutcome, Pusher, RefPushed, Target};
use toft::sys::{Cancel, Clock, OsClock, OsDisk};
use toft::types::{Oid, Seq, WorkspaceId};

pub const MAIN: &str = "refs/heads/main";

pub struct Site {
    pub gitdir: PathBuf,
    pub disk: Arc<OsDisk>,
    pub clock: Arc<dyn Clock>,
    pub pusher: Arc<Pusher>,
    pub cancel: Cancel,
    pub workspace: WorkspaceId,
}

impl Site {
    /// A workspace on branch `main` of `url`, which may be empty.
    pub fn new(world: &World, name: &str, url: &str) -> Site {
        Self::with_depth(world, name, url, Depth::Default)
    }

    pub fn with_depth(world: &World, name: &str, url: &str, depth: Depth) -> Site {
        let gitdir = world.gitdir(name);
        let remote = Git::new(&gitdir, None);
        let found = remote.ls_remote(url).unwrap().get(MAIN);
        if found.is_some() {
            let options = FetchOptions { depth, ..FetchOptions::default() };
            let spec = ["+refs/heads/main:refs/remotes/origin/main".to_owned()];
            remote.fetch(url, &spec, &options).unwrap();
        }
        let site = Self::open(&gitdir, name, url, None, Arc::new(OsClock::new()));
        let known = found.map_or(Known::Absent, Known::At);
        site.outbox().register(MAIN, known, found).unwrap();
        site
    }

    /// Opens again what is there, as after a restart.
    pub fn open(
        gitdir: &Path,
        name: &str,
        url: &str,
        credential: Option<Credential>,
        clock: Arc<dyn Clock>,
    ) -> Site {
        let disk = Arc::new(OsDisk::default());
        let outbox = Outbox::open(&gitdir.join("outbox"), disk.clone()).unwrap();
        let id = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let workspace = WorkspaceId::parse(&format!("w-{id}")).unwrap();
        let target = Target {
            repo: Repo::open(gitdir).unwrap(),
            url: url.to_owned(),
            credential,
            workspace: workspace.clone(),
            disk: disk.clone(),
            clock: clock.clone(),
        };
        Site {
            gitdir: gitdir.to_owned(),
            disk,
            clock,
            pusher: Arc::new(Pusher::new(target, Arc::new(outbox))),
            cancel: Cancel::new().unwrap(),
            workspace,
        }
    }

    pub fn outbox(&self) -> &Outbox {
        self.pusher.outbox()
    }

    /// Commits `files` on top of `parent` and queues the commit for `main`.
    pub fn commit(&self, parent: Option<Oid>, files: &[(&str, &str)]) -> Oid {
        self.commit_to(MAIN, parent, files)
    }

    pub fn commit_to(&self, refname: &str, parent: Option<Oid>, files: &[(&str, &str)]) -> Oid {
        let new = commit_on(&self.gitdir, parent, files, &format!("{} {files:?}", self.workspace));
        let intent = PushIntent { refname: refname.to_owned(), new, seq: Seq(1) };
        self.outbox().enqueue(&intent).unwrap();
        new
    }

    pub fn push(&self) -> Vec<RefPushed> {
        self.pusher.push_now(Some(Duration::from_secs(60)), &self.cancel).unwrap()
    }

    /// Pushes the one ref that waits.
    pub fn push_one(&self) -> PushOutcome {
        let mut all = self.push();
        assert_eq!(all.len(), 1);
        all.remove(0).outcome
    }

    /// Pushes the one ref that waits, which must work; the remote's tip.
    pub fn pushed(&self) -> Oid {
        match self.push_one() {
            PushOutcome::Pushed { tip } => tip,
            other => panic!("{other:?}"),
        }
    }

    pub fn idle(&self) -> bool {
        self.outbox().pending().unwrap().is_empty()
    }
}

/// The files of a commit, by name.
pub fn files(dir: &Path, commit: Oid) -> Vec<String> {
    git(dir, &["ls-tree", "-r", "--name-only", &commit.to_string()])
        .lines()
        .map(str::to_owned)
        .collect()
}

pub fn parents(dir: &Path, commit: Oid) -> String {
    git(dir, &["show", "-s", "--format=%P", &commit.to_string()])
}
