//! What stock git is doing in a git directory, and what it tracks.

use super::index::{self, Entry, Index};
use super::{DotgitError, Result};
use crate::sys::current_boot;
use crate::sys::locks::Mutex;
use crate::types::{HashKind, Oid};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Something that git has begun and not finished: toft does not commit meanwhile (D8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `git merge`
    Merge,
    /// `git cherry-pick`
    CherryPick,
    /// `git revert`
    Revert,
    /// `git rebase`
    Rebase,
    /// `git am`
    ApplyMailbox,
    /// Some git holds `index.lock`, or one died with it.
    IndexLocked,
    /// Paths in conflict, without any of the above (`git stash pop`, `git checkout -m`).
    Unmerged(Vec<Vec<u8>>),
}

impl Operation {
    /// How to end it.
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::Merge => "finish it by git commit, or end it by git merge --abort",
            Self::CherryPick => "git cherry-pick --continue, or git cherry-pick --abort",
            Self::Revert => "git revert --continue, or git revert --abort",
            Self::Rebase => "git rebase --continue, or git rebase --abort",
            Self::ApplyMailbox => "git am --continue, or git am --abort",
            Self::IndexLocked => {
                "wait for that git to finish; when none runs, remove the file index.lock in the \
                 directory that git rev-parse --git-dir names"
            }
            Self::Unmerged(_) => "resolve the conflicts and git add the files",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Merge => f.write_str("a merge is in progress"),
            Self::CherryPick => f.write_str("a cherry-pick is in progress"),
            Self::Revert => f.write_str("a revert is in progress"),
            Self::Rebase => f.write_str("a rebase is in progress"),
            Self::ApplyMailbox => f.write_str("a git am is in progress"),
            Self::IndexLocked => f.write_str("git is writing the index (index.lock exists)"),
            Self::Unmerged(paths) => {
                let first = paths.first().map_or(&[][..], Vec::as_slice);
                match paths.len() {
                    1 => write!(f, "{} is in conflict", first.escape_ascii()),
                    n => write!(f, "{} and {} more are in conflict", first.escape_ascii(), n - 1),
                }
            }
        }
    }
}

/// The index that was read last, if it stands for exactly a tree: one commit asks several times, and
/// to read a large one takes longer than all the rest.
#[derive(Default)]
pub struct LastRead(Mutex<Option<(String, Oid)>>);

impl LastRead {
    /// The tree that the index stands for, where that is known without reading it.
    fn tree(&self, gitdir: &Path) -> Option<Oid> {
        IndexMark::read(gitdir).or_else(|| {
            let (was, tree) = self.0.lock().clone()?;
            signature(gitdir).is_ok_and(|now| now == was).then_some(tree)
        })
    }

    fn read(&self, gitdir: &Path, hash: HashKind) -> Result<Index> {
        let before = signature(gitdir).ok();
        let index = read_index(gitdir, hash)?;
        let after = signature(gitdir).ok();
        let unchanged = before.filter(|before| Some(before) == after.as_ref());
        *self.0.lock() = unchanged.zip(tree_of(&index));
        Ok(index)
    }
}

/// The tree that the index stands for, if it does.
fn tree_of(index: &Index) -> Option<Oid> {
    let (count, tree) = index.cache_tree.as_ref()?.valid?;
    // git takes a tree out when a path changes, but not when a path is marked as sparse.
    let exact = count as usize == index.entries.len()
        && index.entries.iter().all(|entry| entry.stage == 0 && !entry.skip_worktree);
    exact.then_some(tree)
}

