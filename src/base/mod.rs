//! The lower layer: immutable trees and blobs of one workspace's repository, loaded when touched.
//!
//! Must not know: the overlay, nor how a remote is reached: it is given a [`Promisor`].
//! Invariants: no read waits for the network: what is not on this host is [`BaseError::Away`], and
//! who holds no lock may call for it and come again. What is returned was checked against its id; a name that may not exist in a file
//! system is never an entry; caches are bounded and a leaf in the order of locks.
//! A crash leaves: caches in the store, which are compared with what they stand for (other temporary
//! files have no name).

mod blob;
mod cache;
mod disguise;
mod error;
mod fill;
mod holders;
mod hydrate;
mod objects;
mod shelf;
mod sizes;
mod spill;
mod tree;
mod trees;
mod undone;

pub use blob::Blob;
pub use disguise::is_dotgit_disguise;
pub use error::{BaseError, Unavailable};
pub use fill::Filled;
pub use hydrate::{Counts, Promisor, Then};
pub use sizes::SizeTable;
pub use tree::{Entry, Tree};

use crate::git::Repo;
use crate::types::Oid;
use cache::Cache;
use hydrate::Hydrator;
use objects::Objects;
use spill::Spill;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use trees::Trees;

/// Memory for file contents.
const BLOBS: u64 = 6 << 20;
/// Content above this goes through a file: to undo its deltas takes several times its size.
const BIG: u64 = 2 << 20;
/// Disk for such files, over and above those that are open.
const FILES: u64 = 1 << 30;

/// Reads the base through bounded caches. Threads share it.
pub struct Base {
    repo: Repo,
    objects: Arc<Objects>,
    trees: Arc<Trees>,
    blobs: Cache<Blob>,
    files: Cache<Blob>,
    spill: Spill,
    hydrator: Option<Hydrator>,
}

impl Base {
    /// Reads from `repo`; big blobs are spilled into nameless files in `spill_dir`.
    pub fn new(repo: Repo, spill_dir: PathBuf) -> Base {
        let objects = Arc::new(Objects::new(repo.clone()));
        Base {
            trees: Arc::new(Trees::new(objects.clone())),
            objects,
            repo,
            blobs: Cache::new(BLOBS),
            files: Cache::new(FILES),
            spill: Spill::new(spill_dir),
            hydrator: None,
        }
    }

    /// The same, where `promisor` brings what `repo` does not have.
    pub fn lazy(
        repo: Repo,
        spill_dir: PathBuf,
        promisor: Arc<dyn Promisor>,
    ) -> std::io::Result<Base> {
        let mut base = Base::new(repo.clone(), spill_dir);
        base.trees.remember_holders();
        base.hydrator = Some(Hydrator::new(promisor, repo, base.trees.clone())?);
        Ok(base)
    }

    /// Big blobs lie in the folder `cache` instead, and small objects are kept there undone, where
    /// other workspaces find them, too.
    #[must_use]
    pub fn sharing(mut self, cache: &Path) -> Self {
        self.spill.share(cache.join("blobs"));
        self.objects.share(&cache.join("undone"));
        self
    }

    /// Sizes are looked up in `table` first.
    #[must_use]
    pub fn knowing(self, table: SizeTable) -> Self {
        self.objects.know_sizes(table);
        self
    }

    /// The repository behind it.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The directory with the tree id `oid`.
    pub fn tree(&self, oid: Oid) -> Result<Arc<Tree>, BaseError> {
        self.trees.get(oid)
    }

    /// The length of a file.
    pub fn blob_size(&self, oid: Oid) -> Result<u64, BaseError> {
        if let Some(size) = self.objects.size_known(oid) {
            return Ok(size);
        }
        if self.hydrator.is_some() && !self.repo.missing(&[oid]).is_empty() {
            return Err(BaseError::Away(oid));
        }
        Ok(self.objects.size(oid)?)
    }

    /// The content of a file, if it is here ([`BaseError::Away`]).
    pub fn blob(&self, oid: Oid) -> Result<Blob, BaseError> {
        if let Some(blob) = self.blobs.get(oid).or_else(|| self.files.get(oid)) {
            return Ok(blob);
        }
        if let Some(bytes) = self.objects.blob_undone(oid) {
            return Ok(self.keep(oid, bytes));
        }
        let size = self.blob_size(oid)?;
        if size > BIG {
            let keep = |blob: &Blob| self.files.insert(oid, blob.clone(), size);
            return self.spill.fetch(&self.repo, oid, || self.files.get(oid), keep);
        }
        Ok(self.keep(oid, self.objects.blob(oid)?))
    }

    fn keep(&self, oid: Oid, bytes: Vec<u8>) -> Blob {
        let blob = Blob::Memory(bytes.into());
        self.blobs.insert(oid, blob.clone(), blob.len());
        blob
    }

    /// Calls for the content `oid`; `then` is run when it is here or does not come, perhaps at once,
    /// perhaps by another thread.
    pub fn call(&self, oid: Oid, then: Then) {
        match &self.hydrator {
            Some(hydrator) => hydrator.call(oid, then),
            None => then(Err(BaseError::Missing(oid))),
        }
    }

    /// Whether contents may be [`BaseError::Away`].
    pub fn is_lazy(&self) -> bool {
        self.hydrator.is_some()
    }

    /// Whether the content `oid` is on the remote only.
    pub fn is_away(&self, oid: Oid) -> bool {
        self.is_lazy() && matches!(self.blob_size(oid), Err(BaseError::Away(_)))
    }

    /// What was called for so far; None where nothing can be away.
    pub fn calls(&self) -> Option<Counts> {
        self.hydrator.as_ref().map(Hydrator::counts)
    }

    /// The content of a file, for those who hold nothing that others wait for: waits for the remote
    /// where it has to.
    pub fn blob_brought(&self, oid: Oid) -> Result<Blob, BaseError> {
        match self.blob(oid) {
            Err(BaseError::Away(_)) => {}
            found => return found,
        }
        let (told, outcome) = mpsc::channel();
        self.call(oid, Box::new(move |outcome| drop(told.send(outcome))));
        outcome.recv().unwrap_or(Err(BaseError::Missing(oid)))?;
        self.blob(oid)
    }
}
