//! In which directory an object was seen. Pure.

use super::Tree;
use crate::types::Oid;
use std::collections::HashMap;

/// Directories of so many objects are remembered; then all are forgotten.
const MOST: usize = 1 << 20;

/// The directories that were looked at, by what is in them. Some 30 bytes for each object: ids are
/// told apart by their beginnings, and who asks has to look into the directory anyway.
#[derive(Default)]
pub(super) struct Holders {
    dirs: Vec<Oid>,
    /// The place in `dirs` of the directory that holds an object.
    holders: HashMap<u64, u32>,
    /// The same of the directory itself.
    places: HashMap<u64, u32>,
}

impl Holders {
    /// Remembers what `tree` holds, whose id is `dir`.
    pub(super) fn note(&mut self, dir: Oid, tree: &Tree) {
        if self.holders.len() > MOST {
            *self = Self::default();
        }
        let next = u32::try_from(self.dirs.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(head(dir)).or_insert(next);
        if place == next {
            self.dirs.push(dir);
        }
        self.holders.extend(tree.entries.iter().map(|entry| (head(entry.oid), place)));
    }

    /// The directory in which `oid` was seen last.
    pub(super) fn find(&self, oid: Oid) -> Option<Oid> {
        let place = *self.holders.get(&head(oid))?;
        self.dirs.get(place as usize).copied()
    }
}

fn head(oid: Oid) -> u64 {
    u64::from_be_bytes(oid.as_bytes()[..8].try_into().expect("an id is longer"))
}
