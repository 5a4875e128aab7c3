//! Calls that name an object by its path.

use super::kinds::{KINDS, bind, execute};
use super::matrix::{Answer, Matrix, Row, Site, done};
use rustix::fs::{
    Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps,
    UTIME_NOW, UTIME_OMIT, Uid, XattrFlags,
};
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

fn open(path: &Path, flags: OFlags) -> Answer {
    // Nobody is at the other end of a FIFO.
    done(rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::from_raw_mode(0o640)))
}

fn access(path: &Path, access: Access) -> Answer {
    done(rustix::fs::access(path, access))
}

fn mknod(path: &Path, kind: FileType, device: u64) -> Answer {
    done(rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o642), device))
}

fn mkdir(path: impl AsRef<Path>) -> Answer {
    done(rustix::fs::mkdir(path.as_ref(), Mode::from_raw_mode(0o1735)))
}

fn chmod(path: &Path, mode: u32) -> Answer {
    done(rustix::fs::chmod(path, Mode::from_raw_mode(mode)))
}

fn chown(site: &Site, user: Option<u32>, group: Option<u32>, flags: AtFlags) -> Answer {
    let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    done(rustix::fs::chownat(CWD, &site.it, user, group, flags))
}

fn link(from: &Path, to: &Path, flags: AtFlags) -> Answer {
    done(rustix::fs::linkat(CWD, from, CWD, to, flags))
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> Answer {
    done(rustix::fs::renameat_with(CWD, from, CWD, to, flags))
}

fn utimes(site: &Site, atime: (i64, i64), mtime: (i64, i64), flags: AtFlags) -> Answer {
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: time(atime), last_modification: time(mtime) };
    done(rustix::fs::utimensat(CWD, &site.it, &times, flags))
}

fn stat(path: &Path) -> Answer {
    let stat = fs::metadata(path)?;
    let kind = stat.mode() & libc::S_IFMT;
    let size = if stat.is_dir() { 0 } else { stat.len() };
    Ok(format!("{kind:o} {size} {} {}", stat.nlink(), stat.mtime()))
}

fn lstat(path: &Path) -> Answer {
    let stat = path.symlink_metadata()?;
    let size = if stat.is_dir() { 0 } else { stat.len() };
    Ok(format!("{:o} {size} {} {}", stat.mode(), stat.nlink(), stat.rdev()))
}

fn read(path: &Path) -> Answer {
    use std::io::Read;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let mut file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut bytes = [0; 6];
    let count = file.read(&mut bytes)?;
    Ok(bytes[..count].escape_ascii().to_string())
}

fn write(path: &Path, flags: OFlags, at: u64) -> Answer {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | flags;
    let file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    done(file.write_all_at(b"WRITTEN", at))
}

fn truncate(path: &Path, size: i64) -> Answer {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    super::raw::truncate(&path, size).map(|()| String::new())
}

fn list(path: &Path) -> Answer {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        names.push(format!("{:?} {:?}", entry.file_name(), entry.file_type()?));
    }
    names.sort();
    Ok(names.join(", "))
}

fn get_xattr(path: &Path, follow: bool) -> Answer {
    let mut value = [0_u8; 16];
    let get = if follow { rustix::fs::getxattr } else { rustix::fs::lgetxattr };
    done(get(path, "user.none", &mut value))
}

fn set_xattr(path: &Path, name: &str, flags: XattrFlags) -> Answer {
    rustix::fs::setxattr(path, name, b"value", flags)?;
    let mut value = [0_u8; 16];
    let count = rustix::fs::getxattr(path, name, &mut value)?;
    Ok(value[..count].escape_ascii().to_string())
}

fn with_slash(path: &Path, more: &str) -> std::path::PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(more);
    path.into()
}

const FOLLOW: AtFlags = AtFlags::empty();
const NOFOLLOW: AtFlags = AtFlags::SYMLINK_NOFOLLOW;
const NOW: (i64, i64) = (0, UTIME_NOW);
const OMIT: (i64, i64) = (0, UTIME_OMIT);
const PLAIN: RenameFlags = RenameFlags::empty();

