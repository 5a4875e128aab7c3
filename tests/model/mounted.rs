//! The same through the kernel, by path and by descriptor.

use crate::harness::{Seen, System, lower, place_path};
use crate::ops::{Dir, Place, Rename, Step, Time, Xattr};
use crate::reference::{Errno, Model};
use crate::view::{GITFILE, State};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Timestamps, XattrFlags};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;
use toft::fuse::{MountOptions, Session};
use toft::types::{Attr, FileKind, Ino, Timespec};

/// A mounted workspace.
pub struct Mounted {
    state: State<'static>,
    dir: tempfile::TempDir,
    root: Option<OwnedFd>,
    session: Option<Session>,
    files: [Option<File>; crate::ops::FILE_SLOTS],
    dirs: [Option<OwnedFd>; crate::ops::DIR_SLOTS],
}

impl Mounted {
    pub fn new() -> Mounted {
        rustix::process::umask(Mode::empty());
        let mut mounted = Mounted {
            state: State::new(lower()),
            dir: tempfile::tempdir().unwrap(),
            root: None,
            session: None,
            files: Default::default(),
            dirs: Default::default(),
        };
        mounted.mount();
        mounted
    }

    fn mount(&mut self) {
        let options = MountOptions { source: "model".into(), ..MountOptions::default() };
        let session = Session::mount(self.state.open(), self.dir.path(), &options).unwrap();
        self.session = Some(session);
        self.root = Some(rustix::fs::open(self.dir.path(), OFlags::PATH, Mode::empty()).unwrap());
    }

    fn unmount(&mut self) {
        self.files = Default::default();
        self.dirs = Default::default();
        self.root = None;
        let session = self.session.take().unwrap();
        session.unmount(std::thread::panicking()).unwrap();
        session.wait_for(Duration::from_secs(20)).unwrap();
    }

