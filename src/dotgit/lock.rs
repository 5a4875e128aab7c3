//! `index.lock`, as git takes it; a killed toft leaves one that is known to be ours.

use super::index::Written;
use super::{DotgitError, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(super) const INDEX: &str = "index";
const LOCK: &str = "index.lock";
/// The same file as the lock while we hold it.
const OURS: &str = "index.toft";
/// Pieces of an index that are smaller are collected before they are written.
const BUFFER: usize = 64 << 10;

/// The right to replace the index. git refuses to write it meanwhile.
#[must_use = "the index is free again when the lock is dropped"]
#[derive(Debug)]
pub struct IndexLock {
    gitdir: PathBuf,
    file: File,
}

impl IndexLock {
    /// Takes the lock; None when somebody has it. One process serves a workspace, so that of two
    /// such calls only one is at work.
    pub fn acquire(gitdir: &Path) -> Result<Option<Self>> {
        release_abandoned(gitdir)?;
        let ours = gitdir.join(OURS);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&ours)
            .map_err(DotgitError::io(&ours))?;
        let lock = gitdir.join(LOCK);
        match std::fs::hard_link(&ours, &lock) {
            Ok(()) => Ok(Some(Self { gitdir: gitdir.to_owned(), file })),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(DotgitError::io(&lock)(error)),
        }
    }

    /// The git directory whose index is locked.
    pub(super) fn gitdir(&self) -> &Path {
        &self.gitdir
    }

    /// Replaces the index and releases the lock.
    pub(super) fn replace(self, index: &Written<'_>) -> Result<()> {
        let path = self.gitdir.join(INDEX);
        self.write(index)
            .and_then(|()| std::fs::rename(self.gitdir.join(LOCK), &path))
            .map_err(DotgitError::io(&path))
    }

    /// Of a large index the checksum takes as long as the rest: it is computed meanwhile.
    fn write(&self, index: &Written<'_>) -> io::Result<()> {
        std::thread::scope(|scope| {
            let checksum = scope.spawn(|| index.checksum());
            let mut file = BufWriter::with_capacity(BUFFER, &self.file);
            index.pieces.iter().try_for_each(|piece| file.write_all(piece))?;
            let checksum = checksum.join().map_err(|_| io::Error::other("no checksum"))?;
            file.write_all(checksum.as_slice())?;
            file.flush()
        })
    }
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        if let Err(error) = release_abandoned(&self.gitdir) {
            tracing::warn!(%error, "cannot release the lock of the index");
        }
    }
}

/// Removes the lock if it is ours, and our name for it. For the one process that serves the
/// workspace: what it finds of its own is of the past.
pub fn release_abandoned(gitdir: &Path) -> Result<()> {
    let (ours, lock) = (gitdir.join(OURS), gitdir.join(LOCK));
    let identity =
        |path: &Path| path.symlink_metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    let Some(own) = identity(&ours) else { return Ok(()) };
    if identity(&lock) == Some(own) {
        std::fs::remove_file(&lock).map_err(DotgitError::io(&lock))?;
    }
    std::fs::remove_file(&ours).map_err(DotgitError::io(&ours))
}

/// Puts an index where no git can be at work yet.
pub(super) fn replace_unlocked(index: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = index.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&temporary, index))
        .map_err(DotgitError::io(index))
}
