//! chmod, chown, utimens, and what they take with them.

use crate::conform::raw::{STRANGER, as_user};
use crate::view::BASE_TIME;
use crate::world::{World, check_errnos, errno, is_root, sh, stat};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};

fn times(atime: (i64, u32), mtime: (i64, u32)) -> Timestamps {
    let time = |(tv_sec, nsec): (i64, u32)| Timespec { tv_sec, tv_nsec: nsec.into() };
    Timestamps { last_access: time(atime), last_modification: time(mtime) }
}

#[test]
fn the_base_shows_the_time_and_modes_that_were_promised() {
    let world = World::new();
    for name in ["", "README", "run.sh", "dir", "dir/sub/deep", "link", "module", ".git"] {
        let stat = stat(world.path(name));
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (BASE_TIME.sec, 0), "{name}");
        assert_eq!((stat.ctime(), stat.atime()), (BASE_TIME.sec, BASE_TIME.sec), "{name}");
    }
    let mode = |name| stat(world.path(name)).mode();
    assert_eq!(mode("README"), libc::S_IFREG | 0o644);
    assert_eq!(mode("run.sh"), libc::S_IFREG | 0o755);
    assert_eq!(mode("dir"), libc::S_IFDIR | 0o755);
    assert_eq!(mode("link"), libc::S_IFLNK | 0o777);
    assert_eq!(mode("module"), libc::S_IFDIR | 0o755);
    assert_eq!(mode(".git"), libc::S_IFREG | 0o444);
    assert_eq!(stat(world.root()).ino(), 1);
    assert_eq!(stat(world.root()).nlink(), 2 + 4);
    assert_eq!(stat(world.path("dir")).nlink(), 3);
}

#[test]
fn modes_owners_and_times_are_kept() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let path = world.path("README");
    fs::set_permissions(&path, Permissions::from_mode(0o6751)).unwrap();
    assert_eq!(stat(&path).mode() & 0o7777, 0o6751);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    chown(&path, Some(11), Some(22)).unwrap();
    lchown(world.path("link"), Some(33), None).unwrap();
    let at = times((-3, 250_000_000), (2_000_000_000, 123_456_789));
    utimensat(CWD, &path, &at, AtFlags::empty()).unwrap();
    utimensat(CWD, world.path("link"), &at, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    utimensat(CWD, world.path("dir"), &at, AtFlags::empty()).unwrap();
    for round in 0..2 {
        let file = stat(&path);
        assert_eq!(file.mode() & 0o7777, 0o600);
        assert_eq!((file.uid(), file.gid()), (11, 22));
        for name in ["README", "link", "dir"] {
            let stat = stat(world.path(name));
            assert_eq!((stat.mtime(), stat.mtime_nsec()), (2_000_000_000, 123_456_789), "{name}");
            assert_eq!((stat.atime(), stat.atime_nsec()), (-3, 250_000_000), "{name} {round}");
            assert!(stat.ctime() < 2_000_000_000 && stat.ctime() > BASE_TIME.sec, "{name}");
        }
        assert_eq!(stat(world.path("link")).uid(), 33);
        assert_eq!(fs::read(&path).unwrap(), b"hello\n");
        world.remount();
    }
}

#[test]
fn one_time_is_set_and_the_other_left() {
    let world = World::new();
    // Once a blob of the base, once a body.
    for name in ["README", "dir/a"] {
        let path = world.path(name);
        if name == "dir/a" {
            fs::write(&path, "changed").unwrap();
        }
        let before = stat(&path);
        let omit = UTIME_OMIT as u32;
        utimensat(CWD, &path, &times((77, 5), (0, omit)), AtFlags::empty()).unwrap();
        let after = stat(&path);
        assert_eq!((after.atime(), after.atime_nsec()), (77, 5), "{name}");
        assert_eq!((after.mtime(), after.mtime_nsec()), (before.mtime(), before.mtime_nsec()));
        utimensat(CWD, &path, &times((0, omit), (88, 6)), AtFlags::empty()).unwrap();
        let after = stat(&path);
        assert_eq!((after.atime(), after.mtime(), after.mtime_nsec()), (77, 88, 6), "{name}");
        let now = UTIME_NOW as u32;
        utimensat(CWD, &path, &times((0, now), (0, now)), AtFlags::empty()).unwrap();
        let after = stat(&path);
        assert!(after.atime() > BASE_TIME.sec && after.mtime() > BASE_TIME.sec, "{name}");
        // A write after a time in the future makes it now again.
        utimensat(CWD, &path, &times((0, omit), (4_000_000_000, 0)), AtFlags::empty()).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"x").unwrap();
        assert!(stat(&path).mtime() < 4_000_000_000, "{name}");
        assert!(stat(&path).ctime() < 4_000_000_000, "{name}");
    }
}

