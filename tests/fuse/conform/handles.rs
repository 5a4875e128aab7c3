//! Calls on what is open: files in each way, directories, what was unlinked or moved meanwhile.

use super::calls::*;
use super::kinds::KINDS;
use super::matrix::{Answer, Matrix, Row, Site, done};
use super::stage::Kind;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, FlockOperation, Mode, OFlags, RawDir, SeekFrom,
    XattrFlags,
};
use rustix::io::Errno;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

const OBJECTS: &[Kind] = &[KINDS[0], KINDS[2], KINDS[4], KINDS[7], KINDS[8], KINDS[9]];

const R: OFlags = OFlags::RDONLY;
const W: OFlags = OFlags::WRONLY;
const RW: OFlags = OFlags::RDWR;

fn at(site: &Site, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open(&site.it, flags, Mode::empty())
}

fn read(fd: impl AsFd, at: u64) -> Answer {
    let mut bytes = [0; 24];
    let count = rustix::io::pread(fd, &mut bytes, at)?;
    Ok(bytes[..count].escape_ascii().to_string())
}

fn write(fd: impl AsFd, at: u64) -> Answer {
    Ok(rustix::io::pwrite(fd, b"PUT", at)?.to_string())
}

/// Where in a directory one is, is its file system's matter.
fn seek(site: &Site, from: &[SeekFrom]) -> Answer {
    let fd = at(site, R)?;
    let mut place = 0;
    for from in from {
        place = rustix::fs::seek(&fd, *from)?;
    }
    let is_dir = site.it.is_dir();
    Ok(if is_dir { String::new() } else { place.to_string() })
}

fn allocate(site: &Site, flags: OFlags, mode: FallocateFlags, offset: u64, len: u64) -> Answer {
    done(rustix::fs::fallocate(at(site, flags)?, mode, offset, len))
}

/// Copies from the open `from` to the open `to`.
fn copy(from: OwnedFd, offset: u64, to: OwnedFd, to_offset: u64) -> Answer {
    let (mut from_offset, mut to_offset) = (offset, to_offset);
    let copied =
        rustix::fs::copy_file_range(from, Some(&mut from_offset), to, Some(&mut to_offset), 4)?;
    Ok(format!("{copied} {from_offset} {to_offset}"))
}

fn target(site: &Site, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open(site.at("t"), flags, Mode::empty())
}

/// Opens it, then takes its name away.
fn unlinked(site: &Site) -> Result<OwnedFd, Errno> {
    let is_dir = site.it.is_dir();
    let fd = at(site, if is_dir { R } else { RW })?;
    if is_dir {
        let _ = rustix::fs::unlink(site.it.join("x"));
        rustix::fs::rmdir(&site.it)?;
    } else {
        rustix::fs::unlink(&site.it)?;
    }
    Ok(fd)
}

fn stat_open(fd: OwnedFd) -> Answer {
    let stat = File::from(fd).metadata()?;
    let size = if stat.is_dir() { 0 } else { stat.len() };
    Ok(format!("{:o} {size} {}", stat.mode(), stat.nlink()))
}

fn list_open(fd: OwnedFd) -> Answer {
    let mut names = Vec::new();
    let mut space = [MaybeUninit::uninit(); 1024];
    let mut raw = RawDir::new(fd, &mut space);
    while let Some(entry) = raw.next() {
        names.push(entry?.file_name().to_owned());
    }
    names.sort();
    Ok(format!("{names:?}"))
}

fn again(fd: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open(format!("/proc/self/fd/{}", fd.as_raw_fd()), flags, Mode::empty())
}

/// Opens it, then moves it.
fn moved(site: &Site) -> Result<OwnedFd, Errno> {
    let fd = at(site, R)?;
    rustix::fs::rename(&site.it, site.at("moved"))?;
    Ok(fd)
}

const NEW: OFlags = OFlags::CREATE.union(OFlags::WRONLY);
const SOME: Mode = Mode::RUSR.union(Mode::WUSR);
const KEEP: FallocateFlags = FallocateFlags::KEEP_SIZE;
const PUNCH: FallocateFlags = FallocateFlags::PUNCH_HOLE;
const ZERO: FallocateFlags = FallocateFlags::ZERO_RANGE;

