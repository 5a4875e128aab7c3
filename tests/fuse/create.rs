//! open(2) with O_CREAT, mkdir, symlink, mknod.

use crate::world::{World, check_errnos, errno, is_root, stat};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

#[test]
fn what_is_made_is_there_with_its_attributes() {
    let world = World::new();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let before = stat(world.path("dir"));
    fs::write(world.path("dir/new"), "12345").unwrap();
    let new = stat(world.path("dir/new"));
    assert_eq!(new.mode(), libc::S_IFREG | 0o644);
    assert_eq!((new.len(), new.nlink(), new.blksize()), (5, 1, 4096));
    let dir = stat(world.path("dir"));
    assert!(dir.modified().unwrap() > before.modified().unwrap());
    assert_eq!(dir.nlink(), before.nlink());

    fs::create_dir(world.path("dir/made")).unwrap();
    assert_eq!(stat(world.path("dir/made")).mode(), libc::S_IFDIR | 0o755);
    assert_eq!(stat(world.path("dir/made")).nlink(), 2);
    assert_eq!(stat(world.path("dir")).nlink(), before.nlink() + 1);

    symlink("some/where", world.path("dir/link")).unwrap();
    let link = stat(world.path("dir/link"));
    assert_eq!(link.mode(), libc::S_IFLNK | 0o777);
    assert_eq!(link.len(), 10);
    assert_eq!(fs::read_link(world.path("dir/link")).unwrap().to_str(), Some("some/where"));
}

#[test]
fn special_files_keep_kind_and_device() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let make = |name, kind, device| {
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, world.path(name), kind, mode, device).unwrap();
    };
    make("fifo", FileType::Fifo, 0);
    make("socket", FileType::Socket, 0);
    make("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3));
    make("block", FileType::BlockDevice, rustix::fs::makedev(7, 200));
    make("plain", FileType::RegularFile, 0);
    for _ in 0..2 {
        assert!(stat(world.path("fifo")).file_type().is_fifo());
        assert!(stat(world.path("socket")).file_type().is_socket());
        assert!(stat(world.path("null")).file_type().is_char_device());
        assert_eq!(stat(world.path("null")).rdev(), rustix::fs::makedev(1, 3));
        assert_eq!(stat(world.path("block")).rdev(), rustix::fs::makedev(7, 200));
        assert!(stat(world.path("plain")).is_file());
        world.remount();
    }
    // The mount has nodev.
    assert_eq!(errno(fs::read(world.path("null"))), libc::EACCES);
}

#[test]
fn a_fifo_carries_bytes_and_a_socket_connects() {
    let world = World::new();
    let fifo = world.path("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let writer = {
        let fifo = fifo.clone();
        std::thread::spawn(move || fs::write(fifo, "through").unwrap())
    };
    assert_eq!(fs::read(&fifo).unwrap(), b"through");
    writer.join().unwrap();
    let socket = world.path("s");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    drop(std::os::unix::net::UnixStream::connect(&socket).unwrap());
    drop(listener);
}

#[test]
fn creating_obeys_umask_and_setgid_directories() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let dir = world.path("shared");
    fs::create_dir(&dir).unwrap();
    std::os::unix::fs::chown(&dir, None, Some(4242)).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o2775)).unwrap();
    fs::write(dir.join("file"), "").unwrap();
    fs::create_dir(dir.join("sub")).unwrap();
    symlink("x", dir.join("link")).unwrap();
    for name in ["file", "sub", "link"] {
        assert_eq!(stat(dir.join(name)).gid(), 4242, "{name}");
    }
    assert_eq!(stat(dir.join("sub")).mode() & 0o7000, 0o2000, "directories hand setgid on");
    assert_eq!(stat(dir.join("file")).mode() & 0o7000, 0);
    fs::create_dir(dir.join("sub/again")).unwrap();
    assert_eq!(stat(dir.join("sub/again")).gid(), 4242);
}

#[test]
fn errnos_of_creating() {
    let world = World::new();
    let long = "n".repeat(256);
    let excl = |path: &str| {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
        errno(rustix::fs::open(world.path(path), flags, Mode::from_raw_mode(0o600)))
    };
    let mkdir = |path: &str| errno(fs::create_dir(world.path(path)));
    let link = |path: &str| errno(symlink("x", world.path(path)));
    check_errnos(&[
        ("O_EXCL on a base file", excl("README"), libc::EEXIST),
        ("O_EXCL on a dangling link", excl("dangling"), libc::EEXIST),
        ("O_EXCL on a directory", excl("dir"), libc::EEXIST),
        ("in a missing directory", excl("no/x"), libc::ENOENT),
        ("below a file", excl("README/x"), libc::ENOTDIR),
        ("long name", excl(&long), libc::ENAMETOOLONG),
        ("mkdir over a file", mkdir("README"), libc::EEXIST),
        ("mkdir over a directory", mkdir("dir"), libc::EEXIST),
        ("mkdir long name", mkdir(&long), libc::ENAMETOOLONG),
        ("mkdir in a missing directory", mkdir("no/x"), libc::ENOENT),
        ("mkdir below a file", mkdir("README/x"), libc::ENOTDIR),
        ("symlink over a file", link("README"), libc::EEXIST),
        ("symlink long name", link(&long), libc::ENAMETOOLONG),
        (
            "symlink with a target that is too long",
            errno(symlink("t".repeat(4096), world.path("far"))),
            libc::ENAMETOOLONG,
        ),
        (
            "opening a directory for writing",
            errno(fs::OpenOptions::new().write(true).open(world.path("dir"))),
            libc::EISDIR,
        ),
        (
            "O_DIRECTORY on a file",
            errno(rustix::fs::open(world.path("README"), OFlags::DIRECTORY, Mode::empty())),
            libc::ENOTDIR,
        ),
        (
            "O_NOFOLLOW on a link",
            errno(rustix::fs::open(world.path("link"), OFlags::NOFOLLOW, Mode::empty())),
            libc::ELOOP,
        ),
        (
            "O_TMPFILE, which fuser does not speak",
            errno(rustix::fs::open(
                world.root(),
                OFlags::TMPFILE | OFlags::RDWR,
                Mode::from_raw_mode(0o600),
            )),
            libc::EOPNOTSUPP,
        ),
    ]);
    symlink("t".repeat(4095), world.path("far")).unwrap();
    assert_eq!(fs::read_link(world.path("far")).unwrap().as_os_str().len(), 4095);
    fs::write(world.path("n".repeat(255)), "longest").unwrap();
    assert_eq!(fs::read(world.path("n".repeat(255))).unwrap(), b"longest");
}

#[test]
fn links_are_followed_and_loops_are_found() {
    let world = World::new();
    symlink("b", world.path("a")).unwrap();
    symlink("a", world.path("b")).unwrap();
    assert_eq!(errno(fs::read(world.path("a"))), libc::ELOOP);
    symlink("../README", world.path("dir/up")).unwrap();
    assert_eq!(fs::read(world.path("dir/up")).unwrap(), b"hello\n");
    fs::write(world.path("dangling-made"), "").unwrap();
    symlink("made-through-link", world.path("through")).unwrap();
    fs::write(world.path("through"), "made").unwrap();
    assert_eq!(fs::read(world.path("made-through-link")).unwrap(), b"made");
}
