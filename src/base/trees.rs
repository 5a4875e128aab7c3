//! Directories of the base, cached, and how they lie to each other.

use super::cache::Cache;
use super::holders::Holders;
use super::objects::Objects;
use super::{BaseError, Tree};
use crate::sys::locks::Mutex;
use crate::types::{Oid, TreeMode};
use std::sync::{Arc, OnceLock};

/// Memory for directories.
const TREES: u64 = 4 << 20;

/// Reads directories through a bounded cache.
pub(super) struct Trees {
    objects: Arc<Objects>,
    cache: Cache<Arc<Tree>>,
    /// For those who ask what lies around a file.
    holders: OnceLock<Mutex<Holders>>,
}

impl Trees {
    pub(super) fn new(objects: Arc<Objects>) -> Self {
        Self { objects, cache: Cache::new(TREES), holders: OnceLock::new() }
    }

    /// Remembers from now on where objects were seen: a walk that lists everything before it reads
    /// would find no directory of the first files in the cache any more.
    pub(super) fn remember_holders(&self) {
        self.holders.get_or_init(Mutex::default);
    }

    /// The directory with the tree id `oid`.
    pub(super) fn get(&self, oid: Oid) -> Result<Arc<Tree>, BaseError> {
        if let Some(tree) = self.cache.get(oid) {
            return Ok(tree);
        }
        let tree = Arc::new(self.objects.tree(oid)?);
        self.cache.insert(oid, Arc::clone(&tree), tree.weight() as u64);
        if let Some(holders) = self.holders.get() {
            holders.lock().note(oid, &tree);
        }
        Ok(tree)
    }

    /// The files of the directory that holds `blob`, as far as `most`, and of those that a walk
    /// comes to after it, while there are not `enough`. Only the blob where nobody looked at its
    /// directory.
    pub(super) fn around(&self, blob: Oid, most: usize, enough: usize) -> Vec<Oid> {
        let Some((oid, dir)) = self.holder(blob) else { return vec![blob] };
        let mut found: Vec<Oid> = dir.files().take(most).collect();
        // Beyond `most`, it may not be among them.
        found.push(blob);
        let mut here = (oid, dir.clone());
        self.collect_below(&dir, enough, &mut found);
        while found.len() < enough {
            let Some((oid, parent)) = self.holder(here.0) else { break };
            let later = parent.entries.iter().skip_while(|entry| entry.oid != here.0).skip(1);
            for entry in later.filter(|entry| entry.mode == TreeMode::Tree) {
                self.collect(entry.oid, enough, &mut found);
            }
            here = (oid, parent);
        }
        found
    }

    /// A directory that was looked at, in which `oid` is.
    fn holder(&self, oid: Oid) -> Option<(Oid, Arc<Tree>)> {
        let dir = self.holders.get()?.lock().find(oid)?;
        let tree = self.get(dir).ok()?;
        tree.entries.iter().any(|entry| entry.oid == oid).then_some((dir, tree))
    }

    fn collect_below(&self, dir: &Tree, enough: usize, found: &mut Vec<Oid>) {
        for entry in dir.entries.iter().filter(|entry| entry.mode == TreeMode::Tree) {
            self.collect(entry.oid, enough, found);
        }
    }

    /// The files of `dir` and below, depth first and without recursion: trees may be deeper than
    /// any stack.
    fn collect(&self, dir: Oid, enough: usize, found: &mut Vec<Oid>) {
        let mut pending = vec![dir];
        while let Some(oid) = pending.pop().filter(|_| found.len() < enough) {
            let Ok(dir) = self.get(oid) else { continue };
            found.extend(dir.files());
            let below = dir.entries.iter().rev().filter(|entry| entry.mode == TreeMode::Tree);
            pending.extend(below.map(|entry| entry.oid));
        }
    }
}