const ROWS: &[Row] = &[
    ("read", |site| read(at(site, R)?, 2)),
    ("read_behind", |site| read(at(site, R)?, 7000)),
    ("read_negative", |site| read(at(site, R)?, u64::MAX - 5)),
    ("read_write_only", |site| read(at(site, W)?, 0)),
    ("read_path_only", |site| read(at(site, OFlags::PATH)?, 0)),
    ("write", |site| write(at(site, RW)?, 4)),
    ("write_behind", |site| write(at(site, W)?, 5000)),
    ("write_read_only", |site| write(at(site, R)?, 0)),
    ("write_negative", |site| write(at(site, W)?, u64::MAX - 5)),
    ("write_nothing", |site| done(rustix::io::pwrite(at(site, W)?, b"", 3))),
    ("write_appending", |site| write(at(site, W | OFlags::APPEND)?, 1)),
    ("write_twice", |site| {
        let (one, other) = (at(site, W | OFlags::APPEND)?, at(site, RW | OFlags::APPEND)?);
        rustix::io::write(&one, b"one")?;
        rustix::io::write(&other, b"other")?;
        rustix::io::write(&one, b"one")?;
        read(&other, 3)
    }),
    ("write_then_cut", |site| {
        let (one, other) = (at(site, RW)?, at(site, RW)?);
        write(&one, 10)?;
        rustix::fs::ftruncate(&other, 2)?;
        write(&one, 6)?;
        read(&other, 0)
    }),
    ("seek_start", |site| seek(site, &[SeekFrom::Start(5)])),
    ("seek_far", |site| seek(site, &[SeekFrom::Start(1 << 40)])),
    ("seek_end", |site| seek(site, &[SeekFrom::End(3)])),
    ("seek_back", |site| seek(site, &[SeekFrom::Start(5), SeekFrom::Current(-3)])),
    ("seek_before", |site| seek(site, &[SeekFrom::Start(5), SeekFrom::Current(-6)])),
    ("seek_data", |site| seek(site, &[SeekFrom::Data(0)])),
    ("seek_data_inside", |site| seek(site, &[SeekFrom::Data(3)])),
    ("seek_data_end", |site| seek(site, &[SeekFrom::Data(11)])),
    ("seek_hole", |site| seek(site, &[SeekFrom::Hole(0)])),
    ("seek_hole_behind", |site| seek(site, &[SeekFrom::Hole(9000)])),
    ("truncate_shorter", |site| done(rustix::fs::ftruncate(at(site, W)?, 3))),
    ("truncate_longer", |site| done(rustix::fs::ftruncate(at(site, W)?, 5000))),
    ("truncate_reading", |site| done(rustix::fs::ftruncate(at(site, R)?, 3))),
    ("truncate_negative", |site| done(rustix::fs::ftruncate(at(site, W)?, u64::MAX))),
    ("allocate", |site| allocate(site, W, FallocateFlags::empty(), 3, 6000)),
    ("allocate_keeping", |site| allocate(site, W, KEEP, 0, 6000)),
    ("allocate_nothing", |site| allocate(site, W, FallocateFlags::empty(), 3, 0)),
    ("allocate_reading", |site| allocate(site, R, FallocateFlags::empty(), 0, 100)),
    ("punch", |site| allocate(site, RW, PUNCH | KEEP, 2, 4)),
    ("punch_all", |site| allocate(site, RW, PUNCH | KEEP, 0, 1 << 20)),
    ("punch_not_keeping", |site| allocate(site, RW, PUNCH, 0, 10)),
    ("zero", |site| allocate(site, RW, ZERO, 2, 5000)),
    ("zero_keeping", |site| allocate(site, RW, ZERO | KEEP, 2, 5000)),
    ("sync_reading", |site| done(rustix::fs::fsync(at(site, R)?))),
    ("sync_data", |site| done(rustix::fs::fdatasync(at(site, R)?))),
    ("sync_path_only", |site| done(rustix::fs::fsync(at(site, OFlags::PATH)?))),
    ("chmod_open", |site| done(rustix::fs::fchmod(at(site, R)?, Mode::from_raw_mode(0o2751)))),
    ("chmod_path_only", |site| done(rustix::fs::fchmod(at(site, OFlags::PATH)?, SOME))),
    ("chown_open", |site| done(rustix::fs::fchown(at(site, R)?, None, None))),
    ("list_open", |site| list_open(at(site, R)?)),
    ("stat_path_only", |site| stat_open(at(site, OFlags::PATH)?)),
    ("setxattr_reading", |site| {
        done(rustix::fs::fsetxattr(at(site, R)?, "user.a", b"v", XattrFlags::empty()))
    }),
    ("flock_both", |site| {
        let (one, other) = (at(site, R)?, at(site, R)?);
        rustix::fs::flock(&one, FlockOperation::NonBlockingLockShared)?;
        rustix::fs::flock(&other, FlockOperation::NonBlockingLockShared)?;
        done(rustix::fs::flock(&other, FlockOperation::NonBlockingLockExclusive))
    }),
    ("lock_to_write_reading", |site| {
        done(rustix::fs::fcntl_lock(at(site, R)?, FlockOperation::NonBlockingLockExclusive))
    }),
    ("lock_to_read_writing", |site| {
        done(rustix::fs::fcntl_lock(at(site, W)?, FlockOperation::NonBlockingLockShared))
    }),
    ("copy_out", |site| copy(at(site, R)?, 1, target(site, W)?, 2)),
    ("copy_in", |site| copy(target(site, R)?, 1, at(site, W)?, 2)),
    ("copy_in_far", |site| copy(target(site, R)?, 0, at(site, W)?, 6000)),
    ("copy_behind", |site| copy(at(site, R)?, 9000, target(site, W)?, 0)),
    ("copy_onto_itself", |site| copy(at(site, R)?, 0, at(site, W)?, 2)),
    ("copy_within", |site| copy(at(site, R)?, 0, at(site, W)?, 6)),
    ("copy_to_append", |site| copy(target(site, R)?, 0, at(site, W | OFlags::APPEND)?, 0)),
    ("copy_to_reading", |site| copy(target(site, R)?, 0, at(site, R)?, 0)),
    ("copy_from_writing", |site| copy(at(site, W)?, 0, target(site, W)?, 0)),
    ("send", |site| Ok(rustix::fs::sendfile(at(site, W)?, target(site, R)?, None, 5)?.to_string())),
    ("open_below", |site| done(rustix::fs::openat(at(site, R)?, "x", R, Mode::empty()))),
    ("unlinked_stat", |site| stat_open(unlinked(site)?)),
    ("unlinked_read", |site| read(unlinked(site)?, 0)),
    ("unlinked_write", |site| {
        let fd = unlinked(site)?;
        write(&fd, 6)?;
        read(&fd, 0)
    }),
    ("unlinked_truncate", |site| {
        let fd = unlinked(site)?;
        rustix::fs::ftruncate(&fd, 2)?;
        stat_open(fd)
    }),
    ("unlinked_chmod", |site| {
        let fd = unlinked(site)?;
        rustix::fs::fchmod(&fd, SOME)?;
        stat_open(fd)
    }),
    ("unlinked_setxattr", |site| {
        done(rustix::fs::fsetxattr(unlinked(site)?, "user.a", b"v", XattrFlags::empty()))
    }),
    ("unlinked_link", |site| {
        let fd = unlinked(site)?;
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        done(rustix::fs::linkat(CWD, path, CWD, site.at("free"), AtFlags::SYMLINK_FOLLOW))
    }),
    ("unlinked_reopen", |site| {
        let fd = unlinked(site)?;
        stat_open(again(&fd, R)?)
    }),
    ("unlinked_reopen_truncate", |site| {
        let fd = unlinked(site)?;
        stat_open(again(&fd, W | OFlags::TRUNC)?)
    }),
    ("unlinked_name_again", |site| {
        let fd = unlinked(site)?;
        std::fs::write(&site.it, "another")?;
        read(fd, 0)
    }),
    ("unlinked_sync", |site| done(rustix::fs::fsync(unlinked(site)?))),
    ("unlinked_list", |site| list_open(unlinked(site)?)),
    ("unlinked_create", |site| done(rustix::fs::openat(unlinked(site)?, "new", NEW, SOME))),
    ("unlinked_mkdir", |site| done(rustix::fs::mkdirat(unlinked(site)?, "new", SOME))),
    ("unlinked_symlink", |site| done(rustix::fs::symlinkat("a", unlinked(site)?, "new"))),
    ("unlinked_mknod", |site| {
        done(rustix::fs::mknodat(unlinked(site)?, "new", FileType::Fifo, SOME, 0))
    }),
    ("unlinked_link_into", |site| {
        let fd = unlinked(site)?;
        done(rustix::fs::linkat(CWD, site.at("t"), fd, "new", AtFlags::empty()))
    }),
    ("unlinked_rename_into", |site| {
        let fd = unlinked(site)?;
        done(rustix::fs::renameat(CWD, site.at("t"), fd, "new"))
    }),
    ("unlinked_dot", |site| {
        let fd = rustix::fs::openat(unlinked(site)?, ".", R, Mode::empty())?;
        stat_open(fd)
    }),
    ("unlinked_above", |site| {
        let fd = rustix::fs::openat(unlinked(site)?, "..", R, Mode::empty())?;
        stat_open(fd)
    }),
    ("unlinked_open_missing", |site| {
        done(rustix::fs::openat(unlinked(site)?, "x", R, Mode::empty()))
    }),
    ("moved_create", |site| done(rustix::fs::openat(moved(site)?, "new", NEW, SOME))),
    ("moved_list", |site| list_open(moved(site)?)),
    ("moved_stat", |site| stat_open(moved(site)?)),
    ("moved_above", |site| {
        let fd = rustix::fs::openat(moved(site)?, "..", R, Mode::empty())?;
        list_open(fd)
    }),
    ("replaced_read", |site| {
        let fd = at(site, R)?;
        rustix::fs::rename(site.at("t"), &site.it)?;
        read(fd, 0)
    }),
    ("exchanged_write", |site| {
        let fd = at(site, RW)?;
        rename(&site.it, &site.at("t"), rustix::fs::RenameFlags::EXCHANGE)?;
        write(fd, 1)
    }),
];

const PLACE: &str = "where in a directory one is, is its file system's matter";

pub const HANDLES: Matrix = Matrix {
    name: "handles",
    kinds: OBJECTS,
    rows: ROWS,
    table: include_str!("handles.table"),
    differences: &[
        ("seek_*", "todir", PLACE),
        ("seek_*", "full", PLACE),
        ("seek_*", "void", PLACE),
    ],
    as_stranger: false,
};

#[test]
fn what_is_open_does_what_it_does_on_the_local_disk() {
    HANDLES.run();
}
