//! From a tree to the entries of an index, in the order of an index.

use super::index::CacheTree;
use super::{DotgitError, Result};
use crate::base::{self, Tree};
use crate::git::Repo;
use crate::types::{Ino, Oid, TreeMode};

/// More files or folders than this are not indexed: a tree that names itself a few times over
/// stands for billions of them.
pub const FILES_MAX: usize = 2_000_000;
/// Longest path that a system call takes. What is deeper nobody can reach through the mount.
const PATH_MAX: usize = 4095;

/// Takes what a walk finds, in the order of an index.
pub(super) trait Leaves {
    /// Takes the entries below the directory `path` (with a slash at its end, or empty) from where
    /// they are known to stand for `tree`, and gives their trees; the walk does not go there then.
    fn take_known(&mut self, path: &[u8], tree: Oid) -> Option<CacheTree>;
    /// Takes a file, link or gitlink; `ino` is its number as an untouched file of the base.
    fn take(&mut self, path: &[u8], mode: TreeMode, oid: Oid, ino: Ino);
}

/// A path of a tree that no index may hold, and why.
pub type Hidden = (Vec<u8>, &'static str);

/// Reads the tree `root` with all below it.
pub(super) fn walk(
    repo: &Repo,
    root: Oid,
    leaves: &mut dyn Leaves,
) -> Result<(CacheTree, Vec<Hidden>)> {
    let mut walk = Walk { repo, leaves, count: 0, hidden: Vec::new(), opened: 0 };
    let cache_tree = walk.run(root)?;
    Ok((cache_tree, walk.hidden))
}

struct Walk<'a> {
    repo: &'a Repo,
    leaves: &'a mut dyn Leaves,
    /// Entries so far.
    count: usize,
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
                self.leaves.take(&path, entry.mode, entry.oid, ino);
                self.count += 1;
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
            if self.count.max(self.opened) > FILES_MAX {
                return Err(DotgitError::TooLarge { limit: FILES_MAX });
            }
        }
    }

    fn take_known(&mut self, path: &[u8], tree: Oid) -> Option<CacheTree> {
        let node = self.leaves.take_known(path, tree)?;
        self.count += node.valid.map_or(0, |(count, _)| count as usize);
        Some(node)
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
            first: self.count,
            exact,
            node: CacheTree::default(),
        })
    }

    fn close(&self, frame: Frame) -> CacheTree {
        let mut node = frame.node;
        node.sort();
        let count = u32::try_from(self.count - frame.first).unwrap_or(u32::MAX);
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
