//! Hard links.

use crate::world::{World, check_errnos, errno, stat};
use rustix::fs::{AtFlags, CWD};
use std::fs;
use std::os::unix::fs::MetadataExt;

#[test]
fn two_names_are_one_file() {
    let mut world = World::new();
    let before = stat(world.path("README"));
    fs::hard_link(world.path("README"), world.path("dir/twin")).unwrap();
    let twin = stat(world.path("dir/twin"));
    assert_eq!((twin.ino(), twin.nlink()), (before.ino(), 2));
    assert!(twin.ctime() > before.ctime());
    assert_eq!(twin.mtime(), before.mtime());
    fs::write(world.path("dir/twin"), "through the twin").unwrap();
    assert_eq!(fs::read(world.path("README")).unwrap(), b"through the twin");
    world.remount();
    assert_eq!(stat(world.path("README")).ino(), before.ino());
    assert_eq!(stat(world.path("dir/twin")).nlink(), 2);
    fs::remove_file(world.path("README")).unwrap();
    assert_eq!(stat(world.path("dir/twin")).nlink(), 1);
    assert_eq!(fs::read(world.path("dir/twin")).unwrap(), b"through the twin");
    world.remount();
    assert_eq!(stat(world.path("dir/twin")).nlink(), 1);
    fs::remove_file(world.path("dir/twin")).unwrap();
}

#[test]
fn a_file_has_as_many_names_as_on_ext4() {
    let world = World::new();
    fs::create_dir(world.path("names")).unwrap();
    for number in 1..65_000 {
        fs::hard_link(world.path("README"), world.path(format!("names/{number}"))).unwrap();
    }
    assert_eq!(stat(world.path("README")).nlink(), 65_000);
    let link = || fs::hard_link(world.path("README"), world.path("one-too-many"));
    assert_eq!(errno(link()), libc::EMLINK);
    fs::remove_file(world.path("names/7")).unwrap();
    link().unwrap();
}

#[test]
fn links_to_links_and_special_files() {
    let world = World::new();
    let flags = AtFlags::empty();
    rustix::fs::linkat(CWD, world.path("link"), CWD, world.path("link2"), flags).unwrap();
    assert!(stat(world.path("link2")).is_symlink());
    assert_eq!(stat(world.path("link2")).nlink(), 2);
    assert_eq!(fs::read_link(world.path("link2")).unwrap().to_str(), Some("dir/a"));
    fs::hard_link(world.path("dir/sub/deeper/deepest"), world.path("up")).unwrap();
    assert_eq!(fs::read(world.path("up")).unwrap(), b"deepest\n");
    fs::remove_dir_all(world.path("dir")).unwrap();
    assert_eq!(fs::read(world.path("up")).unwrap(), b"deepest\n");
    assert_eq!(stat(world.path("up")).nlink(), 1);
}

#[test]
fn errnos_of_linking() {
    let world = World::new();
    let link = |from: &str, to: &str| errno(fs::hard_link(world.path(from), world.path(to)));
    check_errnos(&[
        ("a directory", link("dir", "x"), libc::EPERM),
        ("nothing", link("nothing", "x"), libc::ENOENT),
        ("onto a file", link("README", "run.sh"), libc::EEXIST),
        ("onto itself", link("README", "README"), libc::EEXIST),
        ("into a missing directory", link("README", "no/x"), libc::ENOENT),
        ("below a file", link("README", "run.sh/x"), libc::ENOTDIR),
        ("a long name", link("README", &"n".repeat(256)), libc::ENAMETOOLONG),
        ("the gitfile", link(".git", "x"), libc::EPERM),
        ("onto the gitfile", link("README", ".git"), libc::EEXIST),
    ]);
}

#[test]
fn a_file_that_lost_its_last_name_gets_none_back() {
    let world = World::new();
    let file = fs::File::open(world.path("README")).unwrap();
    fs::remove_file(world.path("README")).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let linked = rustix::fs::linkat(CWD, path, CWD, world.path("back"), AtFlags::SYMLINK_FOLLOW);
    assert_eq!(errno(linked), libc::ENOENT);
}
