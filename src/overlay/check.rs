//! Whether an index means what it should: the invariants of the room, for whoever doubts. Pure.

use super::index::Index;
use super::node::{Node, NodeData, Slot};
use crate::types::{BodyId, Ino, Name};
use std::collections::HashMap;

/// A broken invariant. No sequence of operations and no crash leads to one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// There is no root.
    #[error("there is no root directory")]
    NoRoot,
    /// An entry leads nowhere.
    #[error("'{}' in directory {} leads to inode {}, which is not there", .1.as_bytes().escape_ascii(), .0.0, .2.0)]
    Dangling(Ino, Name, Ino),
    /// A directory has two names.
    #[error("directory {} has more than one name", .0.0)]
    TwoNames(Ino),
    /// A directory's parent is not where its name is.
    #[error("directory {} lies in {} and says that it lies in {}", .0.0, .1.0, .2.0)]
    WrongParent(Ino, Ino, Ino),
    /// An inode has more or fewer names than it says.
    #[error("inode {} has {} names and says {}", .0.0, .1, .2)]
    WrongLinks(Ino, u32, u32),
    /// An inode has a name, it says, and none leads to it.
    #[error("no name leads to inode {}", .0.0)]
    Unreachable(Ino),
    /// Two inodes share a body.
    #[error("body {} belongs to the inodes {} and {}", .0.0, .1.0, .2.0)]
    SharedBody(BodyId, Ino, Ino),
}

/// All flaws of `index`; none, if it is sound.
pub fn check(index: &Index) -> Vec<Flaw> {
    if index.node(Ino::ROOT).is_none_or(|root| root.directory().is_none()) {
        return vec![Flaw::NoRoot];
    }
    let mut flaws = Vec::new();
    let names = walk(index, &mut flaws);
    let mut owners: HashMap<BodyId, Ino> = HashMap::new();
    for (ino, node) in index.iter() {
        let found = names.get(&ino).copied().unwrap_or(0);
        flaws.extend(check_links(ino, node, found));
        if let Some(body) = node.body()
            && let Some(other) = owners.insert(body, ino)
        {
            flaws.push(Flaw::SharedBody(body, other, ino));
        }
    }
    flaws
}

/// Follows all entries from the root; how many lead to each inode.
fn walk(index: &Index, flaws: &mut Vec<Flaw>) -> HashMap<Ino, u32> {
    let mut names = HashMap::from([(Ino::ROOT, 1)]);
    let mut todo = vec![Ino::ROOT];
    while let Some(dir) = todo.pop() {
        let delta = index.node(dir).and_then(|node| node.directory()).map(|dir| &dir.delta);
        for (name, slot) in delta.into_iter().flatten() {
            let Slot::Entry(ino) = *slot else { continue };
            let Some(node) = index.node(ino) else {
                flaws.push(Flaw::Dangling(dir, name.clone(), ino));
                continue;
            };
            let count = names.entry(ino).or_insert(0);
            *count += 1;
            let NodeData::Directory(child) = &node.data else { continue };
            if *count > 1 {
                flaws.push(Flaw::TwoNames(ino));
                continue;
            }
            if child.parent != dir {
                flaws.push(Flaw::WrongParent(ino, dir, child.parent));
            }
            todo.push(ino);
        }
    }
    names
}

fn check_links(ino: Ino, node: &Node, found: u32) -> Option<Flaw> {
    match (found, node.meta.nlink) {
        (0, said) if said > 0 => Some(Flaw::Unreachable(ino)),
        (found, said) if found != said => Some(Flaw::WrongLinks(ino, found, said)),
        _ => None,
    }
}