    /// A descriptor and a relative path for `place`.
    fn at<'a>(&'a self, place: &'a Place) -> (BorrowedFd<'a>, PathBuf) {
        match &place.dir {
            Dir::Path(_) => (self.root(), to_path(&place_path(place).unwrap())),
            Dir::Slot(slot) => {
                (self.dirs[*slot].as_ref().unwrap().as_fd(), OsStr::from_bytes(&place.name).into())
            }
        }
    }

    fn root(&self) -> BorrowedFd<'_> {
        self.root.as_ref().unwrap().as_fd()
    }

    fn path(&self, place: &Place) -> PathBuf {
        let (dir, path) = self.at(place);
        let dir = std::fs::read_link(format!("/proc/self/fd/{}", fd_number(dir))).unwrap();
        dir.join(path)
    }

    fn file(&self, slot: usize) -> &File {
        self.files[slot].as_ref().unwrap()
    }

    fn try_apply(&mut self, step: &Step) -> rustix::io::Result<u64> {
        match step {
            Step::Create(place, perm) => {
                let (dir, path) = self.at(place);
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
                rustix::fs::openat(dir, path, flags, Mode::from_raw_mode(*perm))?;
            }
            Step::Mkdir(place, perm) => {
                let (dir, path) = self.at(place);
                rustix::fs::mkdirat(dir, path, Mode::from_raw_mode(*perm))?;
            }
            Step::Symlink(place, target) => {
                let (dir, path) = self.at(place);
                rustix::fs::symlinkat(OsStr::from_bytes(target), dir, path)?;
            }
            Step::Mknod(place, kind, perm) => {
                let (dir, path) = self.at(place);
                let kind = match kind {
                    FileKind::Fifo => rustix::fs::FileType::Fifo,
                    FileKind::Socket => rustix::fs::FileType::Socket,
                    FileKind::CharDevice => rustix::fs::FileType::CharacterDevice,
                    _ => rustix::fs::FileType::BlockDevice,
                };
                rustix::fs::mknodat(dir, path, kind, Mode::from_raw_mode(*perm), 0x103)?;
            }
            Step::Unlink(place) => {
                let (dir, path) = self.at(place);
                rustix::fs::unlinkat(dir, path, AtFlags::empty())?;
            }
            Step::Rmdir(place) => {
                let (dir, path) = self.at(place);
                rustix::fs::unlinkat(dir, path, AtFlags::REMOVEDIR)?;
            }
            Step::Rename(from, to, mode) => {
                let ((from, name), (to, new_name)) = (self.at(from), self.at(to));
                let flags = match mode {
                    Rename::Replace => RenameFlags::empty(),
                    Rename::NoReplace => RenameFlags::NOREPLACE,
                    Rename::Exchange => RenameFlags::EXCHANGE,
                };
                rustix::fs::renameat_with(from, name, to, new_name, flags)?;
            }
            Step::Link(from, to) => {
                let ((from, name), (to, new_name)) = (self.at(from), self.at(to));
                rustix::fs::linkat(from, name, to, new_name, AtFlags::empty())?;
            }
            Step::Open { slot, place, truncate, append } => {
                let (dir, path) = self.at(place);
                let mut flags = OFlags::RDWR | OFlags::NOFOLLOW;
                flags.set(OFlags::TRUNC, *truncate);
                flags.set(OFlags::APPEND, *append);
                let fd = rustix::fs::openat(dir, path, flags, Mode::empty())?;
                if rustix::fs::fstat(&fd)?.st_ino == Ino::GITFILE.0 {
                    // The kernel opens files by itself, and hears of our refusal at a change.
                    rustix::fs::ftruncate(&fd, GITFILE.len() as u64)?;
                }
                self.files[*slot] = Some(fd.into());
            }
            Step::Close(slot) => self.files[*slot] = None,
            Step::Write { slot, offset, bytes } => {
                return Ok(rustix::io::pwrite(self.file(*slot), bytes, *offset)? as u64);
            }
            Step::Fallocate { slot, mode, offset, len } => {
                let mode = rustix::fs::FallocateFlags::from_bits_retain(*mode as u32);
                rustix::fs::fallocate(self.file(*slot), mode, *offset, *len)?;
            }
            Step::Copy { from, to, len } => {
                let (mut from_offset, mut to_offset) = (from.1, to.1);
                let copied = rustix::fs::copy_file_range(
                    self.file(from.0),
                    Some(&mut from_offset),
                    self.file(to.0),
                    Some(&mut to_offset),
                    *len as usize,
                )?;
                return Ok(copied as u64);
            }
            Step::Truncate(place, size) => {
                let (dir, path) = self.at(place);
                let flags = OFlags::WRONLY | OFlags::NOFOLLOW;
                let fd = rustix::fs::openat(dir, path, flags, Mode::empty())?;
                rustix::fs::ftruncate(fd, *size)?;
            }
            Step::Chmod(place, perm) => {
                let (dir, path) = self.at(place);
                rustix::fs::chmodat(dir, path, Mode::from_raw_mode(*perm), AtFlags::empty())?;
            }
            Step::Chown(place, uid, gid) => {
                let (dir, path) = self.at(place);
                let uid = uid.map(rustix::fs::Uid::from_raw);
                let gid = gid.map(rustix::fs::Gid::from_raw);
                rustix::fs::chownat(dir, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Step::Utimens(place, atime, mtime) => {
                let (dir, path) = self.at(place);
                let times = Timestamps {
                    last_access: timespec(*atime),
                    last_modification: timespec(*mtime),
                };
                rustix::fs::utimensat(dir, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Step::SetXattr(place, name, value, mode) => {
                let flags = match mode {
                    Xattr::Any => XattrFlags::empty(),
                    Xattr::Create => XattrFlags::CREATE,
                    Xattr::Replace => XattrFlags::REPLACE,
                };
                let path = self.path(place);
                rustix::fs::lsetxattr(path, OsStr::from_bytes(name), value, flags)?;
            }
            Step::RemoveXattr(place, name) => {
                rustix::fs::lremovexattr(self.path(place), OsStr::from_bytes(name))?;
            }
            Step::OpenDir(slot, path) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                let path = to_path(path);
                let path = if path.as_os_str().is_empty() { ".".into() } else { path };
                let fd = rustix::fs::openat(self.root(), path, flags, Mode::empty())?;
                self.dirs[*slot] = Some(fd);
            }
            Step::CloseDir(slot) => self.dirs[*slot] = None,
            Step::Fsync(slot) => rustix::fs::fsync(self.file(*slot))?,
            Step::Freeze | Step::Thaw => {}
            Step::Forget => {
                // Reclaims dentries and inodes of the whole machine; only root may.
                let _ = std::fs::write("/proc/sys/vm/drop_caches", "2");
            }
            Step::Remount => {
                self.unmount();
                self.mount();
            }
        }
        Ok(0)
    }

    fn see_at(&self, path: PathBuf) -> Seen {
        let full = PathBuf::from(format!("/proc/self/fd/{}", fd_number(self.root()))).join(path);
        let metadata = full.symlink_metadata().unwrap();
        let mut seen = Seen {
            attr: attr(&metadata),
            bytes: None,
            target: None,
            xattrs: BTreeMap::new(),
            listed: None,
        };
        if metadata.is_file() {
            seen.bytes = Some(std::fs::read(&full).unwrap());
            seen.xattrs = xattrs(&File::open(&full).unwrap());
        } else if metadata.is_dir() {
            seen.listed = Some(list(&full));
            seen.xattrs = xattrs(&File::open(&full).unwrap());
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(&full).unwrap();
            seen.target = Some(target.as_os_str().as_bytes().to_vec());
        }
        seen
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.session.is_some() {
            self.unmount();
        }
    }
}

impl System for Mounted {
    fn apply(&mut self, step: &Step, _model: &Model) -> Result<u64, Errno> {
        self.try_apply(step).map_err(rustix::io::Errno::raw_os_error)
    }

    fn see(&mut self, path: &[Vec<u8>]) -> Seen {
        let path = to_path(path);
        self.see_at(if path.as_os_str().is_empty() { ".".into() } else { path })
    }

    fn see_open(&mut self, slot: usize) -> Seen {
        let file = self.file(slot);
        let metadata = file.metadata().unwrap();
        let mut bytes = vec![0; metadata.len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        Seen {
            attr: attr(&metadata),
            bytes: Some(bytes),
            target: None,
            xattrs: xattrs(file),
            listed: None,
        }
    }

    fn see_open_dir(&mut self, slot: usize) -> Attr {
        let dir = self.dirs[slot].as_ref().unwrap();
        attr(&File::from(dir.try_clone().unwrap()).metadata().unwrap())
    }
}

fn to_path(names: &[Vec<u8>]) -> PathBuf {
    names.iter().map(|name| OsStr::from_bytes(name)).collect()
}

fn fd_number(fd: BorrowedFd<'_>) -> i32 {
    use std::os::fd::AsRawFd;
    fd.as_raw_fd()
}

fn list(path: &PathBuf) -> Vec<(Vec<u8>, Ino)> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut all = Vec::new();
    let mut dots = 0;
    let mut space = vec![std::mem::MaybeUninit::uninit(); 1024];
    let mut dir = rustix::fs::RawDir::new(fd, &mut space);
    while let Some(entry) = dir.next() {
        let entry = entry.unwrap();
        match entry.file_name().to_bytes() {
            b"." | b".." => dots += 1,
            name => all.push((name.to_vec(), Ino(entry.ino()))),
        }
    }
    assert_eq!(dots, 2);
    all
}

fn xattrs(file: &File) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0_u8; 65_536];
    let count = rustix::fs::flistxattr(file, names.as_mut_slice()).unwrap();
    let names = names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0_u8; 65_536];
            let name = OsStr::from_bytes(name);
            let count = rustix::fs::fgetxattr(file, name, value.as_mut_slice()).unwrap();
            value.truncate(count);
            (name.as_bytes().to_vec(), value)
        })
        .collect()
}

fn attr(metadata: &std::fs::Metadata) -> Attr {
    let kind = metadata.file_type();
    let time = |sec, nsec: i64| Timespec { sec, nsec: nsec as u32 };
    Attr {
        ino: Ino(metadata.ino()),
        kind: if kind.is_file() {
            FileKind::Regular
        } else if kind.is_dir() {
            FileKind::Directory
        } else if kind.is_symlink() {
            FileKind::Symlink
        } else if kind.is_fifo() {
            FileKind::Fifo
        } else if kind.is_socket() {
            FileKind::Socket
        } else if kind.is_char_device() {
            FileKind::CharDevice
        } else {
            FileKind::BlockDevice
        },
        perm: metadata.mode() & 0o7777,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: metadata.rdev() as u32,
        size: metadata.size(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn timespec(time: Option<Time>) -> rustix::fs::Timespec {
    let (tv_sec, tv_nsec) = match time {
        None => (0, rustix::fs::UTIME_OMIT),
        Some(Time::Now) => (0, rustix::fs::UTIME_NOW),
        Some(Time::At(sec, nsec)) => (sec, nsec.into()),
    };
    rustix::fs::Timespec { tv_sec, tv_nsec }
}
