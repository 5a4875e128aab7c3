//! The index after toft moved HEAD: what HEAD holds, with the stat data of the files that are there.

use super::index::{CacheTree, Entry, FileStat, Index, Raw, Stat, Writer, encode};
use super::lock::{INDEX, IndexLock, release_abandoned};
use super::state::{IndexMark, read_index};
use super::walk::{Leaves, walk};
use super::{DotgitError, IndexError, Result};
use crate::git::Repo;
use crate::types::{HashKind, Ino, Oid, Timespec, TreeMode};
use std::collections::HashMap;
use std::path::Path;

/// The files that a commit was made from, or that were made from a commit.
pub struct Files<'a> {
    /// What the mount showed of a path at that moment; None when that is not known. Asked for the
    /// paths only that the index does not have as the commit has them.
    pub stat: &'a dyn Fn(&[u8]) -> Option<FileStat>,
    /// That moment. What was written in its second, or later, git compares by content: a change of
    /// the next moment need not show in size or time (racy-git).
    pub at: Timespec,
}

/// Makes the index equal to the tree of `commit`, if HEAD is there; false: HEAD is elsewhere, and the
/// index is left to whoever moved it. What was staged and is not in `commit` is in the files.
pub fn after_seal(lock: IndexLock, repo: &Repo, commit: Oid, files: &Files<'_>) -> Result<bool> {
    if repo.head()?.tip() != Some(commit) {
        return Ok(false);
    }
    let tree = repo.commit(commit)?.tree;
    let gitdir = lock.gitdir().to_owned();
    if IndexMark::read(&gitdir) == Some(tree) {
        return Ok(true);
    }
    let old = old_index(&gitdir, repo.hash_kind())?;
    let mut followed = Followed::new(&old, files);
    let (cache_tree, _hidden) = walk(repo, tree, &mut followed)?;
    lock.replace(&followed.new.finish(Some(&cache_tree)))?;
    IndexMark::write(&gitdir, tree)?;
    Ok(true)
}

/// The index as it is; an empty one where it cannot be read.
fn old_index(gitdir: &Path, hash: HashKind) -> Result<Raw> {
    // What toft wrote itself in this run of the host needs no check.
    let known = IndexMark::read(gitdir).is_some();
    let bytes = std::fs::read(gitdir.join(INDEX)).unwrap_or_default();
    if let Ok(old) = Raw::read(bytes, hash, known) {
        return Ok(old);
    }
    let old = read_index(gitdir, hash).unwrap_or_else(|error| {
        tracing::warn!(%error, "made the index anew");
        Index::empty(hash)
    });
    let path = gitdir.join(INDEX);
    Raw::read(encode(&old), hash, true).map_err(|why| DotgitError::Index { path, why })
}

/// For a workspace that is resumed: releases a lock that a killed toft left, and makes the index
/// anew where it is damaged or missing (a power failure), or where toft moved HEAD and was killed
/// before it could follow. What git staged since is left alone. True: the index was made.
pub fn mend_index(gitdir: &Path, repo: &Repo, files: &Files<'_>) -> Result<bool> {
    release_abandoned(gitdir)?;
    let Some(commit) = repo.head()?.tip() else { return Ok(false) };
    let right = match IndexMark::read_of(gitdir) {
        Some((tree, true)) => repo.commit(commit)?.tree == tree,
        // Who wrote it had no time to see it on the disk, perhaps.
        Some((tree, false)) if is_readable(gitdir, repo) => {
            IndexMark::write(gitdir, tree)?;
            repo.commit(commit)?.tree == tree
        }
        Some((_, false)) => false,
        None => is_readable(gitdir, repo),
    };
    if right {
        return Ok(false);
    }
    match IndexLock::acquire(gitdir)? {
        Some(lock) => after_seal(lock, repo, commit, files),
        // Whoever holds it writes a new one.
        None => Ok(false),
    }
}

/// Whether there is an index that git can read, though we may not.
fn is_readable(gitdir: &Path, repo: &Repo) -> bool {
    match read_index(gitdir, repo.hash_kind()) {
        Ok(_) => gitdir.join("index").exists(),
        Err(DotgitError::Index { why, .. }) => matches!(why, IndexError::Unsupported(_)),
        Err(_) => true,
    }
}

/// What becomes of the old index.
struct Followed<'a> {
    old: &'a Raw,
    /// Directories of the old index by path, with the slash.
    trees: HashMap<Vec<u8>, &'a CacheTree>,
    files: &'a Files<'a>,
    new: Writer<'a>,
}

impl<'a> Followed<'a> {
    fn new(old: &'a Raw, files: &'a Files<'a>) -> Self {
        let mut trees = HashMap::new();
        let mut pending: Vec<(Vec<u8>, &CacheTree)> = Vec::new();
        pending.extend(old.cache_tree.as_ref().map(|root| (Vec::new(), root)));
        while let Some((path, tree)) = pending.pop() {
            for child in &tree.children {
                pending.push(([&path, &*child.name, b"/"].concat(), child));
            }
            trees.insert(path, tree);
        }
        Self { old, trees, files, new: Writer::new(old.hash()) }
    }
}

impl Leaves for Followed<'_> {
    fn take_known(&mut self, path: &[u8], tree: Oid) -> Option<CacheTree> {
        let node = *self.trees.get(path)?;
        let (count, oid) = node.valid?;
        let entries = self.old.below(path);
        (oid == tree && entries.len() == count as usize).then(|| {
            self.new.copy(self.old, entries);
            node.clone()
        })
    }

    fn take(&mut self, path: &[u8], mode: TreeMode, oid: Oid, _ino: Ino) {
        match self.old.find(path) {
            Some((at, old)) if (old.mode, old.oid) == (mode, oid) && !old.intent_to_add => {
                self.new.copy(self.old, at..at + 1);
            }
            _ => {
                let mut stat = (self.files.stat)(path).map_or_else(Stat::default, Stat::from);
                if i64::from(stat.mtime.0) >= self.files.at.sec {
                    stat.size = 0;
                }
                self.new.push(&Entry { stat, ..Entry::new(path, mode, oid) });
            }
        }
    }
}