/// What git is in the middle of. (A bisection is not in the way of a commit.)
pub fn in_progress(gitdir: &Path, hash: HashKind, last: &LastRead) -> Result<Option<Operation>> {
    let exists = |name: &str| gitdir.join(name).symlink_metadata().is_ok();
    let begun = [
        // A rebase stops with a CHERRY_PICK_HEAD of its own, and git am has a folder of rebase's.
        ("rebase-merge", Operation::Rebase),
        ("rebase-apply/applying", Operation::ApplyMailbox),
        ("rebase-apply", Operation::Rebase),
        ("MERGE_HEAD", Operation::Merge),
        ("CHERRY_PICK_HEAD", Operation::CherryPick),
        ("REVERT_HEAD", Operation::Revert),
        ("index.lock", Operation::IndexLocked),
    ];
    for (name, operation) in begun {
        if exists(name) {
            return Ok(Some(operation));
        }
    }
    // A sequence of several commits, between two of them.
    match std::fs::read(gitdir.join("sequencer/todo")) {
        Ok(todo) if todo.starts_with(b"revert") => return Ok(Some(Operation::Revert)),
        Ok(_) => return Ok(Some(Operation::CherryPick)),
        Err(_) => {}
    }
    if last.tree(gitdir).is_some() {
        return Ok(None);
    }
    let unmerged: Vec<_> =
        last.read(gitdir, hash)?.unmerged().into_iter().map(<[u8]>::to_vec).collect();
    Ok((!unmerged.is_empty()).then_some(Operation::Unmerged(unmerged)))
}

/// What the index tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracked {
    /// There is no index: what HEAD holds. (For git it is nothing, but nobody deletes an index to
    /// say so; toft makes none for a repository that is too large or cannot be read.)
    Head,
    /// Exactly the files of this tree.
    Tree(Oid),
    /// These paths, by path.
    Entries(Vec<Entry>),
}

/// Reads what git tracks; only looks at the index file when it is not the one that toft wrote, or read
/// last.
pub fn tracked(gitdir: &Path, hash: HashKind, last: &LastRead) -> Result<Tracked> {
    if let Some(tree) = last.tree(gitdir) {
        return Ok(Tracked::Tree(tree));
    }
    if !gitdir.join("index").exists() {
        return Ok(Tracked::Head);
    }
    let index = last.read(gitdir, hash)?;
    Ok(tree_of(&index).map_or(Tracked::Entries(index.entries), Tracked::Tree))
}

/// Reads the index; one that does not exist is empty, as for git.
pub fn read_index(gitdir: &Path, hash: HashKind) -> Result<Index> {
    let path = gitdir.join("index");
    match std::fs::read(&path) {
        Ok(bytes) => index::decode(&bytes, hash).map_err(|why| DotgitError::Index { path, why }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index::empty(hash)),
        Err(error) => Err(DotgitError::io(&path)(error)),
    }
}

/// Remembers which index file toft wrote, the tree that it stands for, and in which run of the host:
/// neither file is synced, and after power loss the mark may be all that is left.
pub(super) struct IndexMark;

impl IndexMark {
    const NAME: &str = "toft-index";

    /// Says that the index as it stands is exactly `tree`.
    pub(super) fn write(gitdir: &Path, tree: Oid) -> Result<()> {
        let path = gitdir.join(Self::NAME);
        let written = signature(gitdir)
            .and_then(|signature| Ok(format!("{tree} {} {signature}\n", boot()?)))
            .and_then(|line| std::fs::write(&path, line));
        written.map_err(DotgitError::io(&path))
    }

    /// The tree of the index, when nobody else replaced it.
    pub(super) fn read(gitdir: &Path) -> Option<Oid> {
        Self::read_of(gitdir).filter(|(_, same_boot)| *same_boot).map(|(tree, _)| tree)
    }

    /// The same for a mark of any run of the host, and whether it is of this one.
    pub(super) fn read_of(gitdir: &Path) -> Option<(Oid, bool)> {
        let text = std::fs::read_to_string(gitdir.join(Self::NAME)).ok()?;
        let (tree, mark) = text.trim_end().split_once(' ')?;
        let (at, mark) = mark.split_once(' ')?;
        if signature(gitdir).is_ok_and(|now| now == mark) {
            let tree = Oid::from_hex(tree.as_bytes()).ok()?;
            Some((tree, boot().is_ok_and(|now| now == at)))
        } else {
            None
        }
    }
}

fn boot() -> io::Result<String> {
    Ok(current_boot()?.to_string())
}

/// What changes when the file is replaced or written to. (Its ctime does when others link it.)
fn signature(gitdir: &Path) -> io::Result<String> {
    let file = std::fs::metadata(gitdir.join("index"))?;
    Ok(format!("{} {} {}.{}", file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}
