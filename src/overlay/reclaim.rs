//! Gets back the room of dead values: what is left in a sparse segment moves to the end of the log,
//! and a segment that no node names goes.

use super::change::Change;
use super::error::OverlayError;
use super::freeze::Dead;
use super::node::{FileData, NodeData};
use super::store::Overlay;
use super::values::Value;
use crate::sys::locks::Ordering;
use crate::types::Ino;

/// A segment that still grows is left alone up to this size.
const SPARSE_BYTES: u64 = 1 << 20;
/// What it is worth a sync to get back.
const WORTH_BYTES: u64 = 64 << 10;
/// Bytes that a node takes in a journal, generously.
const NODE_BYTES: u64 = 512;
/// Values that move in one batch, during which nobody else changes a name.
const BATCH: usize = 64;

impl Overlay {
    /// Makes everything durable, gives back room, and prepares for what comes. Called now and then,
    /// not under a lock.
    pub fn keep_house(&self) -> Result<(), OverlayError> {
        let compacted = self.compact();
        self.bodies.make_ahead();
        self.sync()?;
        self.trim()?;
        compacted
    }

    /// How often dropped contents or old records were removed from the disk.
    pub fn freed(&self) -> u64 {
        self.freed.load(Ordering::Acquire)
    }

    /// For when the disk is full: gives back what deleted files still take there, which must not go
    /// before it is durable that they were deleted. Whether any went since it was `before`.
    pub fn make_room(&self, before: u64) -> bool {
        if self.freed() == before
            && let Err(error) = self.free()
        {
            tracing::warn!(%error, "what was deleted makes no room");
        }
        self.freed() != before
    }

    fn free(&self) -> Result<(), OverlayError> {
        // On a full disk nothing moves; a segment that is dead as a whole goes.
        let compacted = self.compact_above(WORTH_BYTES);
        self.bury_dead_segments();
        if self.pins.lock().has_dead() {
            self.sync()?;
        }
        self.trim_above(WORTH_BYTES.max(self.read().len() as u64 * NODE_BYTES))?;
        compacted
    }

    /// Empties segments of which less than half is alive; the next sync deletes them. So dead bytes
    /// are never much more than live ones. Called now and then, not under a lock.
    pub fn compact(&self) -> Result<(), OverlayError> {
        self.compact_above(SPARSE_BYTES)
    }

    /// The same where it is worth while for a segment of more than so many bytes.
    pub fn compact_above(&self, bytes: u64) -> Result<(), OverlayError> {
        let content = |source| OverlayError::Content { path: "values".into(), source };
        let (tail, size) = self.values.tail();
        if self.read().live_value_bytes(tail) * 2 < size {
            self.values.rotate_above(bytes).map_err(content)?;
        }
        let full = self.values.full_segments().map_err(content)?;
        let sparse: Vec<u32> = {
            let index = self.read();
            let is_sparse =
                |(segment, size): &(u32, u64)| index.live_value_bytes(*segment) * 2 < *size;
            full.into_iter().filter(is_sparse).map(|(segment, _)| segment).collect()
        };
        if sparse.is_empty() {
            return Ok(());
        }
        let moving: Vec<(Ino, Value)> =
            self.read().values().filter(|(_, value)| sparse.contains(&value.segment)).collect();
        moving.chunks(BATCH).try_for_each(|batch| self.move_values(batch))
    }

    fn move_values(&self, batch: &[(Ino, Value)]) -> Result<(), OverlayError> {
        let content = |source| OverlayError::Content { path: "values".into(), source };
        let _writing = self.bodies.writing();
        // A freeze keeps the old segment anyway, and would take what moved for altered.
        if self.pins.lock().is_frozen() {
            return Ok(());
        }
        let mut moved = Vec::with_capacity(batch.len());
        for (ino, old) in batch {
            // A value that cannot be read stays where it is: reading it fails, as before.
            let Ok(bytes) = self.values.open(*old).and_then(|open| open.read()) else { continue };
            moved.push((*ino, *old, self.values.append(&bytes).map_err(content)?));
        }
        let mut transaction = self.begin();
        for (ino, old, new) in moved {
            let still = NodeData::Regular(FileData::Value(old));
            if transaction.node(ino).is_some_and(|node| node.data == still) {
                transaction.push(Change::SetFile(ino, FileData::Value(new)));
            }
        }
        transaction.commit().map(drop)
    }

    /// Marks full segments that no node names for removal after the next sync.
    pub(super) fn bury_dead_segments(&self) {
        let Ok(full) = self.values.full_segments() else { return };
        let is_dead = |segment: u32| self.read().live_value_bytes(segment) == 0;
        if !full.iter().any(|(segment, _)| is_dead(*segment)) {
            return;
        }
        // A value that was written but is not named yet belongs to somebody who holds the gate.
        let _no_writers = self.bodies.stop_writes();
        let index = self.index.read();
        let seq = self.seq();
        let mut pins = self.pins.lock();
        for (segment, _) in full {
            let dead = Dead::Segment(segment);
            if index.live_value_bytes(segment) == 0 && !pins.is_buried(dead) {
                pins.bury(seq, dead);
            }
        }
    }
}
