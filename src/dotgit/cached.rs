//! Prefilled indexes, and the sizes that they were filled with, kept in the store: made once for a
//! commit; the index is linked into each git directory.

use super::lock::replace_unlocked;
use super::prefill::{BaseStat, prefill};
use super::state::IndexMark;
use super::walk::Hidden;
use super::{DotgitError, Result, hidden, index};
use crate::base::SizeTable;
use crate::git::Repo;
use crate::sys::{Disk, Reason, create_anew, make_private_dir, replace_file};
use crate::types::Oid;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Version of what is cached: the way to inode numbers is part of it.
const FORMAT: u32 = 2;
/// How many are kept in one store.
const KEPT: usize = 8;
/// How the names of the two kinds begin.
const INDEX: &str = "index-";
const SIZES: &str = "sizes-";

/// What [`install_index`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// It was there already.
    pub cached: bool,
    /// Paths that the base holds and the mount does not show, and why. (What is cached has none.)
    pub hidden: Vec<Hidden>,
}

/// Gives the git directory `gitdir` the index of `tree`, as a mount with `stat` shows it. `cache` is
/// a folder in the store, on which `gitdir` stands.
///
/// The file may be shared with other git directories: git never writes to an index, it replaces it.
pub fn install_index(
    gitdir: &Path,
    cache: &Path,
    repo: &Repo,
    tree: Oid,
    stat: BaseStat,
    disk: &dyn Disk,
) -> Result<Installed> {
    let path = gitdir.join("index");
    let cached = cache.join(name(tree, stat));
    if is_usable(&cached, stat) {
        place(&cached, &path)?;
        IndexMark::write(gitdir, tree)?;
        return Ok(Installed { cached: true, hidden: Vec::new() });
    }
    let filled = match prefill(repo, tree, stat, newest_sizes(cache, repo).as_ref()) {
        Ok(filled) => filled,
        Err(error) => {
            // Without an index git would take every file for deleted; this one it refuses to read.
            replace_unlocked(&path, format!("toft: {error}\n").as_bytes())?;
            IndexMark::write(gitdir, tree)?;
            return Err(error);
        }
    };
    let bytes = index::encode(&filled.index);
    if filled.hidden.is_empty() && filled.unreadable == 0 {
        make_private_dir(cache).map_err(DotgitError::io(cache))?;
        prune(cache, INDEX);
        prune(cache, SIZES);
        let sizes = SizeTable::encode(repo.hash_kind(), filled.sizes);
        if let Err(error) = keep(disk, &size_table(cache, tree), &sizes) {
            tracing::debug!(%error, "sizes will be asked of the objects");
        }
        replace_file(disk, &cached, &bytes, Reason::Manifest).map_err(DotgitError::io(&cached))?;
        place(&cached, &path)?;
    } else {
        // What is wrong with the base is told each time, and looked at anew.
        replace_unlocked(&path, &bytes)?;
    }
    IndexMark::write(gitdir, tree)?;
    hidden::note(gitdir, &filled.hidden)?;
    Ok(Installed { cached: false, hidden: filled.hidden })
}

fn name(tree: Oid, stat: BaseStat) -> String {
    let BaseStat { uid, gid, time } = stat;
    format!("{INDEX}v{FORMAT}-{tree}-{uid}-{gid}-{}.{}", time.sec, time.nsec)
}

/// Where the sizes of the files of `tree` are, if somebody looked at all of them. (A lazy workspace
/// did not.)
pub fn size_table(cache: &Path, tree: Oid) -> PathBuf {
    cache.join(format!("{SIZES}v{FORMAT}-{tree}"))
}

/// Puts a file in place of another as a whole, not durably: what power loss leaves is seen to be none.
fn keep(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let file = create_anew(disk, &new)?;
    disk.write_all_at(&file, bytes, 0)?;
    disk.rename(&new, path)
}

/// The newest table: most files are the same from commit to commit.
fn newest_sizes(cache: &Path, repo: &Repo) -> Option<SizeTable> {
    let (_, newest) = kept(cache, SIZES).pop()?;
    SizeTable::open(&newest, repo.hash_kind()).ok()
}

/// An index that is not younger than its files makes git read all of them each time (racy-git): a
/// commit of this very second. The next workspace makes it anew.
fn is_usable(cached: &Path, stat: BaseStat) -> bool {
    std::fs::metadata(cached).is_ok_and(|metadata| metadata.mtime() > stat.time.sec)
}

/// Links `from` to `to`; copies where a link cannot be.
fn place(from: &Path, to: &Path) -> Result<()> {
    let temporary = to.with_extension("tmp");
    let placed = remove(&temporary)
        .and_then(|()| std::fs::hard_link(from, &temporary))
        .or_else(|_| std::fs::copy(from, &temporary).map(drop))
        .and_then(|()| std::fs::rename(&temporary, to))
        // Two names of one file: rename leaves both.
        .and_then(|()| remove(&temporary));
    placed.map_err(DotgitError::io(to))
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes room for one more: the oldest go. Whoever linked one keeps it.
fn prune(cache: &Path, kind: &str) {
    let cached = kept(cache, kind);
    let too_many = cached.len().saturating_sub(KEPT - 1);
    for (_, path) in &cached[..too_many] {
        let _ = std::fs::remove_file(path);
    }
}

/// What is kept of one kind, the oldest first.
fn kept(cache: &Path, kind: &str) -> Vec<(std::time::SystemTime, PathBuf)> {
    let Ok(dir) = std::fs::read_dir(cache) else { return Vec::new() };
    let is_kind = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(kind.as_bytes());
    let mut kept: Vec<(std::time::SystemTime, PathBuf)> = dir
        .flatten()
        .filter(|entry| is_kind(&entry.file_name()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    kept.sort();
    kept
}
