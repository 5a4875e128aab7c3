//! A merge comes into the live view: all of it or nothing, and the kernel sees it.

use crate::world::{World, errno, lower, stat};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use toft::types::{Oid, TreeMode};
use toft::workspace::{FsError, PathEdit};

fn blob(bytes: &[u8]) -> Oid {
    lower().blob(bytes)
}

fn edit(path: &str, expected: Option<&[u8]>, new: Option<&[u8]>) -> PathEdit {
    let side = |bytes: &[u8]| (TreeMode::Blob, blob(bytes));
    PathEdit { path: path.into(), expected: expected.map(side), new: new.map(side) }
}

fn apply(world: &World, edits: &[PathEdit]) -> Result<(), FsError> {
    let freeze = world.workspace.overlay().freeze();
    let invalid = world.workspace.replace_paths(&freeze, edits)?;
    world.session().notifier().invalidate(&invalid).unwrap();
    Ok(())
}

#[test]
fn changes_additions_and_deletions_show_at_once() {
    let mut world = World::new();
    // The kernel has all of it cached, the absence of names too.
    let ino = stat(world.path("README")).ino();
    fs::read(world.path("README")).unwrap();
    assert!(!world.path("fresh/deep/file").exists());
    assert!(!world.path("dir/new").exists());
    assert_eq!(fs::read_dir(world.path("dir")).unwrap().count(), 3);
    assert_eq!(fs::read_dir(world.path("other")).unwrap().count(), 1);
    let open = File::open(world.path("README")).unwrap();
    apply(
        &world,
        &[
            edit("README", Some(b"hello\n"), Some(b"hello, merged world\n")),
            edit("dir/new", None, Some(b"new\n")),
            edit("fresh/deep/file", None, Some(b"fresh\n")),
            edit("dir/b", Some(b"bbb\n"), None),
            edit("other/x", Some(b"xxx\n"), None),
        ],
    )
    .unwrap();
    let mut buf = [0; 20];
    open.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(&buf, b"hello, merged world\n", "who has it open sees the merge too");
    for _ in 0..2 {
        assert_eq!(fs::read(world.path("README")).unwrap(), b"hello, merged world\n");
        assert_eq!(stat(world.path("README")).ino(), ino);
        assert_eq!(stat(world.path("README")).len(), 20);
        assert_eq!(fs::read(world.path("dir/new")).unwrap(), b"new\n");
        assert_eq!(fs::read(world.path("fresh/deep/file")).unwrap(), b"fresh\n");
        assert!(!world.path("dir/b").exists());
        assert!(!world.path("other").exists(), "a directory that is empty goes, as with git");
        assert_eq!(fs::read_dir(world.path("dir")).unwrap().count(), 3);
        drop(open.try_clone());
        if world.path("again").exists() {
            break;
        }
        fs::write(world.path("again"), "").unwrap();
    }
    drop(open);
    world.remount();
    assert_eq!(fs::read(world.path("README")).unwrap(), b"hello, merged world\n");
}

