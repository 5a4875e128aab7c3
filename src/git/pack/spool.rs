//! Bytes of a pack on their way: in memory while few, else in a temporary file.

use crate::sys::{Disk, OsDisk, create_dirs};
use crate::types::{HashKind, Oid};
use gix::hash::hasher;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are kept in memory before they go to the file.
const MEMORY: usize = 16 << 20;
/// `git gc` and `git prune` clear away what starts with `tmp_`.
const PREFIX: &str = "tmp_toft_";

pub(super) struct Spool {
    dir: PathBuf,
    buffer: Vec<u8>,
    file: Option<Temporary>,
    /// Bytes before those of the buffer; they are in the file.
    written: u64,
}

impl Spool {
    pub(super) fn new(dir: PathBuf, first: &[u8]) -> Self {
        Self { dir, buffer: first.to_vec(), file: None, written: 0 }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Nothing was promised of these bytes yet: what is too much for the memory goes past the seam,
    /// and the fsync of the whole file takes it along.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < MEMORY {
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(Temporary::create(&OsDisk::default(), &self.dir)?),
        };
        file.file().write_all_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Forgets everything from `len` on.
    pub(super) fn truncate(&mut self, len: u64) {
        match len.checked_sub(self.written) {
            Some(kept) => self.buffer.truncate(usize::try_from(kept).expect("part of the buffer")),
            None => {
                self.buffer.clear();
                self.written = len;
            }
        }
    }

    /// Puts everything into the file, `header` over its first bytes and the checksum of it all at
    /// the end. Returns the file and the checksum.
    pub(super) fn seal(
        mut self,
        disk: &dyn Disk,
        header: &[u8],
        hash: HashKind,
    ) -> io::Result<(Temporary, Oid)> {
        let len = self.len();
        let file = match self.file.take() {
            Some(file) => file,
            None => Temporary::create(disk, &self.dir)?,
        };
        disk.set_len(file.file(), self.written)?;
        if self.written == 0 {
            self.buffer[..header.len()].copy_from_slice(header);
            let checksum = super::checksum(hash, &self.buffer)?;
            self.buffer.extend_from_slice(checksum.as_slice());
            disk.write_all_at(file.file(), &self.buffer, 0)?;
            return Ok((file, checksum));
        }
        disk.write_all_at(file.file(), &self.buffer, self.written)?;
        disk.write_all_at(file.file(), header, 0)?;
        let checksum = checksum_of_file(file.file(), len, hash)?;
        disk.write_all_at(file.file(), checksum.as_slice(), len)?;
        Ok((file, checksum))
    }
}

fn checksum_of_file(file: &File, len: u64, hash: HashKind) -> io::Result<Oid> {
    let mut hasher = hasher(hash);
    let mut chunk = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < len {
        let wanted = chunk.len().min(usize::try_from(len - offset).unwrap_or(usize::MAX));
        file.read_exact_at(&mut chunk[..wanted], offset)?;
        hasher.update(&chunk[..wanted]);
        offset += wanted as u64;
    }
    hasher.try_finalize().map_err(|error| io::Error::other(error.to_string()))
}

/// A file that goes when it is dropped, unless it was published.
///
/// Its flock says that somebody is still at it; what a killed process left is removed by the next
/// one that writes a pack.
pub(super) struct Temporary {
    file: File,
    path: PathBuf,
}

impl Temporary {
    pub(super) fn create(disk: &dyn Disk, dir: &Path) -> io::Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        create_dirs(disk, dir)?;
        remove_abandoned(disk, dir)?;
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!("{PREFIX}{}_{number}", std::process::id()));
            match disk.create_file(&path) {
                Ok(file) => {
                    file.set_permissions(Permissions::from_mode(0o444))?;
                    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
                    // Somebody may have taken it for abandoned before the lock was held.
                    if file.metadata()?.nlink() > 0 {
                        return Ok(Self { file, path });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name for good.
    pub(super) fn publish(mut self, disk: &dyn Disk, name: &Path) -> io::Result<()> {
        disk.rename(&self.path, name)?;
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn remove_abandoned(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            tracing::info!(path = %entry.path().display(), "removed what a killed process left");
            let _ = disk.remove_file(&entry.path());
        }
    }
    Ok(())
}
