//! Objects of the repository and the sizes of files, from where they are had soonest.

use super::cache::Cache;
use super::undone::Undone;
use super::{SizeTable, Tree};
use crate::git::{GitError, ObjectKind, Repo};
use crate::types::Oid;
use std::path::Path;
use std::sync::OnceLock;

/// Memory for file sizes. The kernel keeps them too, so that few are asked for twice.
const SIZES: u64 = 2 << 20;
/// The sizes of so many files of a directory are learnt at once.
const FILES_MAX: usize = 1024;

/// Reads objects that are small enough for memory; what was read is checked against its id.
pub(super) struct Objects {
    repo: Repo,
    undone: OnceLock<Undone>,
    sizes: Cache<u64>,
    /// What was known of sizes before anybody looked.
    table: OnceLock<SizeTable>,
}

impl Objects {
    pub(super) fn new(repo: Repo) -> Self {
        let (undone, table) = (OnceLock::new(), OnceLock::new());
        Self { repo, undone, sizes: Cache::new(SIZES), table }
    }

    /// Keeps small objects in the file `path`, too, for all who do so.
    pub(super) fn share(&self, path: &Path) {
        match Undone::open(path) {
            Ok(undone) => drop(self.undone.set(undone)),
            // A cache that is full, read-only or in use is no reason to show nothing.
            Err(error) => tracing::debug!(%error, path = %path.display(), "nothing is kept undone"),
        }
    }

    /// Looks sizes up in `table` first.
    pub(super) fn know_sizes(&self, table: SizeTable) {
        drop(self.table.set(table));
    }

    /// A file's content, if it is known without asking the repository.
    pub(super) fn blob_undone(&self, oid: Oid) -> Option<Vec<u8>> {
        self.undone.get()?.take(&self.repo, ObjectKind::Blob, oid)
    }

    /// A file's content out of the repository.
    pub(super) fn blob(&self, oid: Oid) -> Result<Vec<u8>, GitError> {
        self.undo(ObjectKind::Blob, oid)
    }

    /// A directory. Whoever asks for it will ask for the sizes of its files.
    pub(super) fn tree(&self, oid: Oid) -> Result<Tree, GitError> {
        let undone = self.undone.get();
        let bytes = undone.and_then(|undone| undone.take(&self.repo, ObjectKind::Tree, oid));
        let bytes = bytes.map_or_else(|| self.undo(ObjectKind::Tree, oid), Ok)?;
        let mut tree = Tree::sift(self.repo.parse_tree(oid, &bytes)?);
        if let Some(undone) = undone {
            self.learn_sizes(oid, &mut tree, undone);
        }
        Ok(tree)
    }

    /// The length of a file, if it is known without asking the repository.
    pub(super) fn size_known(&self, oid: Oid) -> Option<u64> {
        self.sizes.get(oid).or_else(|| self.table.get()?.get(oid))
    }

    /// The length of a file.
    pub(super) fn size(&self, oid: Oid) -> Result<u64, GitError> {
        let size = self.repo.blob_size(oid)?;
        self.sizes.insert(oid, size, 0);
        Ok(size)
    }

    fn undo(&self, kind: ObjectKind, oid: Oid) -> Result<Vec<u8>, GitError> {
        let bytes = self.repo.object(oid, kind)?;
        if let Some(undone) = self.undone.get() {
            undone.put(oid, &bytes);
        }
        Ok(bytes)
    }

    /// One read for all files of the directory: to look each up in the table would be two.
    fn learn_sizes(&self, oid: Oid, tree: &mut Tree, undone: &Undone) {
        let files = tree.files().count();
        if files == 0 || files > FILES_MAX {
            return;
        }
        if let Some(sizes) = undone.sizes(oid).filter(|sizes| sizes.len() == files) {
            tree.set_sizes(&sizes);
        } else if let Some(table) = self.table.get()
            && let Some(sizes) =
                tree.files().map(|file| table.get(file)).collect::<Option<Vec<_>>>()
        {
            undone.put_sizes(oid, &sizes);
            tree.set_sizes(&sizes);
        }
    }
}
