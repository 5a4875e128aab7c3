//! The index of a fresh checkout, made without one: entries from trees, stat data as the mount
//! will return it.

use super::Result;
use super::index::{CacheTree, Entry, FileStat, Index, Stat};
use super::walk::{Hidden, Leaves, walk};
use crate::git::Repo;
use crate::types::{Ino, Oid, Timespec, TreeMode};

/// What all untouched files of the base show alike (D6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseStat {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// All their times.
    pub time: Timespec,
}

/// What [`prefill`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefilled {
    /// The index.
    pub index: Index,
    /// Paths that the base holds and the mount does not show, and why.
    pub hidden: Vec<Hidden>,
    /// Files whose size could not be read; git will look at them itself.
    pub unreadable: usize,
}

/// Makes the index of `tree` as the root of the mount: a pure function of the tree and `stat`.
pub fn prefill(repo: &Repo, tree: Oid, stat: BaseStat) -> Result<Prefilled> {
    let (mut index, hidden) = walk(repo, tree, &stat)?;
    let unreadable = fill_sizes(repo, &mut index.entries);
    Ok(Prefilled { index, hidden, unreadable })
}

impl Leaves for BaseStat {
    fn known(&self, _path: &[u8], _tree: Oid) -> Option<(&[Entry], &CacheTree)> {
        None
    }

    fn entry(&self, path: &[u8], mode: TreeMode, oid: Oid, ino: Ino) -> Entry {
        let BaseStat { uid, gid, time } = *self;
        let file = FileStat { ino, size: 0, uid, gid, mtime: time, ctime: time };
        Entry { stat: file.into(), ..Entry::new(path, mode, oid) }
    }
}

/// Asks for the size of every file, on all processors. One that cannot be read gets no stat data at
/// all, so that git asks the mount, which tells the error.
fn fill_sizes(repo: &Repo, entries: &mut [Entry]) -> usize {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = entries.len().div_ceil(workers).max(1000);
    let partial = repo.is_partial();
    std::thread::scope(|scope| {
        let work = |share: &mut [Entry]| {
            share
                .iter_mut()
                .map(|entry| usize::from(!fill_size(repo, partial, entry)))
                .sum::<usize>()
        };
        let workers: Vec<_> =
            entries.chunks_mut(share).map(|share| scope.spawn(move || work(share))).collect();
        // A worker that panics has read nothing.
        workers.into_iter().map(|worker| worker.join().unwrap_or(share)).sum()
    })
}

fn fill_size(repo: &Repo, partial: bool, entry: &mut Entry) -> bool {
    if entry.mode == TreeMode::Commit {
        return true;
    }
    if partial && !repo.missing(&[entry.oid]).is_empty() {
        // Its content is on the remote.
        entry.stat = Stat::default();
        return false;
    }
    match repo.blob_size(entry.oid) {
        Ok(size) => entry.stat.size = size as u32,
        Err(error) => {
            tracing::warn!(path = %entry.path.escape_ascii(), %error, "size unknown");
            entry.stat = Stat::default();
            return false;
        }
    }
    true
}
