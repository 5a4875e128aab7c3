//! Directories of the base, cached, and how they lie to each other.

use super::cache::Cache;
use super::holders::Holders;
use super::objects::Objects;
use super::{BaseError, Entry, Tree};
use crate::sys::locks::Mutex;
use crate::types::{Oid, TreeMode};
use std::sync::{Arc, OnceLock};

/// Memory for directories.
const TREES: u64 = 4 << 20;
/// To find one file so many are looked at, at most.
const STEPS: usize = 16;

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

    /// The files that are `wanted` of the directory that holds `blob`, as far as `most`, and of those
    /// that a walk comes to after it, and in the end before it, while there are not `enough`. Only the
    /// blob where nobody looked at its directory.
    pub(super) fn around(
        &self,
        blob: Oid,
        most: usize,
        enough: usize,
        wanted: &dyn Fn(Oid) -> bool,
    ) -> Vec<Oid> {
        let Some((oid, dir)) = self.holder(blob) else { return vec![blob] };
        let found: Vec<Oid> = dir.files().filter(|oid| wanted(*oid)).take(most).collect();
        let mut around = Around { trees: self, wanted, enough, steps: 0, found };
        // Beyond `most`, it may not be among them.
        around.found.push(blob);
        let mut here = (oid, dir.clone());
        around.take_all(dir.entries.iter());
        while around.goes_on() {
            let Some((oid, parent)) = self.holder(here.0) else { break };
            let later = parent.entries.iter().skip_while(|entry| entry.oid != here.0);
            around.take_all(later.skip(1));
            here = (oid, parent);
        }
        // At the root.
        around.take(here.0);
        around.found
    }

    /// A directory that was looked at, in which `oid` is.
    fn holder(&self, oid: Oid) -> Option<(Oid, Arc<Tree>)> {
        let dir = self.holders.get()?.lock().find(oid)?;
        let tree = self.get(dir).ok()?;
        tree.entries.iter().any(|entry| entry.oid == oid).then_some((dir, tree))
    }
}

/// Files that lie around one.
struct Around<'a> {
    trees: &'a Trees,
    wanted: &'a dyn Fn(Oid) -> bool,
    enough: usize,
    /// Files that were looked at.
    steps: usize,
    found: Vec<Oid>,
}

impl Around<'_> {
    /// Most may be here already.
    fn goes_on(&self) -> bool {
        self.found.len() < self.enough && self.steps < STEPS * self.enough
    }

    fn take_all<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        for entry in entries.filter(|entry| entry.mode == TreeMode::Tree) {
            self.take(entry.oid);
        }
    }

    /// The files of `dir` and below, depth first and without recursion: trees may be deeper than
    /// any stack.
    fn take(&mut self, dir: Oid) {
        let mut pending = vec![dir];
        while let Some(oid) = pending.pop().filter(|_| self.goes_on()) {
            let Ok(dir) = self.trees.get(oid) else { continue };
            self.steps += dir.entries.len();
            self.found.extend(dir.files().filter(|oid| (self.wanted)(*oid)));
            let below = dir.entries.iter().rev().filter(|entry| entry.mode == TreeMode::Tree);
            pending.extend(below.map(|entry| entry.oid));
        }
    }
}
