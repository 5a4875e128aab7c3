use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use toft::overlay::{DirBase, Directory, FileData, Meta, Node, NodeData};
use toft::sys::{Disk, FsyncCounts, OsDisk, Reason};
use toft::types::{BootId, Ino, Name};

/// A disk whose writes and fsyncs fail on demand.
#[derive(Default)]
pub struct FaultyDisk {
    pub real: OsDisk,
    pub fail_fsync: AtomicBool,
    /// Writes half of the bytes, then says "disk full".
    pub full: AtomicBool,
    /// Sets no more room aside: what is set aside is all there is.
    pub crowded: AtomicBool,
    /// The run of the host, where a test goes through several.
    pub boot: Option<u8>,
}

impl Disk for FaultyDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) {
            self.real.write_all_at(file, &bytes[..bytes.len() / 2], offset)?;
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        self.real.write_all_at(file, bytes, offset)
    }
    fn fallocate(&self, file: &File, mode: i32, offset: u64, len: u64) -> io::Result<()> {
        if self.crowded.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        self.real.fallocate(file, mode, offset, len)
    }
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()> {
        if self.fail_fsync.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        self.real.fsync_file(file, reason)
    }
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.real.fsync_dir(dir, reason)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }
    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.real.sync_fs(dir, reason)
    }
    fn boot(&self) -> io::Result<BootId> {
        self.boot.map_or_else(|| self.real.boot(), |boot| Ok(BootId([boot; 16])))
    }
    fn counts(&self) -> FsyncCounts {
        self.real.counts()
    }
}

pub fn disk() -> Arc<OsDisk> {
    Arc::default()
}

pub fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

pub fn meta() -> Meta {
    let time = toft::types::Timespec { sec: 1_700_000_000, nsec: 5 };
    Meta { perm: 0o644, uid: 1, gid: 2, nlink: 1, rdev: 0, atime: time, mtime: time, ctime: time }
}

pub fn directory(parent: Ino) -> Node {
    let directory = Directory { parent, base: DirBase::Empty, delta: BTreeMap::new() };
    Node { meta: meta(), data: NodeData::Directory(Arc::new(directory)), xattrs: BTreeMap::new() }
}

pub fn file(data: FileData) -> Node {
    Node { meta: meta(), data: NodeData::Regular(data), xattrs: BTreeMap::new() }
}

/// A disk on which the fsync of a body takes as long as a test wants.
#[derive(Default)]
pub struct SlowDisk {
    real: OsDisk,
    pub slow: AtomicBool,
    pub waiting: AtomicBool,
}

impl Disk for SlowDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.real.write_all_at(file, bytes, offset)
    }
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()> {
        while reason == Reason::Content && self.slow.load(Ordering::Relaxed) {
            self.waiting.store(true, Ordering::Relaxed);
            std::thread::yield_now();
        }
        self.real.fsync_file(file, reason)
    }
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.real.fsync_dir(dir, reason)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }
    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.real.sync_fs(dir, reason)
    }
    fn counts(&self) -> FsyncCounts {
        self.real.counts()
    }
}
