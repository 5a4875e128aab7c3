//! Before a workspace is opened again: its store is there and has what it stands on, and its gitdir
//! is whole and borrows from that store.
//!
//! The cache may have been deleted or moved, and power loss may have taken files of the gitdir that
//! git wrote without an fsync. What was committed and not pushed lies in the state directory.

use super::create::user_git;
use super::engine::make_gitdir;
use super::failure::{Failure, Kind};
use super::host::Host;
use crate::dotgit::{self, GitdirSpec};
use crate::git::{Git, Head, Repo};
use crate::registry::{Lease, Status, StoreRecord, WorkspacePaths, WorkspaceRecord};
use crate::store::{self, Store};
use crate::sync::{Known, Outbox};
use crate::types::{Oid, WorkspaceId};
use std::path::Path;

/// Makes the workspace whole again; asks the remote only where something is missing here. Nothing is
/// done while somebody serves it.
pub fn restore(host: &Host, id: &WorkspaceId, interactive: bool) -> Result<(), Failure> {
    let paths = host.registry.paths(id);
    let Ok(_lease) = Lease::acquire(&paths) else { return Ok(()) };
    let record = host.registry.load(id)?;
    make_gitdir(host, &record)?;
    if record.status == Status::Creating || is_whole(&record, &paths) {
        return Ok(());
    }
    tracing::info!(workspace = %id, "the store or the gitdir is damaged or gone: made anew");
    let needs = needed(host, &record, &paths)?;
    let store = bring(host, &record, &needs, interactive)?;
    let head = head(&record).ok_or_else(|| {
        Failure::new(Kind::Corrupt, format!("{id} has neither branch nor commit"))
    })?;
    let spec = GitdirSpec {
        store: &store.path,
        hash: store.hash,
        url: &record.source.url,
        head: &head,
        default_branch: store.default_branch.as_deref(),
        partial: store.partial,
    };
    dotgit::create(&*host.disk, &paths.gitdir(), &spec)?;
    dotgit::settle(&*host.disk, &paths.gitdir())?;
    host.registry.update(id, |record| {
        record.store = StoreRecord { key: store.key.clone(), path: store.path.clone() };
    })?;
    Ok(())
}

/// HEAD and the commit that it stands on can be read.
fn is_whole(record: &WorkspaceRecord, paths: &WorkspacePaths) -> bool {
    let Ok(repo) = Repo::open(&paths.gitdir()) else { return false };
    let readable = |oid: Oid| {
        repo.commit(oid)
            .is_ok_and(|commit| commit.tree == repo.empty_tree() || repo.exists(commit.tree))
    };
    let is_home = record.store.path.join("objects").is_dir();
    let head = repo.head().is_ok_and(|head| head.tip().is_none_or(readable));
    is_home && head && record.base.is_none_or(readable)
}

/// The commits of the remote that this workspace builds on.
fn needed(
    host: &Host,
    record: &WorkspaceRecord,
    paths: &WorkspacePaths,
) -> Result<Vec<Oid>, Failure> {
    let outbox = Outbox::open(&paths.outbox(), host.disk.clone())?;
    let known = outbox.states()?.into_iter().filter_map(|state| match state.remote {
        Known::At(oid) => Some(oid),
        _ => None,
    });
    let mut needs: Vec<Oid> = record.base.into_iter().chain(known).collect();
    needs.sort();
    needs.dedup();
    Ok(needs)
}

fn bring(
    host: &Host,
    record: &WorkspaceRecord,
    needs: &[Oid],
    interactive: bool,
) -> Result<Store, Failure> {
    let source = &record.source;
    let credential = record.credential.as_deref();
    user_git(credential, interactive, &host.directories.cache)?;
    let git = |path: &Path| {
        user_git(credential, interactive, path).unwrap_or_else(|_| Git::new(path, None))
    };
    let at = source.at.map(|oid| oid.to_string());
    let request = store::Request {
        url: &source.url,
        branch: source.asked.as_deref(),
        at: at.as_deref(),
        depth: source.depth,
        lazy: source.hydrate.is_lazy(),
        needs,
        offline: true,
        progress: interactive,
    };
    store::ensure(&host.directories.cache, &request, &git, &*host.disk).map_err(|error| {
        let cause = Failure::from(error);
        let what = format!("what {} stands on is gone from the cache", record.id);
        let kind = if cause.kind == Kind::NoSuchRef { Kind::Corrupt } else { cause.kind };
        Failure::new(kind, what).cause(&cause).fix("make the remote reachable and try again")
    })
}

/// Where HEAD is put when it is lost: at the last commit from here that is known.
fn head(record: &WorkspaceRecord) -> Option<Head> {
    let tip = record.last_seal.map(|made| made.commit).or(record.base);
    match (&record.branch, tip) {
        (Some(name), tip) => Some(Head::Branch { name: name.clone(), tip }),
        (None, tip) => tip.map(Head::Detached),
    }
}