#[test]
fn one_path_that_changed_meanwhile_stops_all() {
    type Case = (&'static str, fn(&World));
    let cases: [Case; 5] = [
        ("written", |world| fs::write(world.path("dir/a"), "mine").unwrap()),
        ("removed", |world| fs::remove_file(world.path("dir/a")).unwrap()),
        ("replaced", |world| {
            fs::write(world.path("tmp"), "aaa\n").unwrap();
            fs::rename(world.path("tmp"), world.path("dir/a")).unwrap();
        }),
        ("made executable", |world| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(world.path("dir/a"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("made a directory", |world| {
            fs::remove_file(world.path("dir/a")).unwrap();
            fs::create_dir(world.path("dir/a")).unwrap();
        }),
    ];
    for (case, change) in cases {
        let world = World::new();
        let freeze = world.workspace.overlay().freeze();
        change(&world);
        let edits = [
            edit("README", Some(b"hello\n"), Some(b"merged")),
            edit("dir/a", Some(b"aaa\n"), Some(b"merged")),
        ];
        let result = world.workspace.replace_paths(&freeze, &edits);
        let stopped = matches!(&result, Err(FsError::Changed { path }) if path == b"dir/a");
        assert!(stopped, "{case}: {result:?}");
        assert_eq!(fs::read(world.path("README")).unwrap(), b"hello\n", "{case}");
    }
}

#[test]
fn what_is_not_tracked_is_in_nobodys_way_and_is_not_lost() {
    let world = World::new();
    fs::write(world.path("ignored"), "precious").unwrap();
    let result = apply(&world, &[edit("ignored", None, Some(b"theirs"))]);
    assert!(matches!(result, Err(FsError::Changed { .. })));
    assert_eq!(fs::read(world.path("ignored")).unwrap(), b"precious");
    // A directory that becomes a file while something untracked is inside.
    fs::write(world.path("other/untracked"), "precious").unwrap();
    let edits = [edit("other/x", Some(b"xxx\n"), None), edit("other", None, Some(b"file now"))];
    assert!(matches!(apply(&world, &edits), Err(FsError::Changed { .. })));
    assert_eq!(fs::read(world.path("other/x")).unwrap(), b"xxx\n");
    fs::remove_file(world.path("other/untracked")).unwrap();
    apply(&world, &edits).unwrap();
    assert_eq!(fs::read(world.path("other")).unwrap(), b"file now");
    let back = [edit("other", Some(b"file now"), None), edit("other/x", None, Some(b"again"))];
    apply(&world, &back).unwrap();
    assert_eq!(fs::read(world.path("other/x")).unwrap(), b"again");
}

#[test]
fn own_changes_that_were_sealed_are_merged_over() {
    let world = World::new();
    fs::write(world.path("README"), "mine\n").unwrap();
    let writer = OpenOptions::new().append(true).open(world.path("README")).unwrap();
    apply(&world, &[edit("README", Some(b"mine\n"), Some(b"mine and theirs\n"))]).unwrap();
    assert_eq!(fs::read(world.path("README")).unwrap(), b"mine and theirs\n");
    // An appender that did not look since still writes at the end.
    std::io::Write::write_all(&mut &writer, b"more\n").unwrap();
    assert_eq!(world.workspace.attr_at(b"README").unwrap().size, 21);
    let shown = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        fs::read(world.path("README")).unwrap() == b"mine and theirs\nmore\n"
    });
    assert!(shown, "the kernel learns where the bytes went");
}

#[test]
fn modes_links_and_submodules_change() {
    let world = World::new();
    let commit = Oid::from_hex("3333333333333333333333333333333333333333".as_bytes()).unwrap();
    let old = Oid::from_hex(crate::world::SUBMODULE.as_bytes()).unwrap();
    let set = |path: &str, expected, new| PathEdit { path: path.into(), expected, new };
    assert_eq!(stat(world.path("dangling")).len(), 8);
    let edits = [
        set(
            "README",
            Some((TreeMode::Blob, blob(b"hello\n"))),
            Some((TreeMode::BlobExec, blob(b"hello\n"))),
        ),
        set(
            "dangling",
            Some((TreeMode::Link, blob(b"no/where"))),
            Some((TreeMode::Link, blob(b"dir/a"))),
        ),
        set("link", Some((TreeMode::Link, blob(b"dir/a"))), Some((TreeMode::Blob, blob(b"file")))),
        set("module", Some((TreeMode::Commit, old)), Some((TreeMode::Commit, commit))),
        set("module2", None, Some((TreeMode::Commit, commit))),
    ];
    apply(&world, &edits).unwrap();
    assert_eq!(stat(world.path("README")).mode() & 0o777, 0o755);
    assert_eq!(fs::read_link(world.path("dangling")).unwrap().to_str(), Some("dir/a"));
    assert_eq!(stat(world.path("dangling")).len(), 5);
    assert!(stat(world.path("link")).is_file());
    assert_eq!(fs::read(world.path("link")).unwrap(), b"file");
    assert!(stat(world.path("module")).is_dir() && stat(world.path("module2")).is_dir());
    assert_eq!(errno(fs::create_dir(world.path("module2"))), libc::EEXIST);
}
