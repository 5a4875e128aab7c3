//! unlink and rmdir.

use crate::world::{World, check_errnos, errno, sh, stat};
use std::fs;
use std::os::unix::fs::MetadataExt;

#[test]
fn what_is_removed_stays_away() {
    let mut world = World::new();
    fs::remove_file(world.path("README")).unwrap();
    fs::remove_file(world.path("link")).unwrap();
    fs::remove_dir(world.path("module")).unwrap();
    fs::remove_dir_all(world.path("dir")).unwrap();
    fs::remove_dir_all(world.path("many")).unwrap();
    for _ in 0..2 {
        for name in ["README", "link", "module", "dir", "many", "dir/a"] {
            assert_eq!(errno(world.path(name).symlink_metadata()), libc::ENOENT, "{name}");
        }
        let mut left: Vec<_> = fs::read_dir(world.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".git", "big.bin", "dangling", "empty", "other", "run.sh"]);
        assert_eq!(stat(world.root()).nlink(), 3);
        world.remount();
    }
}

#[test]
fn what_is_made_again_is_another_file() {
    let mut world = World::new();
    let old = (stat(world.path("README")).ino(), stat(world.path("dir/sub")).ino());
    fs::remove_file(world.path("README")).unwrap();
    fs::write(world.path("README"), "again").unwrap();
    fs::remove_dir_all(world.path("dir/sub")).unwrap();
    fs::create_dir(world.path("dir/sub")).unwrap();
    for _ in 0..2 {
        assert_ne!(stat(world.path("README")).ino(), old.0);
        assert_ne!(stat(world.path("dir/sub")).ino(), old.1);
        assert_eq!(fs::read_dir(world.path("dir/sub")).unwrap().count(), 0);
        world.remount();
    }
}

#[test]
fn errnos_of_removing() {
    let world = World::new();
    let long = "n".repeat(256);
    let unlink = |name: &str| errno(fs::remove_file(world.path(name)));
    let rmdir = |name: &str| errno(fs::remove_dir(world.path(name)));
    check_errnos(&[
        ("unlink of nothing", unlink("nothing"), libc::ENOENT),
        ("unlink of a directory", unlink("dir"), libc::EISDIR),
        ("unlink of an empty directory", unlink("module"), libc::EISDIR),
        ("unlink below a file", unlink("README/x"), libc::ENOTDIR),
        ("unlink of a long name", unlink(&long), libc::ENAMETOOLONG),
        ("unlink of .git", unlink(".git"), libc::EPERM),
        ("rmdir of nothing", rmdir("nothing"), libc::ENOENT),
        ("rmdir of a file", rmdir("README"), libc::ENOTDIR),
        ("rmdir of a full directory of the base", rmdir("dir"), libc::ENOTEMPTY),
        ("rmdir of a link to a directory", rmdir("link"), libc::ENOTDIR),
        ("rmdir of .git", rmdir(".git"), libc::ENOTDIR),
        ("rmdir of a long name", rmdir(&long), libc::ENAMETOOLONG),
        ("rmdir of the root", rmdir(""), libc::EBUSY),
    ]);
    fs::remove_file(world.path("other/x")).unwrap();
    assert_eq!(rmdir("other"), 0, "a directory of the base whose entries are all gone");
}

#[test]
fn a_removed_directory_that_is_somebodys_place() {
    let world = World::new();
    fs::create_dir(world.path("gone")).unwrap();
    let script = r#"python3 - <<'PY'
import errno, os
os.chdir("gone"); os.rmdir("../gone")
def code(call, *arguments):
    try:
        call(*arguments)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
print(os.stat(".").st_nlink, code(os.mkdir, "d"), code(open, "f", "w"), os.listdir("."),
      code(os.symlink, "x", "l"), code(os.rename, "../README", "r"), code(os.link, "../README", "r"))
PY"#;
    assert_eq!(sh(world.root(), script), "0 ENOENT ENOENT [] ENOENT ENOENT ENOENT\n");
}
