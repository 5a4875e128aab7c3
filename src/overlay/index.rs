//! The index: nodes by inode number, and how a change alters it. Pure.

use super::change::Change;
use super::node::{Directory, FileData, Node, NodeData};
use crate::types::{BodyId, Ino};
use std::collections::HashMap;
use std::sync::Arc;

/// All nodes of the upper layer.
#[derive(Clone, Debug, Default)]
pub struct Index {
    nodes: HashMap<Ino, Arc<Node>>,
    next_ino: u64,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { nodes: HashMap::new(), next_ino: Ino::FIRST_ALLOCATED }
    }

    /// The node of `ino`; None for an untouched base entry.
    pub fn node(&self, ino: Ino) -> Option<&Arc<Node>> {
        self.nodes.get(&ino)
    }

    /// All nodes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Ino, &Arc<Node>)> {
        self.nodes.iter().map(|(ino, node)| (*ino, node))
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn next_ino(&self) -> u64 {
        self.next_ino
    }

    pub(super) fn reserve_inos(&mut self, next_ino: u64) {
        self.next_ino = self.next_ino.max(next_ino);
    }

    pub(super) fn allocate_ino(&mut self) -> Ino {
        let ino = Ino(self.next_ino);
        self.next_ino += 1;
        ino
    }

    /// Applies `change` and returns the change that takes it back; None where nothing changed,
    /// because the inode that it names is not there.
    pub(super) fn apply(&mut self, change: Change) -> Option<Change> {
        match change {
            Change::PutNode(ino, node) => Some(match self.nodes.insert(ino, Arc::new(node)) {
                Some(old) => Change::PutNode(ino, Arc::unwrap_or_clone(old)),
                None => Change::DropNode(ino),
            }),
            Change::DropNode(ino) => {
                let old = self.nodes.remove(&ino)?;
                Some(Change::PutNode(ino, Arc::unwrap_or_clone(old)))
            }
            Change::SetMeta(ino, meta) => {
                let old = std::mem::replace(&mut self.node_mut(ino)?.meta, meta);
                Some(Change::SetMeta(ino, old))
            }
            Change::SetFile(ino, file) => match &mut self.node_mut(ino)?.data {
                NodeData::Regular(old) => Some(Change::SetFile(ino, std::mem::replace(old, file))),
                _ => None,
            },
            Change::SetSlot(dir, name, slot) => {
                let delta = &mut self.directory_mut(dir)?.delta;
                let old = match slot {
                    Some(slot) => delta.insert(name.clone(), slot),
                    None => delta.remove(&name),
                };
                Some(Change::SetSlot(dir, name, old))
            }
            Change::SetParent(dir, parent) => {
                let old = std::mem::replace(&mut self.directory_mut(dir)?.parent, parent);
                Some(Change::SetParent(dir, old))
            }
            Change::SetXattr(ino, name, value) => {
                let xattrs = &mut self.node_mut(ino)?.xattrs;
                let old = match value {
                    Some(value) => xattrs.insert(name.clone(), value),
                    None => xattrs.remove(&name),
                };
                Some(Change::SetXattr(ino, name, old))
            }
        }
    }

    /// Takes out the orphans: nodes that only an open file kept alive. Returns how many there were.
    pub(super) fn drop_orphans(&mut self) -> usize {
        let before = self.nodes.len();
        self.nodes.retain(|_, node| node.meta.nlink > 0);
        before - self.nodes.len()
    }

    /// The bodies that nodes refer to.
    pub(super) fn bodies(&self) -> impl Iterator<Item = BodyId> {
        self.nodes.values().filter_map(|node| node.body())
    }

    fn node_mut(&mut self, ino: Ino) -> Option<&mut Node> {
        self.nodes.get_mut(&ino).map(Arc::make_mut)
    }

    fn directory_mut(&mut self, ino: Ino) -> Option<&mut Directory> {
        match &mut self.node_mut(ino)?.data {
            NodeData::Directory(directory) => Some(Arc::make_mut(directory)),
            _ => None,
        }
    }
}

impl Node {
    pub(super) fn body(&self) -> Option<BodyId> {
        match self.data {
            NodeData::Regular(FileData::Body(id)) => Some(id),
            _ => None,
        }
    }
}
