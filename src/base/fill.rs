//! What is away, brought before anybody looks at it.

use super::{Base, BaseError, Unavailable};
use crate::sys::Cancel;
use crate::types::{Oid, TreeMode};
use std::collections::HashSet;
use std::time::Duration;

/// Contents that one fetch brings: few enough that a foreground fetch beside it is not slowed for
/// long.
const BATCH: usize = 500;
/// How long somebody who waits for the remote is given way, before it is looked again.
const GIVE_WAY: Duration = Duration::from_millis(50);

/// What a fill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Contents that it brought.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Base {
    /// The contents below the tree `root` that are away, those of the lowest class first; `class`
    /// says of a path which one it is in, None: in none. Reads all trees.
    pub fn away(
        &self,
        root: Oid,
        class: &dyn Fn(&[u8]) -> Option<u8>,
    ) -> Result<Vec<Oid>, BaseError> {
        let mut found: Vec<(u8, Oid)> = Vec::new();
        let mut seen = HashSet::new();
        let mut pending = vec![(Vec::new(), root)];
        while let Some((path, oid)) = pending.pop() {
            for entry in &self.tree(oid)?.entries {
                let path = [&path, entry.name.as_bytes()].concat();
                match entry.mode {
                    TreeMode::Tree => pending.push(([&path, &b"/"[..]].concat(), entry.oid)),
                    TreeMode::Commit => {}
                    TreeMode::Blob | TreeMode::BlobExec | TreeMode::Link => {
                        let class = class(&path).filter(|_| seen.insert(entry.oid));
                        found.extend(class.map(|class| (class, entry.oid)));
                    }
                }
            }
        }
        found.sort_by_key(|(class, _)| *class);
        let found: Vec<Oid> = found.into_iter().map(|(_, oid)| oid).collect();
        self.repo.refresh_if_stale();
        Ok(self.repo.missing(&found))
    }

    /// Brings `oids` in their order until there are `budget` bytes of them, in the gaps that those
    /// who wait for the remote leave, or until `stop`.
    pub fn fill(&self, oids: &[Oid], budget: u64, stop: &Cancel) -> Result<Filled, Unavailable> {
        let mut filled = Filled::default();
        let Some(hydrator) = &self.hydrator else { return Ok(filled) };
        for batch in oids.chunks(BATCH) {
            while hydrator.is_busy() && !stop.wait(GIVE_WAY) {}
            if stop.is_cancelled() || filled.bytes >= budget {
                break;
            }
            // Some of it was called for meanwhile.
            let batch = self.repo.missing(batch);
            if batch.is_empty() {
                continue;
            }
            match hydrator.bring_aside(&batch).map_err(Unavailable::from) {
                Ok(()) => {}
                // One of them is not on the remote, perhaps. Whoever needs the others calls them.
                Err(Unavailable::Refused(why)) => {
                    tracing::info!(%why, "left out some contents");
                    continue;
                }
                Err(error) => return Err(error),
            }
            filled.contents += batch.len() as u64;
            let sizes = batch.iter().filter_map(|oid| self.repo.blob_size(*oid).ok());
            filled.bytes += sizes.sum::<u64>();
        }
        Ok(filled)
    }
}
