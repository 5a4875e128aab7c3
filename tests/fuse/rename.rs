//! rename(2) and renameat2(2): the whole matrix, open files, directories, whiteouts.

use crate::world::{World, check_errnos, errno, stat};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

const REPLACE: RenameFlags = RenameFlags::empty();
const NOREPLACE: RenameFlags = RenameFlags::NOREPLACE;
const EXCHANGE: RenameFlags = RenameFlags::EXCHANGE;
const WHITEOUT: RenameFlags = RenameFlags::WHITEOUT;

fn rename(world: &World, from: &str, to: &str, flags: RenameFlags) -> i32 {
    errno(renameat_with(CWD, world.path(from), CWD, world.path(to), flags))
}

/// Of each kind one from the base and one made here.
fn make_kinds(world: &World) {
    fs::write(world.path("file"), "made").unwrap();
    fs::create_dir(world.path("void")).unwrap();
    fs::create_dir(world.path("full")).unwrap();
    fs::write(world.path("full/x"), "x").unwrap();
    symlink("file", world.path("slink")).unwrap();
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sort {
    File,
    Link,
    Void,
    Full,
    None,
}

const KINDS: [(&str, Sort); 10] = [
    ("README", Sort::File),
    ("file", Sort::File),
    ("link", Sort::Link),
    ("slink", Sort::Link),
    ("module", Sort::Void),
    ("void", Sort::Void),
    ("dir", Sort::Full),
    ("full", Sort::Full),
    ("nothing", Sort::None),
    ("nothing2", Sort::None),
];

fn expected(source: Sort, target: Sort, flags: RenameFlags) -> i32 {
    use Sort::{File, Full, Link, None, Void};
    if source == None {
        return libc::ENOENT;
    }
    if flags == NOREPLACE {
        return if target == None { 0 } else { libc::EEXIST };
    }
    if flags == EXCHANGE {
        return if target == None { libc::ENOENT } else { 0 };
    }
    match (source, target) {
        (_, None) => 0,
        (File | Link, File | Link) => 0,
        (File | Link, Void | Full) => libc::EISDIR,
        (Void | Full, File | Link) => libc::ENOTDIR,
        (Void | Full, Void) => 0,
        (Void | Full, Full) => libc::ENOTEMPTY,
        (None, _) => libc::ENOENT,
    }
}

fn identity(path: &Path) -> Option<(u64, u32)> {
    path.symlink_metadata().ok().map(|stat| (stat.ino(), stat.mode()))
}

#[test]
fn every_kind_onto_every_kind_in_every_mode() {
    let mut wrong = Vec::new();
    for flags in [REPLACE, NOREPLACE, EXCHANGE] {
        for (from, source) in KINDS {
            let world = World::new();
            make_kinds(&world);
            for (to, target) in KINDS {
                if from == to {
                    continue;
                }
                let (from, to) = (world.path(from), world.path(to));
                let before = (identity(&from), identity(&to));
                let got = errno(renameat_with(CWD, &from, CWD, &to, flags));
                let wanted = expected(source, target, flags);
                let after = (identity(&from), identity(&to));
                let moved = match (wanted, flags) {
                    (0, EXCHANGE) => (before.1, before.0),
                    (0, _) => (None, before.0),
                    _ => before,
                };
                if got != wanted || after != moved {
                    wrong.push(format!("{from:?} {to:?} {flags:?}: {got} not {wanted}, {after:?}"));
                }
                if wanted == 0 && flags == EXCHANGE {
                    renameat_with(CWD, &from, CWD, &to, EXCHANGE).unwrap();
                } else if wanted == 0 {
                    // What was replaced is made again where the next case needs it.
                    renameat_with(CWD, &to, CWD, &from, NOREPLACE).unwrap();
                    match target {
                        Sort::File => fs::write(&to, "again").unwrap(),
                        Sort::Link => symlink("x", &to).unwrap(),
                        Sort::Void => fs::create_dir(&to).unwrap(),
                        Sort::Full | Sort::None => {}
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn errnos_of_renaming() {
    let world = World::new();
    let long = "n".repeat(256);
    fs::create_dir_all(world.path("deep/er/est")).unwrap();
    let try_it = |from: &str, to: &str, flags| rename(&world, from, to, flags);
    check_errnos(&[
        ("into itself", try_it("dir", "dir/sub/new", REPLACE), libc::EINVAL),
        ("into itself, one below", try_it("deep", "deep/new", REPLACE), libc::EINVAL),
        ("onto its own parent", try_it("deep/er/est", "deep", REPLACE), libc::ENOTEMPTY),
        ("exchange with its parent", try_it("deep/er/est", "deep", EXCHANGE), libc::EINVAL),
        ("exchange with its child", try_it("deep", "deep/er", EXCHANGE), libc::EINVAL),
        ("a missing source", try_it("nothing", "README", REPLACE), libc::ENOENT),
        ("to a missing directory", try_it("README", "no/x", REPLACE), libc::ENOENT),
        ("below a file", try_it("README", "run.sh/x", REPLACE), libc::ENOTDIR),
        ("to a long name", try_it("README", &long, REPLACE), libc::ENAMETOOLONG),
        ("from a long name", try_it(&long, "x", REPLACE), libc::ENAMETOOLONG),
        ("both modes", try_it("README", "run.sh", NOREPLACE | EXCHANGE), libc::EINVAL),
        ("a whiteout and both", try_it("README", "x", WHITEOUT | EXCHANGE), libc::EINVAL),
        ("the gitfile", try_it(".git", "x", REPLACE), libc::EPERM),
        ("onto the gitfile", try_it("README", ".git", REPLACE), libc::EPERM),
        ("onto the gitfile, not replacing", try_it("README", ".git", NOREPLACE), libc::EEXIST),
        ("exchange with the gitfile", try_it("README", ".git", EXCHANGE), libc::EPERM),
        ("to itself", try_it("README", "README", REPLACE), 0),
        ("to itself, not replacing", try_it("README", "README", NOREPLACE), libc::EEXIST),
        ("to itself, exchanging", try_it("README", "README", EXCHANGE), 0),
        ("a directory to itself", try_it("dir", "dir", REPLACE), 0),
    ]);
    fs::hard_link(world.path("README"), world.path("twin")).unwrap();
    assert_eq!(rename(&world, "README", "twin", REPLACE), 0);
    assert!(world.path("README").exists(), "two names of one file stay as they are");
}

#[test]
fn a_directory_moves_with_all_that_is_in_it() {
    let mut world = World::new();
    fs::write(world.path("dir/new"), "new").unwrap();
    fs::remove_file(world.path("dir/b")).unwrap();
    let inos: Vec<_> =
        ["dir", "dir/a", "dir/sub/deep"].iter().map(|p| stat(world.path(p)).ino()).collect();
    fs::rename(world.path("dir"), world.path("other/moved")).unwrap();
    for _ in 0..2 {
        assert!(!world.path("dir").exists());
        let moved = |name: &str| world.path("other/moved").join(name);
        assert_eq!(stat(moved("")).ino(), inos[0]);
        assert_eq!(stat(moved("a")).ino(), inos[1]);
        assert_eq!(stat(moved("sub/deep")).ino(), inos[2]);
        assert_eq!(fs::read(moved("new")).unwrap(), b"new");
        assert_eq!(fs::read(moved("sub/deeper/deepest")).unwrap(), b"deepest\n");
        assert!(!moved("b").exists());
        assert_eq!(stat(world.path("other")).nlink(), 3);
        assert_eq!(fs::canonicalize(moved("sub/..")).unwrap(), moved(""));
        world.remount();
    }
    // The old name is free, and what stands there is new.
    fs::create_dir(world.path("dir")).unwrap();
    fs::write(world.path("dir/a"), "other").unwrap();
    assert_ne!(stat(world.path("dir")).ino(), inos[0]);
    assert_ne!(stat(world.path("dir/a")).ino(), inos[1]);
    assert_eq!(fs::read(world.path("other/moved/a")).unwrap(), b"aaa\n");
}

#[test]
fn moving_a_directory_touches_nothing_inside() {
    let world = World::new();
    let before = world.workspace.counters().nodes;
    fs::rename(world.path("many"), world.path("dir/all")).unwrap();
    // The moved directory, the root that was touched already, and the new parent.
    assert!(world.workspace.counters().nodes <= before + 2);
    assert_eq!(fs::read_dir(world.path("dir/all")).unwrap().count(), 500);
    assert_eq!(fs::read(world.path("dir/all/file-0042")).unwrap(), b"42");
}

#[test]
fn renaming_over_an_open_file_leaves_the_open_one_alone() {
    let world = World::new();
    let old = File::options().read(true).write(true).open(world.path("README")).unwrap();
    fs::write(world.path("new"), "new\n").unwrap();
    let moved = File::open(world.path("new")).unwrap();
    fs::rename(world.path("new"), world.path("README")).unwrap();
    let mut buf = [0; 16];
    assert_eq!(old.read_at(&mut buf, 0).unwrap(), 6);
    assert_eq!(&buf[..6], b"hello\n");
    assert_eq!(old.metadata().unwrap().nlink(), 0);
    old.write_all_at(b"HELLO", 0).unwrap();
    assert_eq!(old.read_at(&mut buf, 0).unwrap(), 6);
    assert_eq!(&buf[..6], b"HELLO\n");
    assert_eq!(moved.read_at(&mut buf, 0).unwrap(), 4);
    assert_eq!(fs::read(world.path("README")).unwrap(), b"new\n");
    assert_eq!(moved.metadata().unwrap().ino(), stat(world.path("README")).ino());
}

#[test]
fn renaming_is_seen_by_whoever_asks_afterwards() {
    let world = World::new();
    assert!(!world.path("negative").exists(), "the kernel keeps that in mind");
    fs::rename(world.path("README"), world.path("negative")).unwrap();
    assert_eq!(fs::read(world.path("negative")).unwrap(), b"hello\n");
    assert!(!world.path("README").exists());
    let names = |dir: &str| -> Vec<_> {
        fs::read_dir(world.path(dir)).unwrap().map(|e| e.unwrap().file_name()).collect()
    };
    assert!(names("").contains(&"negative".into()) && !names("").contains(&"README".into()));
    for _ in 0..50 {
        fs::rename(world.path("negative"), world.path("dir/there")).unwrap();
        assert!(names("dir").contains(&"there".into()) && !names("").contains(&"negative".into()));
        fs::rename(world.path("dir/there"), world.path("negative")).unwrap();
        assert!(!names("dir").contains(&"there".into()) && names("").contains(&"negative".into()));
    }
}

#[test]
fn times_after_a_rename() {
    let world = World::new();
    let (file, dir, other) =
        (stat(world.path("dir/a")), stat(world.path("dir")), stat(world.path("other")));
    fs::rename(world.path("dir/a"), world.path("other/a")).unwrap();
    let moved = stat(world.path("other/a"));
    assert_eq!(moved.mtime(), file.mtime());
    assert!(moved.ctime() > file.ctime());
    assert!(stat(world.path("dir")).mtime() > dir.mtime());
    assert!(stat(world.path("other")).mtime() > other.mtime());
}
