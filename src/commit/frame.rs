//! One directory on the way of a walk. Pure.

use super::change::Leaf;
use super::view::Item;
use crate::base::Entry;
use crate::git::TreeItem;
use crate::types::{Name, Oid, TreeMode};
use std::cmp::Ordering;
use std::vec;

/// What HEAD's tree has under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadEntry {
    pub(super) mode: TreeMode,
    pub(super) oid: Oid,
}

/// A name in the view (or another tree), in HEAD's tree, or in both.
pub(super) struct Pair<T> {
    pub(super) name: Name,
    pub(super) item: Option<T>,
    pub(super) head: Option<HeadEntry>,
}

/// A directory that is being walked.
pub(super) struct Frame {
    /// Its name; None for the root.
    pub(super) name: Option<Name>,
    /// What HEAD has in its place.
    pub(super) before: Option<HeadEntry>,
    /// Length of its path.
    pub(super) path_len: usize,
    /// What is still to be looked at.
    pub(super) pairs: vec::IntoIter<Pair<Item>>,
    /// What the new tree holds so far.
    pub(super) items: Vec<TreeItem>,
    /// Entries that would be lost if the tree were written anew.
    pub(super) hidden: Vec<(Vec<u8>, &'static str)>,
    /// Stands for the attributes that hold here.
    pub(super) attributes: u64,
    /// Whether it differs from HEAD's.
    pub(super) changed: bool,
}

impl HeadEntry {
    /// As a leaf, unless it is a directory.
    pub(super) fn leaf(self) -> Option<Leaf> {
        (self.mode != TreeMode::Tree).then_some(Leaf { mode: self.mode, oid: self.oid })
    }
}

impl From<&Entry> for HeadEntry {
    fn from(entry: &Entry) -> Self {
        Self { mode: entry.mode, oid: entry.oid }
    }
}

impl<T> Pair<T> {
    /// Pairs what stands under the same names. Both sides are in byte order.
    pub(super) fn all(items: Vec<(Name, T)>, head: &[Entry]) -> Vec<Pair<T>> {
        let mut pairs = Vec::with_capacity(items.len().max(head.len()));
        let mut items = items.into_iter().peekable();
        let mut head = head.iter().peekable();
        loop {
            let order = match (items.peek(), head.peek()) {
                (None, None) => return pairs,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((name, _)), Some(entry)) => name.cmp(&entry.name),
            };
            let item = items.next_if(|_| order.is_le());
            let entry = head.next_if(|_| order.is_ge());
            let name = match (&item, entry) {
                (Some((name, _)), _) => name.clone(),
                (None, Some(entry)) => entry.name.clone(),
                (None, None) => return pairs,
            };
            pairs.push(Pair {
                name,
                item: item.map(|(_, item)| item),
                head: entry.map(HeadEntry::from),
            });
        }
    }
}

impl Frame {
    /// Adds an entry to the new tree.
    pub(super) fn push(&mut self, name: Name, mode: TreeMode, oid: Oid) {
        self.items.push(TreeItem { mode, name, oid });
    }
}
