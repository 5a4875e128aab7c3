//! Calls, as the rows of the tables make them.

use super::matrix::{Answer, Site, done};
use rustix::fs::{
    Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps,
    UTIME_NOW, UTIME_OMIT, Uid, XattrFlags,
};
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

pub fn open(path: &Path, flags: OFlags) -> Answer {
    // Nobody is at the other end of a FIFO.
    done(rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::from_raw_mode(0o640)))
}

pub fn access(path: &Path, access: Access) -> Answer {
    done(rustix::fs::access(path, access))
}

pub fn mknod(path: &Path, kind: FileType, device: u64) -> Answer {
    done(rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o642), device))
}

pub fn mkdir(path: impl AsRef<Path>) -> Answer {
    done(rustix::fs::mkdir(path.as_ref(), Mode::from_raw_mode(0o1735)))
}

pub fn chmod(path: &Path, mode: u32) -> Answer {
    done(rustix::fs::chmod(path, Mode::from_raw_mode(mode)))
}

pub fn chown_path(site: &Site, user: Option<u32>, group: Option<u32>, flags: AtFlags) -> Answer {
    let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    done(rustix::fs::chownat(CWD, &site.it, user, group, flags))
}

pub fn link(from: &Path, to: &Path, flags: AtFlags) -> Answer {
    done(rustix::fs::linkat(CWD, from, CWD, to, flags))
}

pub fn rename(from: &Path, to: &Path, flags: RenameFlags) -> Answer {
    done(rustix::fs::renameat_with(CWD, from, CWD, to, flags))
}

pub fn utimes(site: &Site, atime: (i64, i64), mtime: (i64, i64), flags: AtFlags) -> Answer {
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: time(atime), last_modification: time(mtime) };
    done(rustix::fs::utimensat(CWD, &site.it, &times, flags))
}

pub fn stat(path: &Path) -> Answer {
    let stat = fs::metadata(path)?;
    let kind = stat.mode() & libc::S_IFMT;
    let size = if stat.is_dir() { 0 } else { stat.len() };
    Ok(format!("{kind:o} {size} {} {}", stat.nlink(), stat.mtime()))
}

pub fn lstat(path: &Path) -> Answer {
    let stat = path.symlink_metadata()?;
    let size = if stat.is_dir() { 0 } else { stat.len() };
    Ok(format!("{:o} {size} {} {}", stat.mode(), stat.nlink(), stat.rdev()))
}

pub fn read(path: &Path) -> Answer {
    use std::io::Read;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let mut file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut bytes = [0; 6];
    let count = file.read(&mut bytes)?;
    Ok(bytes[..count].escape_ascii().to_string())
}

pub fn write(path: &Path, flags: OFlags, at: u64) -> Answer {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | flags;
    let file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    done(file.write_all_at(b"WRITTEN", at))
}

pub fn truncate(path: &Path, size: i64) -> Answer {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    super::raw::truncate(&path, size).map(|()| String::new())
}

pub fn list(path: &Path) -> Answer {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        names.push(format!("{:?} {:?}", entry.file_name(), entry.file_type()?));
    }
    names.sort();
    Ok(names.join(", "))
}

pub fn get_xattr(path: &Path, follow: bool) -> Answer {
    let mut value = [0_u8; 16];
    let get = if follow { rustix::fs::getxattr } else { rustix::fs::lgetxattr };
    done(get(path, "user.none", &mut value))
}

pub fn set_xattr(path: &Path, name: &str, flags: XattrFlags) -> Answer {
    rustix::fs::setxattr(path, name, b"value", flags)?;
    let mut value = [0_u8; 16];
    let count = rustix::fs::getxattr(path, name, &mut value)?;
    Ok(value[..count].escape_ascii().to_string())
}

pub fn with_slash(path: &Path, more: &str) -> std::path::PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(more);
    path.into()
}

pub const FOLLOW: AtFlags = AtFlags::empty();
pub const NOFOLLOW: AtFlags = AtFlags::SYMLINK_NOFOLLOW;
pub const NOW: (i64, i64) = (0, UTIME_NOW);
pub const OMIT: (i64, i64) = (0, UTIME_OMIT);
pub const PLAIN: RenameFlags = RenameFlags::empty();
