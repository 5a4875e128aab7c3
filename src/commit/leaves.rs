//! Walking everything below a tree of the base.

use super::change::Leaf;
use super::error::CommitError;
use super::view::join;
use crate::base::Base;
use crate::types::{Oid, TreeMode};

/// The leaves below a tree, depth first. Nothing hidden is among them.
pub(super) struct Leaves<'a> {
    base: &'a Base,
    ready: Vec<(Vec<u8>, Leaf)>,
    trees: Vec<(Vec<u8>, Oid)>,
}

impl<'a> Leaves<'a> {
    /// Starts at the tree `oid`, which stands at `path`.
    pub(super) fn new(base: &'a Base, path: &[u8], oid: Oid) -> Self {
        Self { base, ready: Vec::new(), trees: vec![(path.to_vec(), oid)] }
    }

    fn read(&mut self, path: &[u8], oid: Oid) -> Result<(), CommitError> {
        let unreadable = |source| CommitError::Base { path: path.to_vec(), source };
        for entry in &self.base.tree(oid).map_err(unreadable)?.entries {
            let path = join(path, entry.name.as_bytes());
            match entry.mode {
                TreeMode::Tree => self.trees.push((path, entry.oid)),
                mode => self.ready.push((path, Leaf { mode, oid: entry.oid })),
            }
        }
        Ok(())
    }
}

impl Iterator for Leaves<'_> {
    type Item = Result<(Vec<u8>, Leaf), CommitError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(leaf) = self.ready.pop() {
                return Some(Ok(leaf));
            }
            let (path, oid) = self.trees.pop()?;
            if let Err(error) = self.read(&path, oid) {
                return Some(Err(error));
            }
        }
    }
}
