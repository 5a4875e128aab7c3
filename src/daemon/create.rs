//! Makes a workspace from a source: store, gitdir, index, overlay, record.
//!
//! A crash leaves a record that says `creating` and that nobody holds; `toft recover` removes it.
//! One that says anything else stands on files that are durable.

use super::engine::view_config;
use super::failure::{Failure, Kind};
use super::host::Host;
use crate::dotgit::{self, BaseStat, DotgitError, GitdirSpec};
use crate::git::{Credential, Git, Head, Repo};
use crate::overlay::Overlay;
use crate::registry::{
    FlushPolicy, Hydrate, Lease, SourceRecord, Status, StoreRecord, ViewRecord, WorkspacePaths,
    WorkspaceRecord,
};
pub use crate::store::Source;
use crate::store::{self, Store, StoreError};
use crate::sync::{Known, Outbox};
use crate::sys::Reason;
use crate::types::{Oid, Timespec};
use std::path::{Path, PathBuf};

/// What is to be mounted, and how.
#[derive(Clone, Debug)]
pub struct Wish {
    /// URL, scp form or absolute path.
    pub url: String,
    /// Branch or tag; the remote's own branch when None.
    pub branch: Option<String>,
    /// A branch to begin here.
    pub new_branch: Option<String>,
    /// A commit, read-only unless a new branch begins there.
    pub at: Option<String>,
    /// Refuse all changes.
    pub read_only: bool,
    /// How much history.
    pub depth: Option<u32>,
    /// Whether contents of files are fetched when they are needed.
    pub hydrate: Hydrate,
    /// `file:PATH` or `env:VAR`.
    pub credential: Option<String>,
    /// What is here will do when the remote does not answer.
    pub offline: bool,
    /// When it flushes by itself.
    pub flush_on: FlushPolicy,
    /// Owner of the base's files.
    pub uid: u32,
    /// Group of the base's files.
    pub gid: u32,
    /// The mount point.
    pub dir: PathBuf,
    /// toft made the mount point.
    pub made_dir: bool,
    /// Show progress on stderr, and let git ask for passwords there.
    pub interactive: bool,
}

/// Makes the workspace; it is free and not mounted when this returns.
pub fn create(host: &Host, wish: &Wish) -> Result<WorkspaceRecord, Failure> {
    let (store, read_only) = fetch(host, wish)?;
    let repo = Repo::open(&store.path)?;
    let branch = branch_to_seal(&repo, &store, wish, &git(wish, &store.path)?)?;
    let base_time_s = match store.tip {
        Some(tip) => repo.commit(tip)?.committer_time_s.clamp(1, host.clock.now().sec),
        None => host.clock.now().sec,
    };
    let record = host.registry.create(|id| WorkspaceRecord {
        id,
        source: SourceRecord {
            url: wish.url.clone(),
            asked: wish.branch.clone(),
            depth: wish.depth,
            hydrate: wish.hydrate,
            at: wish.at.as_ref().and(store.tip),
        },
        branch,
        base: store.tip,
        view: ViewRecord { uid: wish.uid, gid: wish.gid, base_time_s, read_only },
        dir: wish.dir.clone(),
        store: StoreRecord { key: store.key.clone(), path: store.path.clone() },
        flush_on: wish.flush_on,
        credential: wish.credential.clone(),
        created_s: host.clock.now().sec,
        status: Status::Creating,
        daemon: None,
        made_dir: wish.made_dir,
        spent: true,
        last_error: None,
        last_seal: None,
        last_push: None,
        rolled_back: false,
        fork: None,
        house: None,
        serves: false,
    })?;
    let paths = host.registry.paths(&record.id);
    let lease = Lease::acquire(&paths)?;
    match furnish(host, &record, &store, &paths) {
        Ok(()) => Ok(host.registry.update(&record.id, |record| record.status = Status::Idle)?),
        Err(failure) => {
            if let Err(error) = host.registry.remove_held(&record.id, &lease) {
                tracing::warn!(%error, "cannot remove a workspace that was not finished");
            }
            Err(failure)
        }
    }
}

/// The store, brought up to date, and whether the view must be read-only.
fn fetch(host: &Host, wish: &Wish) -> Result<(Store, bool), Failure> {
    // Read once before, so that a credential that makes no sense is told by itself.
    git(wish, &host.directories.cache)?;
    let git = |path: &Path| git(wish, path).unwrap_or_else(|_| Git::new(path, None));
    let mut request = store::Request {
        url: &wish.url,
        branch: wish.branch.as_deref(),
        at: wish.at.as_deref(),
        depth: wish.depth,
        lazy: wish.hydrate.is_lazy(),
        needs: &[],
        offline: wish.offline,
        progress: wish.interactive,
    };
    let cache = &host.directories.cache;
    let store = match store::ensure(cache, &request, &git, &*host.disk) {
        // `URL#1f2e3d4` may name a commit.
        Err(StoreError::NoSuchBranch { name, near }) if request.at.is_none() && is_hex(&name) => {
            (request.branch, request.at) = (None, wish.branch.as_deref());
            store::ensure(cache, &request, &git, &*host.disk)
                .map_err(|_| StoreError::NoSuchBranch { name, near })?
        }
        other => other?,
    };
    if store.offline {
        tracing::warn!("the remote does not answer: mounting what it had when it last did");
    }
    // A tag or a commit is no branch that could take commits.
    let fixed = store.branch.is_none() && wish.new_branch.is_none();
    Ok((store, wish.read_only || fixed))
}

