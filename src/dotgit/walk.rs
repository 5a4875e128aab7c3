//! From a tree to the entries of an index, in the order of an index.

use super::index::{CacheTree, Entry, Index};
use super::{DotgitError, Result};
use crate::base::{self, Tree};
use crate::git::Repo;
use crate::types::{Ino, Oid, TreeMode};

/// More files or folders than this are not indexed: a tree that names itself a few times over
/// stands for billions of them.
pub const FILES_MAX: usize = 2_000_000;
/// Longest path that a system call takes. What is deeper nobody can reach through the mount.
const PATH_MAX: usize = 4095;

/// What a walk asks for.
pub(super) trait Leaves {
    /// The entries below the directory `path` (with a slash at its end, or empty) and their trees,
    /// where they are known to stand for `tree`.
    fn known(&self, path: &[u8], tree: Oid) -> Option<(&[Entry], &CacheTree)>;
    /// The entry of a file, link or gitlink; `ino` is its number as an untouched file of the base.
    fn entry(&self, path: &[u8], mode: TreeMode, oid: Oid, ino: Ino) -> Entry;
}

/// A path of a tree that no index may hold, and why.
pub type Hidden = (Vec<u8>, &'static str);

/// Reads the tree `root` with all below it.
pub(super) fn walk(repo: &Repo, root: Oid, leaves: &dyn Leaves) -> Result<(Index, Vec<Hidden>)> {
    let mut walk = Walk { repo, leaves, entries: Vec::new(), hidden: Vec::new(), opened: 0 };
    let cache_tree = walk.run(root)?;
    let index =
        Index { hash: repo.hash_kind(), entries: walk.entries, cache_tree: Some(cache_tree) };
    Ok((index, walk.hidden))
}

struct Walk<'a> {
    repo: &'a Repo,
    leaves: &'a dyn Leaves,
    entries: Vec<Entry>,
    hidden: Vec<Hidden>,
    /// Directories so far.
    opened: usize,
}

/// A directory that is being read.
struct Frame {
    oid: Oid,
    ino: Ino,
    /// What is to come, the next one last.
    rest: Vec<base::Entry>,
    /// Length of the path of the directory, with the slash.
    prefix: usize,
    /// Where its entries begin.
    first: usize,
    /// Whether the entries stand for exactly this tree.
    exact: bool,
    node: CacheTree,
}

impl Walk<'_> {
    /// Depth first, without recursion: trees may be deeper than any stack.
    fn run(&mut self, root: Oid) -> Result<CacheTree> {
        if let Some(node) = self.take_known(&[], root) {
            return Ok(node);
        }
        let mut path = Vec::new();
        let mut frame = self.open(&path, root, Ino::ROOT)?;
        let mut above: Vec<Frame> = Vec::new();
        loop {
            path.truncate(frame.prefix);
            let Some(entry) = frame.rest.pop() else {
                let node = self.close(frame);
                let Some(parent) = above.pop() else { return Ok(node) };
                frame = parent;
                frame.adopt(node);
                continue;
            };
            let name = entry.name.as_bytes();
            path.extend_from_slice(name);
            let ino = Ino::of_base_child(frame.ino, name);
            if path.len() > PATH_MAX {
                frame.exact = false;
                self.hidden.push((path.clone(), "the path is too long"));
            } else if entry.mode != TreeMode::Tree {
                self.entries.push(self.leaves.entry(&path, entry.mode, entry.oid, ino));
            } else {
                path.push(b'/');
                match self.take_known(&path, entry.oid) {
                    Some(node) => frame.adopt(CacheTree { name: name.to_vec(), ..node }),
                    None => {
                        let mut child = self.open(&path, entry.oid, ino)?;
                        child.node.name = name.to_vec();
                        above.push(std::mem::replace(&mut frame, child));
                    }
                }
            }
            if self.entries.len().max(self.opened) > FILES_MAX {
                return Err(DotgitError::TooLarge { limit: FILES_MAX });
            }
        }
    }

    fn take_known(&mut self, path: &[u8], tree: Oid) -> Option<CacheTree> {
        let (entries, node) = self.leaves.known(path, tree)?;
        self.entries.extend_from_slice(entries);
        Some(node.clone())
    }

    fn open(&mut self, path: &[u8], oid: Oid, ino: Ino) -> Result<Frame> {
        self.opened += 1;
        let tree = Tree::sift(self.repo.tree(oid)?);
        let exact = tree.hidden.is_empty();
        for (name, why) in tree.hidden {
            self.hidden.push(([path, &*name].concat(), why));
        }
        Ok(Frame {
            oid,
            ino,
            rest: in_reverse_order(tree.entries),
            prefix: path.len(),
            first: self.entries.len(),
            exact,
            node: CacheTree::default(),
        })
    }

    fn close(&self, frame: Frame) -> CacheTree {
        let mut node = frame.node;
        node.sort();
        let count = u32::try_from(self.entries.len() - frame.first).unwrap_or(u32::MAX);
        node.valid = frame.exact.then_some((count, frame.oid));
        node
    }
}

impl Frame {
    /// Takes in the directory below it that is complete.
    fn adopt(&mut self, child: CacheTree) {
        match child.valid {
            // git knows no empty directories: a tree that holds one is another tree to it.
            Some((0, _)) => self.exact = false,
            valid => {
                self.exact &= valid.is_some();
                self.node.children.push(child);
            }
        }
    }
}

/// Sorts as git sorts, a directory as if its name ended in a slash, the first one last.
fn in_reverse_order(mut entries: Vec<base::Entry>) -> Vec<base::Entry> {
    fn key(entry: &base::Entry) -> impl Iterator<Item = &u8> {
        let end: &[u8] = if entry.mode == TreeMode::Tree { b"/" } else { b"" };
        entry.name.as_bytes().iter().chain(end)
    }
    entries.sort_by(|a, b| key(b).cmp(key(a)));
    entries
}
