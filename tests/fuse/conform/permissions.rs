//! Who may do what: calls of a user whom most things do not belong to.

use super::calls::*;
use super::kinds::execute;
use super::matrix::{Answer, Matrix, Row, Site, done};
use super::raw::STRANGER;
use super::stage::{Kind, Thing};
use rustix::fs::{Access, AtFlags, FileType, OFlags, RenameFlags, XattrFlags};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

/// The stage has this mode and owner, and the file `it` in it that mode and owner.
macro_rules! file {
    ($name:literal, $dir:literal of $dir_owner:literal, $it:literal of $owner:literal) => {
        Kind {
            name: $name,
            base: &[("it", Thing::File("some bytes\n"))],
            adapt: |stage| {
                give(&stage.join("it"), $owner, $it);
                give(stage, $dir_owner, $dir);
            },
            for_root: true,
        }
    };
}

/// The same with `it` a directory.
macro_rules! directory {
    ($name:literal, $dir:literal of $dir_owner:literal, $it:literal of $owner:literal) => {
        Kind {
            name: $name,
            base: &[("it/x", Thing::File("some bytes\n"))],
            adapt: |stage| {
                give(&stage.join("it"), $owner, $it);
                give(stage, $dir_owner, $dir);
            },
            for_root: true,
        }
    };
}

const SETTINGS: &[Kind] = &[
    file!("own", 0o755 of 4711, 0o644 of 4711),
    file!("closed", 0o755 of 0, 0o644 of 0),
    file!("writable", 0o777 of 0, 0o644 of 0),
    file!("file_for_all", 0o755 of 0, 0o666 of 0),
    file!("sticky", 0o1777 of 0, 0o644 of 0),
    file!("sticky_own", 0o1777 of 0, 0o644 of 4711),
    file!("sticky_my_dir", 0o1777 of 4711, 0o644 of 0),
    file!("search_only", 0o711 of 0, 0o666 of 0),
    file!("list_only", 0o744 of 0, 0o666 of 0),
    file!("nothing", 0o700 of 0, 0o777 of 0),
    file!("own_unreadable", 0o755 of 4711, 0o000 of 4711),
    file!("own_not_mine", 0o755 of 4711, 0o600 of 0),
    file!("suid", 0o2777 of 0, 0o6777 of 0),
    file!("own_suid", 0o2755 of 4711, 0o6755 of 4711),
    directory!("dir", 0o777 of 0, 0o755 of 0),
    directory!("dir_sticky", 0o1777 of 0, 0o777 of 0),
    directory!("dir_own", 0o1777 of 0, 0o755 of 4711),
    directory!("dir_blind", 0o777 of 0, 0o733 of 0),
];

fn give(path: &Path, owner: u32, mode: u32) {
    // The group of a stage is nobody's; what is the stranger's is of his group.
    chown(path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

const ROWS: &[Row] = &[
    ("stat", |site| stat(&site.it)),
    ("stat_missing", |site| stat(&site.at("free"))),
    ("access_read", |site| access(&site.it, Access::READ_OK)),
    ("access_write", |site| access(&site.it, Access::WRITE_OK)),
    ("access_exec", |site| access(&site.it, Access::EXEC_OK)),
    ("list_above", |site| list(&site.dir)),
    ("list", |site| list(&site.it)),
    ("stat_below", |site| stat(&site.at("it/x"))),
    ("create_below", |site| open(&site.at("it/new"), OFlags::CREATE | OFlags::WRONLY)),
    ("unlink_below", |site| done(rustix::fs::unlink(site.at("it/x")))),
    ("execute", |site| execute(&site.it)),
    ("open_read", |site| open(&site.it, OFlags::RDONLY)),
    ("open_write", |site| open(&site.it, OFlags::WRONLY)),
    ("open_truncate", |site| open(&site.it, OFlags::RDWR | OFlags::TRUNC)),
    ("open_create", |site| open(&site.it, OFlags::RDWR | OFlags::CREATE)),
    ("open_noatime", |site| open(&site.it, OFlags::RDONLY | OFlags::NOATIME)),
    ("create", |site| open(&site.at("free"), OFlags::RDWR | OFlags::CREATE)),
    ("write", |site| write(&site.it, OFlags::empty(), 2)),
    ("truncate_3", |site| truncate(&site.it, 3)),
    ("unlink", |site| done(rustix::fs::unlink(&site.it))),
    ("rmdir", |site| done(rustix::fs::rmdir(&site.it))),
    ("mkdir", |site| mkdir(site.at("free"))),
    ("mkdir_there", |site| mkdir(&site.it)),
    ("symlink", |site| done(symlink("t", site.at("free")))),
    ("mknod_fifo", |site| mknod(&site.at("free"), FileType::Fifo, 0)),
    ("mknod_device", |site| {
        mknod(&site.at("free"), FileType::CharacterDevice, rustix::fs::makedev(1, 3))
    }),
    ("link", |site| link(&site.it, &site.at("free"), FOLLOW)),
    ("chmod_0604", |site| chmod(&site.it, 0o604)),
    ("chmod_6777", |site| chmod(&site.it, 0o6777)),
    ("chmod_above", |site| chmod(&site.dir, 0o2770)),
    ("chown_nobody", |site| chown_it(site, None, None)),
    ("chown_me", |site| chown_it(site, Some(STRANGER), Some(STRANGER))),
    ("chown_root", |site| chown_it(site, Some(0), None)),
    ("chown_group_other", |site| chown_it(site, None, Some(22))),
    ("utimes_now", |site| utimes(site, NOW, NOW, FOLLOW)),
    ("utimes_omit", |site| utimes(site, OMIT, OMIT, FOLLOW)),
    ("utimes_set", |site| utimes(site, (77, 5), (88, 6), FOLLOW)),
    ("utimes_now_and_omit", |site| utimes(site, OMIT, NOW, FOLLOW)),
    ("setxattr", |site| set_xattr(&site.it, "user.name", XattrFlags::empty())),
    ("setxattr_replace", |site| set_xattr(&site.it, "user.name", XattrFlags::REPLACE)),
    ("getxattr", |site| get_xattr(&site.it, true)),
    ("listxattr", |site| done(rustix::fs::listxattr(&site.it, &mut [0_u8; 512]))),
    ("removexattr", |site| done(rustix::fs::removexattr(&site.it, "user.name"))),
    ("rename", |site| rename(&site.it, &site.at("free"), PLAIN)),
    ("rename_onto", |site| rename(&site.at("t"), &site.it, PLAIN)),
    ("rename_exchange", |site| rename(&site.it, &site.at("t"), RenameFlags::EXCHANGE)),
    ("rename_whiteout", |site| rename(&site.it, &site.at("free"), RenameFlags::WHITEOUT)),
    ("rename_to_itself", |site| rename(&site.it, &site.it, PLAIN)),
];

fn chown_it(site: &Site, user: Option<u32>, group: Option<u32>) -> Answer {
    chown_path(site, user, group, AtFlags::empty())
}

pub const PERMISSIONS: Matrix = Matrix {
    name: "permissions",
    kinds: SETTINGS,
    rows: ROWS,
    table: include_str!("permissions.table"),
    // The bits stay, see `attr::a_stranger_takes_no_set_user_id_bits_by_a_chown_that_names_nobody`.
    differences: &[("chown_nobody", "suid", "Linux asks the same before a write, which must do")],
    as_stranger: true,
};

#[test]
fn a_stranger_may_do_what_the_local_disk_lets_him() {
    PERMISSIONS.run();
}
