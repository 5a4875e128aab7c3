//! git's index while toft commits: locked as git locks it, and equal to HEAD afterwards.

use super::Engine;
use crate::commit::{IndexEntry, Leaf, TrackedPaths};
use crate::daemon::failure::{Failure, Kind};
use crate::dotgit::index::FileStat;
use crate::dotgit::{self, Files, IndexLock, Operation, Tracked};
use crate::git::Head;
use crate::overlay::{FileData, Freeze, Node, NodeData, Slot};
use crate::sys::Cancel;
use crate::types::{Ino, Oid, Timespec};
use crate::workspace::PathEdit;
use std::collections::HashMap;
use std::time::Duration;

/// How long a git that writes the index in the mount is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

impl Engine {
    /// What git is in the middle of; a git that is just running counts too.
    fn in_progress(&self) -> Result<Option<Operation>, Failure> {
        Ok(dotgit::in_progress(self.repo.gitdir(), self.repo.hash_kind(), &self.last_index)?)
    }

    /// What git has begun in the mount and left unfinished.
    pub(super) fn operation(&self) -> Result<Option<Operation>, Failure> {
        // Our own lock, or one that is gone in a moment.
        Ok(self.in_progress()?.filter(|operation| *operation != Operation::IndexLocked))
    }

    /// Waits until no git is at work in the mount, and keeps others from starting. Refused while
    /// git is in the middle of something (D8).
    pub(super) fn lock_index(&self) -> Result<IndexLock, Failure> {
        let cancel = Cancel::new().map_err(Failure::io("cannot wait"))?;
        let give_up = self.now() + PATIENCE;
        loop {
            let operation = match self.in_progress()? {
                None => match IndexLock::acquire(self.repo.gitdir())? {
                    Some(lock) => return Ok(lock),
                    None => Operation::IndexLocked,
                },
                Some(operation) => operation,
            };
            if operation != Operation::IndexLocked || self.now() > give_up {
                return Err(Failure::new(Kind::InProgress, "nothing was committed")
                    .cause(&operation)
                    .fix(operation.way_out()));
            }
            cancel.wait(LOOK);
        }
    }

    /// Which paths git tracks, where HEAD is `head`.
    pub(super) fn tracked(&self, head: &Head) -> Result<TrackedPaths, Failure> {
        match dotgit::tracked(self.repo.gitdir(), self.repo.hash_kind(), &self.last_index)? {
            Tracked::Head => Ok(TrackedPaths::Head),
            Tracked::Tree(tree) => Ok(self.sealer.tracked_tree(head, tree)?),
            Tracked::Entries(entries) => {
                let entries = entries.into_iter().map(|entry| IndexEntry {
                    leaf: Leaf { mode: entry.mode, oid: entry.oid },
                    path: entry.path,
                    skip_worktree: entry.skip_worktree,
                });
                Ok(self.sealer.tracked_entries(head, entries)?)
            }
        }
    }

    /// The index becomes `commit`'s, which was made from `freeze` at the time `at`. The commit
    /// stands whatever comes of it: git makes an index that is wrong right by reading files.
    pub(super) fn index_after_seal(
        &self,
        lock: IndexLock,
        commit: Oid,
        freeze: &Freeze,
        at: Timespec,
    ) {
        let stat = |path: &[u8]| self.stat_as_frozen(path, freeze);
        self.replace_index(lock, commit, &Files { stat: &stat, at });
    }

    /// The index becomes `commit`'s, whose files `edits` just brought into the view.
    pub(super) fn index_after_merge(&self, lock: IndexLock, commit: Oid, edits: &[PathEdit]) {
        let new = edits.iter().filter_map(|edit| Some((edit.path.as_slice(), edit.new?.1)));
        let new: HashMap<_, _> = new.collect();
        let stat = |path: &[u8]| self.stat_of_blob(path, *new.get(path)?);
        let at = self.host.clock.now();
        self.replace_index(lock, commit, &Files { stat: &stat, at });
    }

    fn replace_index(&self, lock: IndexLock, commit: Oid, files: &Files<'_>) {
        match dotgit::after_seal(lock, &self.repo, commit, files) {
            Ok(true) => {}
            Ok(false) => tracing::info!(%commit, "HEAD moved on; the index is left to git"),
            Err(error) => tracing::warn!(%error, "the index could not be brought up to date"),
        }
    }

    /// What the mount shows of `path`, if that is what it showed at the freeze.
    fn stat_as_frozen(&self, path: &[u8], freeze: &Freeze) -> Option<FileStat> {
        let stat = self.stat(path)?;
        let then = resolve(path, |ino| freeze.node(ino).map(AsRef::as_ref))?;
        let index = self.overlay.read();
        let now = resolve(path, |ino| index.node(ino).map(AsRef::as_ref))?;
        let unaltered = then == now && now == stat.ino && freeze.node(now) == index.node(now);
        (unaltered && !is_passed(freeze, now)).then_some(stat)
    }

    /// What the mount shows of `path`, if it is the blob `oid` still.
    fn stat_of_blob(&self, path: &[u8], oid: Oid) -> Option<FileStat> {
        let stat = self.stat(path)?;
        let index = self.overlay.read();
        let is_blob = match &index.node(stat.ino)?.data {
            NodeData::Regular(FileData::Blob(found)) | NodeData::BaseSymlink(found) => {
                *found == oid
            }
            _ => false,
        };
        is_blob.then_some(stat)
    }

    fn stat(&self, path: &[u8]) -> Option<FileStat> {
        let attr = self.workspace.attr_at(path).ok()?;
        Some(FileStat {
            ino: attr.ino,
            size: attr.size,
            uid: attr.uid,
            gid: attr.gid,
            mtime: attr.mtime,
            ctime: attr.ctime,
        })
    }
}

/// Whether the file's bytes may have changed without a trace in its node.
fn is_passed(freeze: &Freeze, ino: Ino) -> bool {
    let node = freeze.node(ino);
    node.is_some_and(|node| match node.data {
        NodeData::Regular(data) => freeze.is_passed(data),
        _ => false,
    })
}

/// The inode that `path` leads to, in an overlay whose nodes `node` gives. Entries of the base are
/// not checked to be there.
fn resolve<'a>(path: &[u8], node: impl Fn(Ino) -> Option<&'a Node>) -> Option<Ino> {
    path.split(|byte| *byte == b'/').try_fold(Ino::ROOT, |dir, name| {
        match node(dir).and_then(|node| node.directory()?.delta.get(name)) {
            Some(Slot::Entry(ino)) => Some(*ino),
            Some(Slot::Whiteout) => None,
            None => Some(Ino::of_base_child(dir, name)),
        }
    })
}
