//! A consistent cut of the overlay that stays as it is while files are written on.

use super::content::{Bodies, Body};
use super::index::Index;
use super::node::{FileData, Node};
use super::values::{OpenValue, Value, Values};
use crate::sys::locks::Mutex;
use crate::types::{BodyId, Ino, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// What is deleted once nobody can come back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead {
    Body(BodyId),
    Segment(u32),
}

/// Which freezes are alive, and what waits for them and for the journal to be deleted.
#[derive(Default)]
pub(super) struct Pins {
    /// Body limit of each live freeze, and how many freezes have it.
    live: BTreeMap<u64, usize>,
    /// What was dropped, and the record that dropped it.
    dead: Vec<(Seq, Dead)>,
}

impl Pins {
    pub fn pin(&mut self, below: u64) {
        *self.live.entry(below).or_default() += 1;
    }

    /// Ends one freeze; returns the limit that holds from now on.
    pub fn unpin(&mut self, below: u64) -> u64 {
        if let Some(count) = self.live.get_mut(&below) {
            *count -= 1;
            if *count == 0 {
                self.live.remove(&below);
            }
        }
        self.live.last_key_value().map_or(0, |(below, _)| *below)
    }

    pub fn bury(&mut self, seq: Seq, dead: Dead) {
        self.dead.push((seq, dead));
    }

    pub fn is_frozen(&self) -> bool {
        !self.live.is_empty()
    }

    /// Whether something waits, and no freeze holds it.
    pub fn has_dead(&self) -> bool {
        !self.is_frozen() && !self.dead.is_empty()
    }

    pub fn is_buried(&self, dead: Dead) -> bool {
        self.dead.iter().any(|(_, other)| *other == dead)
    }

    /// Takes out what may be deleted: dropped durably, and in no live freeze.
    pub fn take_deletable(&mut self, synced: Seq) -> Vec<Dead> {
        if !self.live.is_empty() {
            return Vec::new();
        }
        let (gone, waiting) = self.dead.drain(..).partition(|(seq, _)| *seq <= synced);
        self.dead = waiting;
        Vec::into_iter(gone).map(|(_, dead)| dead).collect()
    }
}

/// The overlay as it was at one record, bodies included, but for those that somebody has as a file.
/// Released when dropped.
pub struct Freeze {
    pub(super) index: Index,
    pub(super) seq: Seq,
    pub(super) bodies: Arc<Bodies>,
    pub(super) values: Arc<Values>,
    pub(super) pins: Arc<Mutex<Pins>>,
    pub(super) below: u64,
    /// Bodies that were written to without us.
    pub(super) passed: BTreeSet<BodyId>,
}

impl Freeze {
    /// The node of `ino`; None for an untouched base entry.
    pub fn node(&self, ino: Ino) -> Option<&Arc<Node>> {
        self.index.node(ino)
    }

    /// All nodes.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The record up to which it holds everything.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The bytes of a body as they were at the freeze.
    pub fn body(&self, id: BodyId) -> io::Result<Arc<Body>> {
        self.bodies.open(id)
    }

    /// Whether the bytes are not held: others may write to the body, so that they are those of the
    /// moment when they are read.
    pub fn is_passed(&self, data: FileData) -> bool {
        matches!(data, FileData::Body(id) if self.passed.contains(&id))
    }

    /// The bytes of a small file as they were at the freeze.
    pub fn value(&self, value: Value) -> io::Result<OpenValue> {
        self.values.open(value)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}

impl Drop for Freeze {
    fn drop(&mut self) {
        let _no_writer_looks = self.bodies.stop_writes();
        let below = self.pins.lock().unpin(self.below);
        self.bodies.freeze_below(below);
    }
}