fn git(wish: &Wish, gitdir: &Path) -> Result<Git, Failure> {
    user_git(wish.credential.as_deref(), wish.interactive, gitdir)
}

/// The user's git, with the credential that was given.
pub(super) fn user_git(
    credential: Option<&str>,
    interactive: bool,
    gitdir: &Path,
) -> Result<Git, Failure> {
    let credential = credential.map(Credential::parse).transpose()?;
    Ok(Git::new(gitdir, credential).interactive(interactive))
}

fn is_hex(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The full name of the branch that commits go to.
fn branch_to_seal(
    repo: &Repo,
    store: &Store,
    wish: &Wish,
    git: &Git,
) -> Result<Option<String>, Failure> {
    let Some(new) = &wish.new_branch else { return Ok(store.branch.clone()) };
    let name = new.strip_prefix("refs/heads/").unwrap_or(new);
    let what =
        |why: &str| Failure::new(Kind::Usage, format!("cannot begin the branch {name}: {why}"));
    if name.is_empty() {
        return Err(what("that is no name for a branch"));
    }
    let full = format!("refs/heads/{name}");
    let taken = repo.read_ref(&format!("refs/remotes/origin/{name}"))?.is_some();
    if taken || (!store.offline && git.ls_refs(&wish.url, &full)?.get(&full).is_some()) {
        return Err(what("the remote has it already").fix(format!("mount it with: -b {name}")));
    }
    Ok(Some(full))
}

/// Everything below the workspace's directory.
fn furnish(
    host: &Host,
    record: &WorkspaceRecord,
    store: &Store,
    paths: &WorkspacePaths,
) -> Result<(), Failure> {
    let repo = make_gitdir(host, record, store, paths)?;
    let tree = match record.base {
        Some(commit) => repo.commit(commit)?.tree,
        None => repo.empty_tree(),
    };
    fill_index(host, record, store, &repo, tree)?;
    dotgit::settle(&*host.disk, &paths.gitdir())?;
    let config = view_config(record, paths);
    Overlay::create(paths.root(), config.root(tree), host.disk.clone())?;
    register(host, record, store, paths)?;
    // The record that says that it is whole lies beside the names of all this: of names that were
    // not synced, power loss may leave any.
    let root = paths.root();
    let synced = host.disk.fsync_dir(root, Reason::Manifest);
    synced.map_err(Failure::io(format!("make {} durable", root.display())))
}

/// Tells the queue where the remote's branch stands.
fn register(
    host: &Host,
    record: &WorkspaceRecord,
    store: &Store,
    paths: &WorkspacePaths,
) -> Result<(), Failure> {
    let outbox = Outbox::open(&paths.outbox(), host.disk.clone())?;
    let Some(branch) = &record.branch else { return Ok(()) };
    let is_new = store.branch.as_ref() != Some(branch);
    let remote = match store.tip.filter(|_| !is_new) {
        Some(tip) => Known::At(tip),
        None => Known::Absent,
    };
    Ok(outbox.register(branch, remote, record.base)?)
}

/// The gitdir, with the index of a fresh checkout.
fn make_gitdir(
    host: &Host,
    record: &WorkspaceRecord,
    store: &Store,
    paths: &WorkspacePaths,
) -> Result<Repo, Failure> {
    let head = match (&record.branch, record.base) {
        (Some(name), tip) => Head::Branch { name: name.clone(), tip },
        (None, Some(commit)) => Head::Detached(commit),
        (None, None) => {
            return Err(Failure::new(Kind::NoSuchRef, "there is neither a branch nor a commit"));
        }
    };
    let spec = GitdirSpec {
        store: &store.path,
        hash: store.hash,
        url: &record.source.url,
        head: &head,
        default_branch: store.default_branch.as_deref(),
        partial: store.partial,
    };
    dotgit::create(&*host.disk, &paths.gitdir(), &spec)?;
    Ok(Repo::open(&paths.gitdir())?)
}

/// Fills git's index in advance. Without it the mount works too, but git shows every file as staged
/// for deletion until `git reset`.
fn fill_index(
    host: &Host,
    record: &WorkspaceRecord,
    store: &Store,
    repo: &Repo,
    tree: Oid,
) -> Result<(), Failure> {
    let view = record.view;
    let time = Timespec::from_sec(view.base_time_s);
    let stat = BaseStat { uid: view.uid, gid: view.gid, time };
    let cache = store.path.join(store::CACHED_FILES);
    let installed = dotgit::install_index(repo.gitdir(), &cache, repo, tree, stat, &*host.disk);
    match installed {
        Ok(installed) => {
            for (path, why) in &installed.hidden {
                tracing::warn!(path = %path.escape_ascii(), why, "an entry of the base is hidden");
            }
            Ok(())
        }
        Err(DotgitError::TooLarge { .. }) => {
            tracing::warn!("the repository has too many files to fill git's index in advance");
            Ok(())
        }
        // One directory that cannot be read is no reason to show none.
        Err(DotgitError::Git(error)) => {
            tracing::warn!(%error, "the repository is damaged: git's index is not filled");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