#[test]
fn set_user_id_goes_with_owner_and_content() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let path = world.path("README");
    let set = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    let mode = || stat(&path).mode() & 0o7777;
    set(0o6755);
    chown(&path, Some(1), None).unwrap();
    assert_eq!(mode(), 0o755, "chown clears both");
    set(0o2644);
    chown(&path, None, Some(2)).unwrap();
    assert_eq!(mode(), 0o2644, "without group execution setgid is no right");
    set(0o6755);
    fs::write(&path, "root keeps them").unwrap();
    assert_eq!(mode(), 0o6755);
    // An ordinary user does not.
    let table = [
        ("a write", "printf x >> README"),
        ("O_TRUNC", ": > README"),
        ("truncate", "truncate -s 1 README"),
        ("fallocate", "fallocate -l 9000 README"),
    ];
    for (case, command) in table {
        set(0o6777);
        sh(
            world.root(),
            &format!(
                "chmod 755 .; setpriv --reuid=4711 --regid=4711 --clear-groups sh -ec '{command}'"
            ),
        );
        assert_eq!(mode(), 0o777, "{case}");
    }
}

#[test]
fn a_chown_that_names_nobody_still_clears_set_user_id() {
    if !is_root() {
        return;
    }
    let world = World::new();
    for name in ["README", "dir"] {
        let path = world.path(name);
        fs::set_permissions(&path, Permissions::from_mode(0o6755)).unwrap();
        let before = stat(&path);
        std::thread::sleep(std::time::Duration::from_millis(20));
        chown(&path, None, None).unwrap();
        let after = stat(&path);
        let wanted = if name == "dir" { 0o6755 } else { 0o755 };
        assert_eq!(after.mode() & 0o7777, wanted, "{name}");
        assert_eq!(
            (after.uid(), after.gid(), after.mtime_nsec()),
            (before.uid(), before.gid(), before.mtime_nsec())
        );
        let ctime = |stat: &fs::Metadata| (stat.ctime(), stat.ctime_nsec());
        assert!(ctime(&after) > ctime(&before), "{name}");
    }
}

#[test]
fn a_stranger_takes_no_set_user_id_bits_by_a_chown_that_names_nobody() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let path = world.path("README");
    fs::set_permissions(&path, Permissions::from_mode(0o6777)).unwrap();
    // ext4 says EPERM; here it cannot be told from what Linux asks before a write.
    as_user(STRANGER, || chown(&path, None, None).unwrap());
    assert_eq!(stat(&path).mode() & 0o7777, 0o6777);
}

#[test]
fn the_kernel_checks_permissions() {
    if !is_root() {
        return;
    }
    let world = World::new();
    fs::write(world.path("secret"), "s").unwrap();
    fs::set_permissions(world.path("secret"), Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(world.path("tmp")).unwrap();
    fs::set_permissions(world.path("tmp"), Permissions::from_mode(0o1777)).unwrap();
    fs::write(world.path("tmp/roots"), "").unwrap();
    let denied = [
        "cat secret",
        "echo x > README",
        "rm README",
        "touch new",
        "mkdir d",
        "chmod 777 README",
        "chown 4711 README",
        "rm -f tmp/roots",
        "mv tmp/roots tmp/mine",
        "echo x > .git",
    ];
    for command in denied {
        let script = format!(
            "setpriv --reuid=4711 --regid=4711 --clear-groups sh -ec '{command}' 2>/dev/null && exit 1; true"
        );
        sh(world.root(), &script);
    }
    let user = "setpriv --reuid=4711 --regid=4711 --clear-groups sh -ec";
    sh(world.root(), &format!("{user} 'umask 027; echo x > tmp/mine; mkdir tmp/d; cat README'"));
    let mine = stat(world.path("tmp/mine"));
    assert_eq!((mine.uid(), mine.gid(), mine.mode() & 0o777), (4711, 4711, 0o640));
    sh(world.root(), &format!("{user} 'rm tmp/mine; rmdir tmp/d'"));
}

#[test]
fn errnos_of_attributes() {
    let world = World::new();
    let chmod = |name| errno(fs::set_permissions(world.path(name), Permissions::from_mode(0o600)));
    check_errnos(&[
        ("chmod of nothing", chmod("nothing"), libc::ENOENT),
        ("chmod of .git", chmod(".git"), libc::EPERM),
        ("chown of .git", errno(chown(world.path(".git"), Some(1), None)), libc::EPERM),
        ("chmod below a file", chmod("README/x"), libc::ENOTDIR),
        (
            "times of .git",
            errno(utimensat(CWD, world.path(".git"), &times((1, 1), (1, 1)), AtFlags::empty())),
            libc::EPERM,
        ),
    ]);
}

#[test]
fn statfs_tells_of_the_disk_below() {
    let world = World::new();
    let below = rustix::fs::statvfs(world.workspace.config().state_dir.as_path()).unwrap();
    let shown = rustix::fs::statvfs(world.root()).unwrap();
    assert_eq!(shown.f_blocks, below.f_blocks);
    assert_eq!(shown.f_files, below.f_files);
    assert_eq!((shown.f_bsize, shown.f_frsize), (below.f_bsize, below.f_frsize));
    assert_eq!(shown.f_namemax, 255);
    assert!(shown.f_bavail.abs_diff(below.f_bavail) < 1_000_000);
}
