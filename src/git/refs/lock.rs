//! git's own lock of a ref, `<ref>.lock`, but one that a killed process of ours does not leave behind.
//!
//! The lock is a second name of a file `toft-lock-*` in the git directory whose flock we hold. When
//! somebody finds the ref locked by such a file and nobody holds its flock, its owner is dead.

use crate::sys::{Disk, Reason};
use crate::types::Oid;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PREFIX: &str = "toft-lock-";
/// git waits for 100 ms for a ref that is locked (core.filesRefLockTimeout).
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// A value for a ref, in a file of its own: nobody sees it yet, so that it can be made durable before
/// anything is locked, beside what it names.
#[must_use = "a ref gets it by Repo::move_ref"]
pub struct RefValue<'a> {
    disk: &'a dyn Disk,
    oid: Oid,
    file: File,
    /// The name that tells that the file, and a lock that it becomes, are ours.
    own: PathBuf,
    durable: bool,
}

/// Holds a ref locked; dropping it unlocks.
pub(super) struct RefLock<'a> {
    value: RefValue<'a>,
    /// The name that locks; empty when it became the ref.
    lock: PathBuf,
}

impl<'a> RefValue<'a> {
    /// Of a ref of the repository in `gitdir`.
    pub(super) fn new(disk: &'a dyn Disk, gitdir: &Path, oid: Oid) -> io::Result<Self> {
        let (file, own) = own_file(disk, gitdir)?;
        Ok(Self { disk, oid, file, own, durable: false })
    }

    /// What it names.
    pub fn oid(&self) -> Oid {
        self.oid
    }

    pub(super) fn disk(&self) -> &'a dyn Disk {
        self.disk
    }

    /// Makes it durable, unless it is.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.durable {
            self.disk.write_all_at(&self.file, format!("{}\n", self.oid).as_bytes(), 0)?;
            self.disk.fsync_file(&self.file, Reason::Refs)?;
            self.durable = true;
        }
        Ok(())
    }
}

impl Drop for RefValue<'_> {
    fn drop(&mut self) {
        let _ = self.disk.remove_file(&self.own);
    }
}

impl<'a> RefLock<'a> {
    /// Locks the ref at `path` of the repository in `gitdir`, which is to get `value`; its directory
    /// must exist.
    pub(super) fn acquire(
        value: RefValue<'a>,
        gitdir: &Path,
        path: &Path,
    ) -> io::Result<RefLock<'a>> {
        let disk = value.disk;
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        remove_abandoned(disk, gitdir, path, &lock)?;
        let mut held = RefLock { value, lock: PathBuf::new() };
        for attempt in 0..TRIES {
            match disk.hard_link(&held.value.own, &lock) {
                Ok(()) => {
                    held.lock = lock;
                    return Ok(held);
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) if attempt + 1 < TRIES => pause(),
                Err(_) => {}
            }
            remove_abandoned(disk, gitdir, path, &lock)?;
        }
        let why = format!("{} exists: another git is at work, or was killed", lock.display());
        Err(io::Error::new(io::ErrorKind::ResourceBusy, why))
    }

    /// What becomes the ref.
    pub(super) fn value(&mut self) -> &mut RefValue<'a> {
        &mut self.value
    }

    /// Its file.
    pub(super) fn file(&self) -> &File {
        &self.value.file
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.lock
    }

    /// Says that the lock was renamed to the ref.
    pub(super) fn became_the_ref(mut self) {
        self.lock = PathBuf::new();
    }
}

impl Drop for RefLock<'_> {
    fn drop(&mut self) {
        if !self.lock.as_os_str().is_empty() {
            let _ = self.value.disk.remove_file(&self.lock);
        }
    }
}

/// A new file in `gitdir` with its flock held.
fn own_file(disk: &dyn Disk, gitdir: &Path) -> io::Result<(File, PathBuf)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = gitdir.join(format!("{PREFIX}{}-{number}", std::process::id()));
        match disk.create_file(&path) {
            Ok(file) => {
                file.set_permissions(Permissions::from_mode(0o644))?;
                flock(&file, FlockOperation::NonBlockingLockExclusive)?;
                return Ok((file, path));
            }
            // Of a dead process that had our number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what dead processes left of locks on the ref at `path`: the lock itself, and names that
/// lock nothing.
fn remove_abandoned(disk: &dyn Disk, gitdir: &Path, path: &Path, lock: &Path) -> io::Result<()> {
    let inode = |path: &Path| path.symlink_metadata().ok().map(|metadata| metadata.ino());
    for entry in std::fs::read_dir(gitdir)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        // Looked at under the flock: whoever else finds it cannot act on it now.
        let metadata = file.metadata()?;
        let own = Some(metadata.ino());
        if inode(lock) == own {
            tracing::info!(lock = %lock.display(), "removed the lock of a killed process");
            disk.remove_file(lock)?;
        } else if metadata.nlink() > 1 && inode(path) != own {
            // It locks another ref, and is needed to tell.
            continue;
        }
        let _ = disk.remove_file(&entry.path());
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a lock file of git's offers nothing to wait on")]
fn pause() {
    std::thread::sleep(PAUSE);
}
