//! The index of a fresh checkout, made without one: entries from trees, stat data as the mount
//! will return it.

use super::Result;
use super::index::{CacheTree, Entry, FileStat, Index, Stat};
use super::walk::{Hidden, Leaves, walk};
use crate::base::SizeTable;
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
    /// The sizes of its files.
    pub sizes: Vec<(Oid, u64)>,
    /// Files whose size could not be read; git will look at them itself.
    pub unreadable: usize,
}

/// Makes the index of `tree` as the root of the mount: a pure function of the tree and `stat`.
/// `known` tells sizes faster than `repo` does.
pub fn prefill(
    repo: &Repo,
    tree: Oid,
    stat: BaseStat,
    known: Option<&SizeTable>,
) -> Result<Prefilled> {
    let mut fresh = Fresh { stat, entries: Vec::new() };
    let (cache_tree, hidden) = walk(repo, tree, &mut fresh)?;
    let (hash, entries) = (repo.hash_kind(), fresh.entries);
    let mut index = Index { hash, entries, cache_tree: Some(cache_tree) };
    let sizes = fill_sizes(repo, known, &mut index.entries);
    let files = index.entries.iter().filter(|entry| entry.mode != TreeMode::Commit).count();
    Ok(Prefilled { index, hidden, unreadable: files - sizes.len(), sizes })
}

/// Entries that are all made anew.
struct Fresh {
    stat: BaseStat,
    entries: Vec<Entry>,
}

impl Leaves for Fresh {
    fn take_known(&mut self, _path: &[u8], _tree: Oid) -> Option<CacheTree> {
        None
    }

    fn take(&mut self, path: &[u8], mode: TreeMode, oid: Oid, ino: Ino) {
        let BaseStat { uid, gid, time } = self.stat;
        let file = FileStat { ino, size: 0, uid, gid, mtime: time, ctime: time };
        self.entries.push(Entry { stat: file.into(), ..Entry::new(path, mode, oid) });
    }
}

/// Asks for the size of every file, on all processors. One that cannot be read gets no stat data at
/// all, so that git asks the mount, which tells the error.
fn fill_sizes(repo: &Repo, known: Option<&SizeTable>, entries: &mut [Entry]) -> Vec<(Oid, u64)> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = entries.len().div_ceil(workers).max(1000);
    let partial = repo.is_partial();
    std::thread::scope(|scope| {
        let size = |oid| match known.and_then(|table| table.get(oid)) {
            Some(size) => Some(size),
            // Its content is on the remote.
            None if partial && !repo.missing(&[oid]).is_empty() => None,
            None => repo
                .blob_size(oid)
                .inspect_err(|error| tracing::warn!(%oid, %error, "size unknown"))
                .ok(),
        };
        let work = move |share: &mut [Entry]| -> Vec<(Oid, u64)> {
            let files = share.iter_mut().filter(|entry| entry.mode != TreeMode::Commit);
            files.filter_map(|entry| fill_size(entry, size(entry.oid))).collect()
        };
        let workers: Vec<_> =
            entries.chunks_mut(share).map(|share| scope.spawn(move || work(share))).collect();
        // A worker that panics has read nothing.
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    })
}

fn fill_size(entry: &mut Entry, size: Option<u64>) -> Option<(Oid, u64)> {
    match size {
        Some(size) => entry.stat.size = size as u32,
        None => entry.stat = Stat::default(),
    }
    Some((entry.oid, size?))
}
