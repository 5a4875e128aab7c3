use super::current_boot;
use crate::types::BootId;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why an fsync is done; counted by reason so that budgets can be asserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The overlay's journal.
    Journal,
    /// File bodies of the overlay.
    Content,
    /// Git objects.
    Objects,
    /// Git refs.
    Refs,
    /// The push queue.
    Outbox,
    /// Small state files.
    Manifest,
}

const REASONS: usize = 6;

/// The seam through which durable bytes go.
///
/// Plain reads need no seam; whoever writes bytes that a promise rests on writes and syncs them here.
pub trait Disk: Send + Sync {
    /// Writes all of `bytes` at `offset` (pwrite(2)).
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes content and size of `file` durable (fsync(2)).
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()>;
    /// Makes the names in the directory `dir` durable.
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()>;
    /// rename(2).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// ftruncate(2).
    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }
    /// unlink(2).
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
    /// Makes everything on the file system of the directory `dir` durable (syncfs(2)).
    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()>;
    /// How long unsynced writes live: they are gone when this changes.
    fn boot(&self) -> io::Result<BootId> {
        current_boot()
    }
    /// What was synced so far.
    fn counts(&self) -> FsyncCounts;
}

/// How many fsyncs were asked for, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsyncCounts {
    files: [u64; REASONS],
    dirs: [u64; REASONS],
}

impl FsyncCounts {
    /// File fsyncs for `reason`; a syncfs counts as one.
    pub fn files(&self, reason: Reason) -> u64 {
        self.files[reason as usize]
    }

    /// Directory fsyncs for `reason`.
    pub fn dirs(&self, reason: Reason) -> u64 {
        self.dirs[reason as usize]
    }
}

/// The real disk, with counters.
#[derive(Default)]
pub struct OsDisk {
    files: [AtomicU64; REASONS],
    dirs: [AtomicU64; REASONS],
}

#[expect(clippy::disallowed_methods, reason = "the disk seam itself")]
impl Disk for OsDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
    }

    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()> {
        self.files[reason as usize].fetch_add(1, Ordering::Relaxed);
        file.sync_all()
    }

    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.dirs[reason as usize].fetch_add(1, Ordering::Relaxed);
        File::open(dir)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.files[reason as usize].fetch_add(1, Ordering::Relaxed);
        rustix::fs::syncfs(File::open(dir)?).map_err(Into::into)
    }

    fn counts(&self) -> FsyncCounts {
        let read = |all: &[AtomicU64; REASONS]| {
            std::array::from_fn(|index| all[index].load(Ordering::Relaxed))
        };
        FsyncCounts { files: read(&self.files), dirs: read(&self.dirs) }
    }
}
