use super::current_boot;
use crate::types::BootId;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
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
/// In the order of the reasons.
const NAMES: [&str; REASONS] = ["journal", "content", "objects", "refs", "outbox", "manifest"];

/// The seam through which durable bytes go.
///
/// Plain reads need no seam; whoever makes, writes, renames or removes what a promise rests on does
/// it here, so that faults and power loss can be played.
pub trait Disk: Send + Sync {
    /// Writes all of `bytes` at `offset` (pwrite(2)).
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Writes at `offset` as much of `bytes` as there is room for, and says how much; an error where
    /// that is nothing.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.write_all_at(file, bytes, offset).map(|()| bytes.len())
    }
    /// Makes content and size of `file` durable (fsync(2)).
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()>;
    /// Makes the names in the directory `dir` durable.
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()>;
    /// rename(2).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a file (mode 0600, open for reading and writing); fails where there is one.
    fn create_file(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
    }
    /// mkdir(2); one that is there already will do.
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }
    /// copy_file_range(2): at most `len` bytes from an offset of one file to an offset of another.
    fn copy_range(
        &self,
        (from, mut from_at): (&File, u64),
        (to, mut to_at): (&File, u64),
        len: usize,
    ) -> io::Result<usize> {
        let (from_at, to_at) = (Some(&mut from_at), Some(&mut to_at));
        Ok(rustix::fs::copy_file_range(from, from_at, to, to_at, len)?)
    }
    /// fallocate(2) with FALLOC_FL_* bits.
    fn fallocate(&self, file: &File, mode: i32, offset: u64, len: u64) -> io::Result<()> {
        let flags = rustix::fs::FallocateFlags::from_bits_retain(mode.cast_unsigned());
        Ok(rustix::fs::fallocate(file, flags, offset, len)?)
    }
    /// ftruncate(2).
    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }
    /// link(2).
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
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

    /// Of files and directories together, by reason, without those that are zero.
    pub fn so_far(&self) -> BTreeMap<&'static str, u64> {
        let sums = self.files.iter().zip(&self.dirs).map(|(files, dirs)| files + dirs);
        NAMES.into_iter().zip(sums).filter(|(_, count)| *count > 0).collect()
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

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            match std::os::unix::fs::FileExt::write_at(file, &bytes[done..], at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
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
