//! The index: nodes by inode number, and how a change alters it. Pure.

use super::change::Change;
use super::node::{Directory, FileData, Node, NodeData};
use super::values::Value;
use crate::types::{BodyId, Ino, InoMap};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All nodes of the upper layer.
#[derive(Clone, Debug, Default)]
pub struct Index {
    nodes: InoMap<Arc<Node>>,
    next_ino: u64,
    /// How many bytes of each segment of the value log nodes name.
    live_values: BTreeMap<u32, u64>,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { next_ino: Ino::FIRST_ALLOCATED, ..Self::default() }
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
            Change::PutNode(ino, node) => {
                self.count_value(node.value(), 1);
                let Some(old) = self.nodes.insert(ino, Arc::new(node)) else {
                    return Some(Change::DropNode(ino));
                };
                self.count_value(old.value(), -1);
                Some(Change::PutNode(ino, Arc::unwrap_or_clone(old)))
            }
            Change::DropNode(ino) => {
                let old = self.nodes.remove(&ino)?;
                self.count_value(old.value(), -1);
                Some(Change::PutNode(ino, Arc::unwrap_or_clone(old)))
            }
            Change::SetMeta(ino, meta) => {
                let old = std::mem::replace(&mut self.node_mut(ino)?.meta, meta);
                Some(Change::SetMeta(ino, old))
            }
            Change::SetFile(ino, file) => {
                let NodeData::Regular(now) = &mut self.node_mut(ino)?.data else { return None };
                let old = std::mem::replace(now, file);
                self.count_value(file.value(), 1);
                self.count_value(old.value(), -1);
                Some(Change::SetFile(ino, old))
            }
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
        let orphans = self.iter().filter(|(_, node)| node.meta.nlink == 0);
        let orphans: Vec<Ino> = orphans.map(|(ino, _)| ino).collect();
        for ino in &orphans {
            self.apply(Change::DropNode(*ino));
        }
        orphans.len()
    }

    /// How many bytes of the segment of the value log nodes name.
    pub(super) fn live_value_bytes(&self, segment: u32) -> u64 {
        self.live_values.get(&segment).copied().unwrap_or(0)
    }

    /// The values that nodes refer to.
    pub(super) fn values(&self) -> impl Iterator<Item = (Ino, Value)> {
        self.iter().filter_map(|(ino, node)| Some((ino, node.value()?)))
    }

    fn count_value(&mut self, value: Option<Value>, sign: i64) {
        let Some(value) = value.filter(|value| value.len > 0) else { return };
        let live = self.live_values.entry(value.segment).or_default();
        *live = live.saturating_add_signed(sign * i64::from(value.len));
        if *live == 0 {
            self.live_values.remove(&value.segment);
        }
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

    fn value(&self) -> Option<Value> {
        match self.data {
            NodeData::Regular(file) => file.value(),
            _ => None,
        }
    }
}

impl FileData {
    fn value(self) -> Option<Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Blob(_) | Self::Body(_) => None,
        }
    }
}
