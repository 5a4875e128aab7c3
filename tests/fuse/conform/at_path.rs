//! Calls that name an object by its path.

use super::calls::*;
use super::kinds::{KINDS, bind, execute};
use super::matrix::{Matrix, Row, done};
use rustix::fs::{Access, AtFlags, FileType, OFlags, RenameFlags, XattrFlags};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

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
    ("chown_nobody", |site| chown_path(site, None, None, FOLLOW)),
    ("chown_same", |site| {
        let ids = (rustix::process::getuid(), rustix::process::getgid());
        chown_path(site, Some(ids.0.as_raw()), Some(ids.1.as_raw()), FOLLOW)
    }),
    ("chown_user", |site| chown_path(site, Some(11), None, FOLLOW)),
    ("chown_group", |site| chown_path(site, None, Some(22), FOLLOW)),
    ("lchown_both", |site| chown_path(site, Some(11), Some(22), NOFOLLOW)),
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
