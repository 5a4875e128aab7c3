//! The lower layer: immutable trees and blobs of one workspace's repository, loaded when touched.
//!
//! Must not know: the overlay. Leaves the seam for blobless hydration: every read may one day wait
//! for the network, so callers hold no lock that a writer needs beyond a local disk read.
//! Invariants: what is returned was checked against its id; a name that may not exist in a file
//! system is never an entry; caches are bounded and a leaf in the order of locks.
//! A crash leaves: nothing (temporary files have no name).

mod blob;
mod cache;
mod disguise;
mod error;
mod hydrate;
mod tree;

pub use blob::Blob;
pub use disguise::is_dotgit_disguise;
pub use error::BaseError;
pub use tree::{Entry, Tree};

use crate::git::Repo;
use crate::types::Oid;
use cache::Cache;
use hydrate::Hydrator;
use std::path::PathBuf;
use std::sync::Arc;

/// Memory for directories.
const TREES: u64 = 32 << 20;
/// Memory for file contents.
const BLOBS: u64 = 16 << 20;
/// Memory for file sizes, at about 100 bytes each.
const SIZES: u64 = 8 << 20;
/// Content above this goes through a file: to undo its deltas takes several times its size.
const BIG: u64 = 2 << 20;
/// Disk for such files, over and above those that are open.
const FILES: u64 = 1 << 30;

/// Reads the base through bounded caches. Threads share it.
pub struct Base {
    repo: Repo,
    trees: Cache<Arc<Tree>>,
    sizes: Cache<u64>,
    blobs: Cache<Blob>,
    files: Cache<Blob>,
    hydrator: Hydrator,
}

impl Base {
    /// Reads from `repo`; big blobs are spilled into nameless files in `spill_dir`.
    pub fn new(repo: Repo, spill_dir: PathBuf) -> Base {
        Base {
            repo,
            trees: Cache::new(TREES),
            sizes: Cache::new(SIZES),
            blobs: Cache::new(BLOBS),
            files: Cache::new(FILES),
            hydrator: Hydrator::new(spill_dir),
        }
    }

    /// The repository behind it.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The directory with the tree id `oid`.
    pub fn tree(&self, oid: Oid) -> Result<Arc<Tree>, BaseError> {
        if let Some(tree) = self.trees.get(oid) {
            return Ok(tree);
        }
        let tree = Arc::new(Tree::sift(self.repo.tree(oid)?));
        self.trees.insert(oid, Arc::clone(&tree), tree.weight() as u64);
        Ok(tree)
    }

    /// The length of a file.
    pub fn blob_size(&self, oid: Oid) -> Result<u64, BaseError> {
        if let Some(size) = self.sizes.get(oid) {
            return Ok(size);
        }
        let size = self.repo.blob_size(oid)?;
        self.sizes.insert(oid, size, 100);
        Ok(size)
    }

    /// The content of a file.
    pub fn blob(&self, oid: Oid) -> Result<Blob, BaseError> {
        if let Some(blob) = self.blobs.get(oid).or_else(|| self.files.get(oid)) {
            return Ok(blob);
        }
        let size = self.blob_size(oid)?;
        if size > BIG {
            let keep = |blob: &Blob| self.files.insert(oid, blob.clone(), size);
            return self.hydrator.fetch(&self.repo, oid, || self.files.get(oid), keep);
        }
        let blob = Blob::Memory(self.repo.blob(oid)?.into());
        self.blobs.insert(oid, blob.clone(), size + 100);
        Ok(blob)
    }
}
