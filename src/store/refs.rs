//! The refs of a store: all in one `packed-refs`, which workspaces take over as it is.

use super::{Result, StoreError};
use crate::git::{Head, LsRemote, Repo};
use crate::sys::{Disk, Reason, replace_file};
use crate::types::Oid;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// Where branches of the remote are kept.
pub(super) const REMOTES: &str = "refs/remotes/origin/";
const HEADS: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
/// Commits that were asked for by their id.
pub(super) const KEEP: &str = "refs/toft/keep/";

/// The name in the store of a ref of the remote; None when it is not kept.
pub(super) fn local_name(remote: &str) -> Option<String> {
    match remote.strip_prefix(HEADS) {
        Some(branch) => Some(format!("{REMOTES}{branch}")),
        None => remote.starts_with(TAGS).then(|| remote.to_owned()),
    }
}

/// The name at the remote of a ref in the store.
fn remote_name(local: &str) -> Option<String> {
    match local.strip_prefix(REMOTES) {
        Some(branch) => Some(format!("{HEADS}{branch}")),
        None => local.starts_with(TAGS).then(|| local.to_owned()),
    }
}

/// What the store knows of its remote, for when that cannot be asked.
pub(super) fn remembered(repo: &Repo) -> Result<LsRemote> {
    let refs = repo.refs("refs/")?;
    let refs = refs.into_iter().filter_map(|(name, oid)| Some((remote_name(&name)?, oid)));
    let mut refs: Vec<_> = refs.collect();
    refs.sort();
    let head = match repo.head()? {
        Head::Branch { name, .. } => Some(name),
        Head::Detached(_) => None,
    };
    Ok(LsRemote { head, refs, hash: repo.hash_kind() })
}

/// Follows the remote as far as that needs no object that the store does not have: a ref moves when
/// its new value is known to be complete, because another ref names it.
pub(super) fn follow(repo: &Repo, remote: &LsRemote, disk: &dyn Disk) -> Result<()> {
    let old: BTreeMap<String, Oid> = repo.refs("refs/")?.into_iter().collect();
    let complete: HashSet<Oid> = old.values().copied().collect();
    let mut new: BTreeMap<String, Oid> = old
        .iter()
        .filter(|(name, _)| name.starts_with(KEEP))
        .map(|(n, o)| (n.clone(), *o))
        .collect();
    for (name, oid) in &remote.refs {
        let Some(local) = local_name(name) else { continue };
        let known = if complete.contains(oid) { Some(oid) } else { old.get(&local) };
        new.extend(known.map(|oid| (local, *oid)));
    }
    if new != old {
        write(repo.gitdir(), &new, disk)?;
    }
    Ok(())
}

/// Brings the refs that a fetch wrote one by one into `packed-refs`.
pub(super) fn pack(repo: &Repo, disk: &dyn Disk) -> Result<()> {
    write(repo.gitdir(), &repo.refs("refs/")?.into_iter().collect(), disk)
}

/// Replaces all refs. A crash in between leaves single refs with older values; they are followed
/// or packed the next time.
fn write(store: &Path, refs: &BTreeMap<String, Oid>, disk: &dyn Disk) -> Result<()> {
    let mut text = String::from("# pack-refs with: sorted \n");
    for (name, oid) in refs {
        text.push_str(&format!("{oid} {name}\n"));
    }
    let path = store.join("packed-refs");
    replace_file(disk, &path, text.as_bytes(), Reason::Refs).map_err(StoreError::io(&path))?;
    remove_single_refs(&store.join("refs")).map_err(StoreError::io(&store.join("refs")))
}

/// Removes everything in `refs`, which itself makes a repository one.
fn remove_single_refs(refs: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(refs)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes HEAD of the store what HEAD of the remote is. (The branch itself is not there: all of the
/// remote's branches are below [`REMOTES`].)
pub(super) fn set_head(repo: &Repo, head: &str, disk: &dyn Disk) -> Result<()> {
    let path = repo.gitdir().join("HEAD");
    let text = format!("ref: {head}\n");
    if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    replace_file(disk, &path, text.as_bytes(), Reason::Refs).map_err(StoreError::io(&path))
}