const ROWS: &[Row] = &[
    ("stat", |site| stat(&site.it)),
    ("lstat", |site| lstat(&site.it)),
    ("access_exists", |site| access(&site.it, Access::EXISTS)),
    ("access_read", |site| access(&site.it, Access::READ_OK)),
    ("access_write", |site| access(&site.it, Access::WRITE_OK)),
    ("access_exec", |site| access(&site.it, Access::EXEC_OK)),
    ("statfs", |site| done(rustix::fs::statfs(&site.it))),
    ("readlink", |site| Ok(format!("{:?}", fs::read_link(&site.it)?))),
    ("list", |site| list(&site.it)),
    ("execute", |site| execute(&site.it)),
    ("open_read", |site| open(&site.it, OFlags::RDONLY)),
    ("open_write", |site| open(&site.it, OFlags::WRONLY)),
    ("open_both", |site| open(&site.it, OFlags::RDWR)),
    ("open_create", |site| open(&site.it, OFlags::WRONLY | OFlags::CREATE)),
    ("open_create_new", |site| open(&site.it, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)),
    ("open_create_reading", |site| open(&site.it, OFlags::RDONLY | OFlags::CREATE)),
    ("open_truncate", |site| open(&site.it, OFlags::WRONLY | OFlags::TRUNC)),
    ("open_truncate_reading", |site| open(&site.it, OFlags::RDONLY | OFlags::TRUNC)),
    ("open_directory", |site| open(&site.it, OFlags::RDONLY | OFlags::DIRECTORY)),
    ("open_directory_write", |site| open(&site.it, OFlags::RDWR | OFlags::DIRECTORY)),
    ("open_nofollow", |site| open(&site.it, OFlags::RDONLY | OFlags::NOFOLLOW)),
    ("open_nofollow_create", |site| {
        open(&site.it, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CREATE)
    }),
    ("open_path", |site| open(&site.it, OFlags::PATH)),
    ("open_path_nofollow", |site| open(&site.it, OFlags::PATH | OFlags::NOFOLLOW)),
    ("open_temporary", |site| open(&site.it, OFlags::TMPFILE | OFlags::RDWR)),
    ("read", |site| read(&site.it)),
    ("write", |site| write(&site.it, OFlags::empty(), 1)),
    ("write_behind_the_end", |site| write(&site.it, OFlags::empty(), 5000)),
    ("append", |site| write(&site.it, OFlags::APPEND, 0)),
    ("write_synced", |site| write(&site.it, OFlags::DSYNC, 0)),
    ("truncate_0", |site| truncate(&site.it, 0)),
    ("truncate_3", |site| truncate(&site.it, 3)),
    ("truncate_9000", |site| truncate(&site.it, 9000)),
    ("truncate_same", |site| {
        truncate(&site.it, fs::metadata(&site.it).map_or(0, |stat| stat.size() as i64))
    }),
    ("truncate_negative", |site| truncate(&site.it, -1)),
    ("unlink", |site| done(rustix::fs::unlink(&site.it))),
    ("rmdir", |site| done(rustix::fs::rmdir(&site.it))),
    ("mkdir", |site| mkdir(&site.it)),
    ("symlink", |site| done(symlink("anywhere", &site.it))),
    ("symlink_empty", |site| done(symlink("", &site.it))),
    ("mknod_fifo", |site| mknod(&site.it, FileType::Fifo, 0)),
    ("mknod_file", |site| mknod(&site.it, FileType::RegularFile, 0)),
    ("mknod_socket", |site| mknod(&site.it, FileType::Socket, 0)),
    ("mknod_directory", |site| mknod(&site.it, FileType::Directory, 0)),
    ("mknod_device", |site| mknod(&site.it, FileType::BlockDevice, rustix::fs::makedev(7, 300))),
    ("bind", |site| done(bind(&site.it))),
    ("link_to_new", |site| link(&site.it, &site.at("free"), FOLLOW)),
    ("link_followed", |site| link(&site.it, &site.at("free"), AtFlags::SYMLINK_FOLLOW)),
    ("link_onto_it", |site| link(&site.at("t"), &site.it, FOLLOW)),
    ("link_below_it", |site| link(&site.at("t"), &site.at("it/new"), FOLLOW)),
    ("chmod_0604", |site| chmod(&site.it, 0o604)),
    ("chmod_7777", |site| chmod(&site.it, 0o7777)),
    ("chown_nobody", |site| chown(site, None, None, FOLLOW)),
    ("chown_same", |site| {
        let ids = (rustix::process::getuid(), rustix::process::getgid());
        chown(site, Some(ids.0.as_raw()), Some(ids.1.as_raw()), FOLLOW)
    }),
    ("chown_user", |site| chown(site, Some(11), None, FOLLOW)),
    ("chown_group", |site| chown(site, None, Some(22), FOLLOW)),
    ("lchown_both", |site| chown(site, Some(11), Some(22), NOFOLLOW)),
    ("utimes_now", |site| utimes(site, NOW, NOW, FOLLOW)),
    ("utimes_omit", |site| utimes(site, OMIT, OMIT, FOLLOW)),
    ("utimes_set", |site| utimes(site, (77, 5), (88, 6), FOLLOW)),
    ("utimes_set_negative", |site| utimes(site, (-77, 5), (-88, 999_999_999), FOLLOW)),
    ("utimes_mtime_only", |site| utimes(site, OMIT, (88, 6), FOLLOW)),
    ("utimes_atime_only", |site| utimes(site, (77, 5), OMIT, FOLLOW)),
    ("utimes_now_and_omit", |site| utimes(site, OMIT, NOW, FOLLOW)),
    ("utimes_now_and_set", |site| utimes(site, (77, 5), NOW, FOLLOW)),
    ("utimes_nofollow", |site| utimes(site, (77, 5), (88, 6), NOFOLLOW)),
    ("utimes_bad", |site| utimes(site, (77, 1_000_000_000), (88, 6), FOLLOW)),
    ("utimes_bad_negative", |site| utimes(site, (77, -1), (88, 6), FOLLOW)),
    ("setxattr", |site| set_xattr(&site.it, "user.name", XattrFlags::empty())),
    ("setxattr_create", |site| set_xattr(&site.it, "user.name", XattrFlags::CREATE)),
    ("setxattr_replace", |site| set_xattr(&site.it, "user.name", XattrFlags::REPLACE)),
    ("setxattr_nameless", |site| set_xattr(&site.it, "user.", XattrFlags::empty())),
    ("setxattr_spaceless", |site| set_xattr(&site.it, "name", XattrFlags::empty())),
    ("lsetxattr", |site| {
        done(rustix::fs::lsetxattr(&site.it, "user.name", b"v", XattrFlags::empty()))
    }),
    ("getxattr", |site| get_xattr(&site.it, true)),
    ("lgetxattr", |site| get_xattr(&site.it, false)),
    ("listxattr", |site| done(rustix::fs::listxattr(&site.it, &mut [0_u8; 512]))),
    ("removexattr", |site| done(rustix::fs::removexattr(&site.it, "user.none"))),
    ("lremovexattr", |site| done(rustix::fs::lremovexattr(&site.it, "user.none"))),
    ("rename_to_new", |site| rename(&site.it, &site.at("free"), PLAIN)),
    ("rename_to_self", |site| rename(&site.it, &site.it, PLAIN)),
    ("rename_below_it", |site| rename(&site.at("t"), &site.at("it/new"), PLAIN)),
    ("rename_below_itself", |site| rename(&site.it, &site.at("it/new"), PLAIN)),
    ("rename_up", |site| rename(&site.at("it/x"), &site.at("free"), PLAIN)),
    ("rename_bad_flags", |site| {
        rename(&site.it, &site.at("free"), RenameFlags::NOREPLACE | RenameFlags::EXCHANGE)
    }),
    ("stat_slash", |site| stat(&with_slash(&site.it, "/"))),
    ("lstat_slash", |site| lstat(&with_slash(&site.it, "/"))),
    ("stat_dot", |site| stat(&with_slash(&site.it, "/."))),
    ("stat_dotdot", |site| stat(&with_slash(&site.it, "/.."))),
    ("stat_below", |site| stat(&with_slash(&site.it, "/none"))),
    ("open_slash", |site| open(&with_slash(&site.it, "/"), OFlags::RDONLY)),
    ("create_slash", |site| open(&with_slash(&site.it, "/"), OFlags::WRONLY | OFlags::CREATE)),
    ("create_below", |site| open(&with_slash(&site.it, "/new"), OFlags::WRONLY | OFlags::CREATE)),
    ("mkdir_slash", |site| mkdir(with_slash(&site.it, "/"))),
    ("mkdir_dot", |site| mkdir(with_slash(&site.it, "/."))),
    ("mkdir_below", |site| mkdir(with_slash(&site.it, "/new"))),
    ("symlink_below", |site| done(symlink("x", with_slash(&site.it, "/new")))),
    ("unlink_slash", |site| done(rustix::fs::unlink(with_slash(&site.it, "/")))),
    ("unlink_below", |site| done(rustix::fs::unlink(with_slash(&site.it, "/x")))),
    ("rmdir_slash", |site| done(rustix::fs::rmdir(with_slash(&site.it, "/")))),
    ("rmdir_dot", |site| done(rustix::fs::rmdir(with_slash(&site.it, "/.")))),
    ("rmdir_dotdot", |site| done(rustix::fs::rmdir(with_slash(&site.it, "/..")))),
    ("rename_slash", |site| rename(&with_slash(&site.it, "/"), &site.at("free"), PLAIN)),
    ("rename_to_slash", |site| rename(&site.it, &with_slash(&site.at("free"), "/"), PLAIN)),
    ("rename_dot", |site| rename(&with_slash(&site.it, "/."), &site.at("free"), PLAIN)),
    ("long_name", |site| stat(&site.it.join("n".repeat(255)))),
    ("too_long_name", |site| stat(&site.it.join("n".repeat(256)))),
];

pub const PATHS: Matrix = Matrix {
    name: "paths",
    kinds: KINDS,
    rows: ROWS,
    table: include_str!("at_path.table"),
    differences: &[
        ("open_temporary", "*", "FUSE_TMPFILE does not pass the library"),
        ("open_*", "device", "a mount of toft is nodev"),
        ("read", "device", "a mount of toft is nodev"),
        ("write*", "device", "a mount of toft is nodev"),
        ("append", "device", "a mount of toft is nodev"),
    ],
    as_stranger: false,
};

#[test]
fn every_call_on_every_kind_of_object_does_what_the_local_disk_does() {
    PATHS.run();
}
