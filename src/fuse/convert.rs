//! Between the kernel's values and ours.

use crate::types::{Attr, FileKind, Ino, Timespec};
use crate::workspace::{RenameMode, SetTime, XattrMode};
use fuser::{FileAttr, FileType, INodeNo, RenameFlags, TimeOrNow};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const BLOCK_SIZE: u32 = 4096;

/// What stat(2) shows, as the kernel wants it.
pub(super) fn file_attr(attr: &Attr) -> FileAttr {
    FileAttr {
        ino: INodeNo(attr.ino.0),
        size: attr.size,
        blocks: attr.blocks,
        atime: system_time(attr.atime),
        mtime: system_time(attr.mtime),
        ctime: system_time(attr.ctime),
        crtime: UNIX_EPOCH,
        kind: file_type(attr.kind),
        perm: u16::try_from(attr.perm & 0o7777).unwrap_or(0),
        nlink: attr.nlink,
        uid: attr.uid,
        gid: attr.gid,
        rdev: attr.rdev,
        blksize: BLOCK_SIZE,
        flags: 0,
    }
}

/// Attributes that say nothing but which inode it is; never to be kept by the kernel.
pub(super) fn unknown_attr(ino: Ino, kind: FileKind) -> Attr {
    let never = Timespec::default();
    Attr {
        ino,
        kind,
        perm: 0,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        size: 0,
        blocks: 0,
        atime: never,
        mtime: never,
        ctime: never,
    }
}

/// What a rename may do to the new name; None for a combination that nobody has.
pub(super) fn rename_mode(flags: RenameFlags) -> Option<RenameMode> {
    match flags - RenameFlags::RENAME_WHITEOUT {
        rest if rest.is_empty() => Some(RenameMode::Replace),
        RenameFlags::RENAME_NOREPLACE => Some(RenameMode::NoReplace),
        RenameFlags::RENAME_EXCHANGE if flags == RenameFlags::RENAME_EXCHANGE => {
            Some(RenameMode::Exchange)
        }
        _ => None,
    }
}

/// What setxattr(2) may do to the attribute; None for a combination that nobody has.
pub(super) fn xattr_mode(flags: i32) -> Option<XattrMode> {
    match flags {
        0 => Some(XattrMode::Any),
        libc::XATTR_CREATE => Some(XattrMode::Create),
        libc::XATTR_REPLACE => Some(XattrMode::Replace),
        _ => None,
    }
}

pub(super) fn file_type(kind: FileKind) -> FileType {
    match kind {
        FileKind::Regular => FileType::RegularFile,
        FileKind::Directory => FileType::Directory,
        FileKind::Symlink => FileType::Symlink,
        FileKind::Fifo => FileType::NamedPipe,
        FileKind::Socket => FileType::Socket,
        FileKind::CharDevice => FileType::CharDevice,
        FileKind::BlockDevice => FileType::BlockDevice,
    }
}

/// The kind in the mode that mknod(2) passes.
pub(super) fn kind_of_mode(mode: u32) -> FileKind {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => FileKind::Directory,
        libc::S_IFLNK => FileKind::Symlink,
        libc::S_IFIFO => FileKind::Fifo,
        libc::S_IFSOCK => FileKind::Socket,
        libc::S_IFCHR => FileKind::CharDevice,
        libc::S_IFBLK => FileKind::BlockDevice,
        _ => FileKind::Regular,
    }
}

pub(super) fn set_time(time: TimeOrNow) -> SetTime {
    match time {
        TimeOrNow::Now => SetTime::Now,
        TimeOrNow::SpecificTime(time) => SetTime::At(from_fuser(time)),
    }
}

fn system_time(time: Timespec) -> SystemTime {
    let nsec = Duration::from_nanos(time.nsec.into());
    let sec = Duration::from_secs(time.sec.unsigned_abs());
    let whole =
        if time.sec < 0 { UNIX_EPOCH.checked_sub(sec) } else { UNIX_EPOCH.checked_add(sec) };
    whole.and_then(|whole| whole.checked_add(nsec)).unwrap_or(UNIX_EPOCH)
}

/// Undoes fuser's decoding, which takes nanoseconds before 1970 for a count backwards: seconds and
/// nanoseconds are both right when they are read back the same way.
fn from_fuser(time: SystemTime) -> Timespec {
    let sec = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => Timespec { sec: sec(since), nsec: since.subsec_nanos() },
        Err(before) => {
            let before = before.duration();
            Timespec { sec: -sec(before), nsec: before.subsec_nanos() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        let time = Timespec { sec: -2, nsec: 200_000_000 };
        assert_eq!(system_time(time), UNIX_EPOCH - Duration::from_millis(1800));
        // What fuser makes of (-2, 200000000).
        assert_eq!(from_fuser(UNIX_EPOCH - Duration::new(2, 200_000_000)), time);
        let later = Timespec { sec: 5, nsec: 7 };
        assert_eq!(from_fuser(system_time(later)), later);
    }
}
