//! Names are bytes.

use crate::view::{Lower, State, file};
use crate::world::{World, errno};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

fn every_byte() -> impl Iterator<Item = u8> {
    (1..=255).filter(|byte| *byte != b'/')
}

#[test]
fn every_byte_can_be_in_a_name() {
    let mut world = World::new();
    for byte in every_byte() {
        let name = [b'x', byte];
        fs::write(world.path("dir").join(OsStr::from_bytes(&name)), [byte]).unwrap();
    }
    for _ in 0..2 {
        for byte in every_byte() {
            let name = [b'x', byte];
            let path = world.path("dir").join(OsStr::from_bytes(&name));
            assert_eq!(fs::read(&path).unwrap(), [byte]);
        }
        let listed: BTreeSet<_> = fs::read_dir(world.path("dir"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_vec())
            .collect();
        assert!(every_byte().all(|byte| listed.contains(&vec![b'x', byte])));
        world.remount();
    }
}

#[test]
fn every_byte_of_the_base_shows() {
    let names: Vec<_> = every_byte().map(|byte| vec![b'n', byte]).collect();
    let given = names.iter().map(|name| (name.clone(), file(name)));
    let lower: &'static Lower = Box::leak(Box::new(Lower::new(given)));
    let world = World::with(State::new(lower));
    for name in &names {
        // A backslash separates names on some systems; git for Windows would write outside.
        let path = world.path(OsStr::from_bytes(name));
        assert_eq!(&fs::read(&path).unwrap(), name);
        fs::rename(&path, world.path("moved")).unwrap();
        fs::rename(world.path("moved"), &path).unwrap();
        fs::write(&path, "changed").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"changed");
    }
    assert_eq!(fs::read_dir(world.root()).unwrap().count(), names.len() + 1);
}

#[test]
fn names_differ_by_case_and_by_form() {
    let world = World::new();
    let names = ["case", "Case", "CASE", "e\u{301}", "\u{e9}", "readme", "ReadMe"];
    for name in names {
        fs::write(world.path(name), name).unwrap();
    }
    for name in names {
        assert_eq!(fs::read(world.path(name)).unwrap(), name.as_bytes());
    }
    assert_eq!(fs::read(world.path("README")).unwrap(), b"hello\n");
}

#[test]
fn a_path_is_as_deep_as_the_kernel_allows() {
    let mut world = World::new();
    let deep = vec!["d"; 1500].join("/");
    fs::create_dir_all(world.path(&deep)).unwrap();
    fs::write(world.path(&deep).join("bottom"), "found").unwrap();
    world.remount();
    assert_eq!(fs::read(world.path(&deep).join("bottom")).unwrap(), b"found");
    assert_eq!(errno(fs::read(world.path("d/".repeat(2100)))), libc::ENAMETOOLONG);
    fs::remove_dir_all(world.path("d")).unwrap();
}

#[test]
fn hostile_names_of_the_base_stay_hidden_and_taken() {
    let given = [("ok", "ok"), (".GIT", "a"), ("GIT~1", "b"), ("d/.git", "c"), ("d/ok", "ok")];
    let given = given.map(|(path, bytes)| (path.as_bytes().to_vec(), file(bytes)));
    let lower: &'static Lower = Box::leak(Box::new(Lower::new(given)));
    let world = World::with(State::new(lower));
    let listed: BTreeSet<_> = fs::read_dir(world.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(listed, BTreeSet::from([".git".into(), "d".into(), "ok".into()]));
    for name in [".GIT", "GIT~1", "d/.git"] {
        assert_eq!(errno(fs::read(world.path(name))), libc::ENOENT, "{name}");
        assert_eq!(errno(fs::write(world.path(name), "x")), libc::EEXIST, "{name}");
        assert_eq!(errno(fs::create_dir(world.path(name))), libc::EEXIST, "{name}");
        assert_eq!(errno(fs::rename(world.path("ok"), world.path(name))), libc::EEXIST, "{name}");
    }
}
