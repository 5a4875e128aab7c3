//! A view that refuses changes, and an overlay that does since its disk failed.

use crate::view::State;
use crate::world::{World, check_errnos, errno, lower, opens, write_to};
use rustix::fs::{CWD, XattrFlags};
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use toft::fuse::Opens;

fn refuses_everything(world: &World) {
    let set = Permissions::from_mode(0o600);
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let fifo = rustix::fs::FileType::Fifo;
    check_errnos(&[
        ("create", errno(fs::write(world.path("new"), "")), libc::EROFS),
        ("mkdir", errno(fs::create_dir(world.path("new"))), libc::EROFS),
        ("symlink", errno(symlink("x", world.path("new"))), libc::EROFS),
        ("mknod", errno(rustix::fs::mknodat(CWD, world.path("new"), fifo, mode, 0)), libc::EROFS),
        ("unlink", errno(fs::remove_file(world.path("README"))), libc::EROFS),
        ("rmdir", errno(fs::remove_dir(world.path("module"))), libc::EROFS),
        ("rename", errno(fs::rename(world.path("README"), world.path("new"))), libc::EROFS),
        ("link", errno(fs::hard_link(world.path("README"), world.path("new"))), libc::EROFS),
        ("chmod", errno(fs::set_permissions(world.path("README"), set)), libc::EROFS),
        ("write", errno(write_to(&world.path("README"))), libc::EROFS),
        (
            "setxattr",
            errno(rustix::fs::setxattr(world.path("dir"), "user.a", b"", XattrFlags::empty())),
            libc::EROFS,
        ),
    ]);
    assert_eq!(fs::read(world.path("README")).unwrap(), b"hello\n");
    assert_eq!(fs::read_dir(world.path("many")).unwrap().count(), 500);
    assert!(!world.path("new").exists());
}

#[test]
fn a_read_only_view_shows_everything_and_takes_nothing() {
    let mut state = State::new(lower());
    state.config.read_only = true;
    refuses_everything(&World::with(state));
}

#[test]
fn after_a_failed_fsync_reads_go_on_and_changes_do_not() {
    let (state, disk) = State::with_faulty_disk(lower());
    let world = World::with(state);
    fs::write(world.path("before"), "kept").unwrap();
    let open = OpenOptions::new().write(true).open(world.path("before")).unwrap();
    disk.fail_fsync.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(errno(open.sync_all()), libc::EIO, "told once");
    disk.fail_fsync.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(errno(open.sync_all()), libc::EROFS, "and never taken back");
    if opens() != Opens::Passed {
        // Who writes past us cannot be stopped, only told by each fsync.
        assert_eq!(errno(std::os::unix::fs::FileExt::write_at(&open, b"x", 0)), libc::EROFS);
    }
    assert_eq!(errno(open.set_len(0)), libc::EROFS);
    refuses_everything(&world);
    assert_eq!(fs::read(world.path("before")).unwrap(), b"kept");
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    let (state, disk) = State::with_faulty_disk(lower());
    let world = World::with(state);
    fs::write(world.path("before"), "kept").unwrap();
    let inodes = world.workspace.counters();
    disk.full.store(true, std::sync::atomic::Ordering::Relaxed);
    check_errnos(&[
        ("create", errno(fs::write(world.path("new"), "")), libc::ENOSPC),
        ("mkdir", errno(fs::create_dir(world.path("new"))), libc::ENOSPC),
        ("unlink", errno(fs::remove_file(world.path("README"))), libc::ENOSPC),
        ("rename", errno(fs::rename(world.path("dir"), world.path("new"))), libc::ENOSPC),
        ("link", errno(fs::hard_link(world.path("README"), world.path("new"))), libc::ENOSPC),
    ]);
    disk.full.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.workspace.counters().nodes, inodes.nodes);
    assert!(!world.path("new").exists());
    assert_eq!(fs::read(world.path("README")).unwrap(), b"hello\n");
    assert_eq!(fs::read(world.path("dir/a")).unwrap(), b"aaa\n");
    fs::write(world.path("new"), "now").unwrap();
    assert_eq!(fs::read(world.path("new")).unwrap(), b"now");
}
