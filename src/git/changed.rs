//! What contents two trees do not share.

use super::{RawEntry, Repo, Result};
use crate::types::Oid;
use std::collections::BTreeMap;

const TREE: u32 = 0o40000;
const GITLINK: u32 = 0o160000;

impl Repo {
    /// The blobs of paths that `old` and `new` do not have alike, of both sides. Reads trees only.
    pub fn changed_blobs(&self, old: Option<Oid>, new: Option<Oid>) -> Result<Vec<Oid>> {
        let mut blobs = Vec::new();
        let mut pending = vec![(old, new)];
        while let Some((old, new)) = pending.pop() {
            let (mut old, new) = (self.entries(old)?, self.entries(new)?);
            let paired = new.into_iter().map(|(name, new)| (old.remove(&name), Some(new)));
            let mut pairs: Vec<_> = paired.collect();
            pairs.extend(old.into_values().map(|old| (Some(old), None)));
            for (old, new) in pairs.into_iter().filter(|(old, new)| old != new) {
                let side = |entry: Option<(u32, Oid)>, tree: bool| {
                    let (mode, oid) = entry?;
                    (mode != GITLINK && (mode == TREE) == tree).then_some(oid)
                };
                blobs.extend([side(old, false), side(new, false)].into_iter().flatten());
                let trees = (side(old, true), side(new, true));
                if trees != (None, None) {
                    pending.push(trees);
                }
            }
        }
        Ok(blobs)
    }

    fn entries(&self, tree: Option<Oid>) -> Result<BTreeMap<Vec<u8>, (u32, Oid)>> {
        let entries = tree.map_or_else(|| Ok(Vec::new()), |tree| self.tree(tree))?;
        let named = |RawEntry { mode, name, oid }| (name, (mode, oid));
        Ok(entries.into_iter().map(named).collect())
    }
}
