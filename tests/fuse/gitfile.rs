//! `.git` at the root.

use crate::view::GITFILE;
use crate::world::{World, check_errnos, errno, is_root, stat, write_to};
use std::fs::{self, File};
use std::os::unix::fs::{DirEntryExt, MetadataExt, symlink};

#[test]
fn it_is_a_file_that_nobody_changes() {
    let mut world = World::new();
    let path = world.path(".git");
    // For others than root the kernel looks at the mode first.
    let denied = if is_root() { libc::EPERM } else { libc::EACCES };
    check_errnos(&[
        ("write", errno(write_to(&path)), denied),
        ("truncate", errno(File::create(&path)), denied),
        ("unlink", errno(fs::remove_file(&path)), libc::EPERM),
        ("rmdir", errno(fs::remove_dir(&path)), libc::ENOTDIR),
        ("mkdir", errno(fs::create_dir(&path)), libc::EEXIST),
        ("symlink", errno(symlink("x", &path)), libc::EEXIST),
        ("below it", errno(fs::read(path.join("config"))), libc::ENOTDIR),
    ]);
    for _ in 0..2 {
        assert_eq!(fs::read(world.path(".git")).unwrap(), GITFILE);
        let stat = stat(world.path(".git"));
        assert_eq!((stat.ino(), stat.len(), stat.nlink()), (2, GITFILE.len() as u64, 1));
        let all = fs::read_dir(world.root()).unwrap().map(Result::unwrap);
        let listed: Vec<_> =
            all.filter(|entry| entry.file_name() == ".git").map(|entry| entry.ino()).collect();
        assert_eq!(listed, [2]);
        world.remount();
    }
}

#[test]
fn elsewhere_git_may_be_anything() {
    let mut world = World::new();
    fs::create_dir_all(world.path("dir/.git/objects")).unwrap();
    fs::write(world.path("dir/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(world.path("other/.git"), "gitdir: x\n").unwrap();
    world.remount();
    assert_eq!(fs::read(world.path("dir/.git/HEAD")).unwrap(), b"ref: refs/heads/main\n");
    fs::remove_file(world.path("other/.git")).unwrap();
    fs::rename(world.path("dir/.git"), world.path("dir/git")).unwrap();
    fs::remove_dir_all(world.path("dir/git")).unwrap();
}
