//! Brings contents of files into the store, by the user's own git.
//!
//! (gix-protocol could do it in process over one warm connection, which spares a round trip and five
//! processes for each fetch. But credential helpers, `insteadOf`, proxies and ssh are the user's
//! git's, and a second way to all of them would have to be as good.)

use super::Engine;
use crate::base::{Filled, Promisor};
use crate::daemon::failure::Failure;
use crate::daemon::report::PrefetchReport;
use crate::git::{Credential, Git, GitError, Glob};
use crate::registry::{Hydrate, WorkspaceRecord};
use crate::sys::{Cancel, Clock, OsClock};
use crate::types::Oid;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The remote of one workspace.
pub(super) struct Remote {
    git: Git,
    url: String,
    leaving: Cancel,
    /// Fetches that run.
    running: AtomicUsize,
}

impl Remote {
    pub fn new(record: &WorkspaceRecord, credential: Option<Credential>) -> std::io::Result<Self> {
        let leaving = Cancel::new()?;
        // All workspaces of this store have what one of them brings.
        let git = Git::new(&record.store.path, credential).cancelled_by(leaving.clone());
        let url = record.source.url.clone();
        Ok(Self { git, url, leaving, running: AtomicUsize::new(0) })
    }

    /// Ends what runs, and fetches nothing from now on.
    fn leave(&self) {
        self.leaving.cancel();
        let clock = OsClock::new();
        let Ok(wait) = Cancel::new() else { return };
        while self.running.load(Ordering::SeqCst) > 0 && clock.monotonic() < LEAVE_MAX {
            wait.wait(Duration::from_millis(10));
        }
    }
}

impl Promisor for Remote {
    fn bring(&self, oids: &[Oid]) -> Result<(), GitError> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let brought = match self.leaving.is_cancelled() {
            true => Err(GitError::Cancelled { what: "fetch".to_owned() }),
            false => self.git.fetch_objects(&self.url, oids),
        };
        self.running.fetch_sub(1, Ordering::SeqCst);
        brought
    }
}

/// How long git may take to end.
const LEAVE_MAX: Duration = Duration::from_secs(3);
/// Bytes that are brought before anybody looks at them.
const IN_ADVANCE: u64 = 64 << 20;
/// How often it is looked whether packs are to be put together.
const TIDY: Duration = Duration::from_secs(2);

impl Engine {
    /// Nobody looks at the files any more: ends what fetches them.
    pub fn leave_remote(&self) {
        self.remote.iter().for_each(|remote| remote.leave());
    }

    /// Whether files may be on the remote only.
    pub fn is_lazy(&self) -> bool {
        self.base.is_lazy()
    }

    /// Brings what is likely to be looked at, then keeps the store in order, until `stop`. Nothing to
    /// do where all is here.
    pub fn hydrate(&self, stop: &Cancel) {
        let hydrate = self.record.source.hydrate;
        if hydrate == Hydrate::Lazy
            && let Err(failure) = self.hydrate_in_advance(stop)
        {
            tracing::info!(cause = ?failure.cause, "files come when they are looked at: {failure}");
        }
        let git = Git::new(&self.record.store.path, None).cancelled_by(stop.clone());
        while hydrate.is_lazy() && !stop.wait(TIDY) {
            match git.join_promised() {
                Ok(true) => self.repo.refresh(),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the store could not be put in order"),
            }
        }
    }

    fn hydrate_in_advance(&self, stop: &Cancel) -> Result<(), Failure> {
        let Some(tree) = self.base_tree()? else { return Ok(()) };
        let away = self.base.away(tree, &|path| Some(class(path)))?;
        let filled = self.base.fill(&away, IN_ADVANCE, stop)?;
        tracing::info!(?filled, of = away.len(), "files brought in advance");
        Ok(())
    }

    /// Brings the files that `globs` mean.
    pub(super) fn prefetch(&self, globs: &[String]) -> Result<PrefetchReport, Failure> {
        let globs: Vec<Glob> = globs.iter().map(|glob| Glob::new(glob)).collect();
        let mut meant = 0;
        let matched = std::cell::Cell::new(0_u64);
        let class = |path: &[u8]| {
            let is_meant = globs.iter().any(|glob| glob.matches(path));
            matched.set(matched.get() + u64::from(is_meant));
            is_meant.then(|| class(path))
        };
        let mut filled = Filled::default();
        if let Some(tree) = self.base_tree()? {
            let away = self.base.away(tree, &class)?;
            meant = matched.get();
            let stop = Cancel::new().map_err(Failure::io("cannot wait"))?;
            filled = self.base.fill(&away, u64::MAX, &stop)?;
        }
        Ok(PrefetchReport { files: meant, fetched: filled.contents, bytes: filled.bytes })
    }

    /// How many contents of the base are on the remote only; None where none can be.
    pub(super) fn away(&self) -> Result<Option<u64>, Failure> {
        match self.base_tree()? {
            Some(tree) if self.base.is_lazy() => {
                Ok(Some(self.base.away(tree, &|_| Some(0))?.len() as u64))
            }
            _ => Ok(None),
        }
    }

    fn base_tree(&self) -> Result<Option<Oid>, Failure> {
        let commit = self.record.base.map(|base| self.repo.commit(base)).transpose()?;
        Ok(commit.map(|commit| commit.tree))
    }
}

/// What is read first has the lowest: rules that every seal and every git reads, what says how to
/// build, source, the rest, what is seldom read by a program that edits.
fn class(path: &[u8]) -> u8 {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let end = name.rsplit(|byte| *byte == b'.').next().filter(|end| end.len() < name.len());
    let end = end.map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
    let is_manifest = MANIFESTS.iter().any(|manifest| name.starts_with(manifest));
    match &*end {
        _ if name.starts_with(b".git") => 0,
        _ if is_manifest => 1,
        b"toml" | b"json" | b"yaml" | b"yml" | b"cfg" | b"ini" | b"mod" | b"sum" | b"cmake" => 1,
        b"png" | b"jpg" | b"jpeg" | b"gif" | b"ico" | b"pdf" | b"zip" | b"gz" | b"xz" | b"bz2"
        | b"jar" | b"so" | b"dll" | b"exe" | b"bin" | b"mp3" | b"mp4" | b"woff" | b"woff2"
        | b"ttf" => 4,
        b"c" | b"h" | b"cc" | b"cpp" | b"hpp" | b"rs" | b"go" | b"py" | b"js" | b"jsx" | b"ts"
        | b"tsx" | b"java" | b"kt" | b"rb" | b"php" | b"cs" | b"swift" | b"scala" | b"sh"
        | b"pl" | b"lua" | b"s" | b"sql" | b"md" | b"rst" => 2,
        _ => 3,
    }
}

const MANIFESTS: &[&[u8]] = &[
    b"Makefile",
    b"Kbuild",
    b"Kconfig",
    b"CMakeLists",
    b"Dockerfile",
    b"Gemfile",
    b"README",
    b"LICENSE",
    b"BUILD",
    b"WORKSPACE",
    b"meson.build",
    b"configure",
    b"requirements",
];
