//! What the end of a host leaves in a git directory that the end of a process does not: names go one
//! by one there, whatever was done first.

use super::{DotgitError, Result};
use crate::git::{Repo, files_below, remove_orphan_indexes};
use std::path::{Path, PathBuf};

/// Locks of git outside of `refs`.
const LOCKS: [&str; 5] =
    ["index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock"];

/// Removes what would be in the way for ever. For a workspace that is opened for the first time in
/// this run of the host: nobody who had anything locked then is alive.
///
/// That is locks, of git or of ours, which are told apart by a second name that may be gone; indexes
/// of packs that are not there, as what they list would count as stored; and what we noted of the
/// remote's branches where the commit is gone, as git fetches nothing then.
pub fn clear_after_power_loss(gitdir: &Path) -> Result<()> {
    let mut dead: Vec<PathBuf> = LOCKS.iter().map(|name| gitdir.join(name)).collect();
    dead.retain(|path| path.is_file());
    let is_lock = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "lock");
    let refs = gitdir.join("refs");
    let refs = files_below(&refs).map_err(DotgitError::io(&refs))?;
    dead.extend(refs.into_iter().filter(is_lock));
    remove(dead)?;
    remove_orphan_indexes(gitdir)?;
    let repo = Repo::open(gitdir)?;
    repo.remove_dangling_refs("refs/remotes")?;
    Ok(repo.remove_dangling_refs("refs/toft")?)
}

fn remove(dead: Vec<PathBuf>) -> Result<()> {
    for path in dead {
        tracing::info!(path = %path.display(), "removed what the host's end left");
        std::fs::remove_file(&path).map_err(DotgitError::io(&path))?;
    }
    Ok(())
}
