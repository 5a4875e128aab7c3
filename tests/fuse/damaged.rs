//! A base with missing objects: EIO there, and nowhere else.

use crate::view::{Lower, State, file};
use crate::world::{World, errno, sh};
use std::fs;

#[test]
fn a_missing_blob_costs_its_file_only() {
    let given = [("good", "good"), ("bad", "bad content"), ("dir/fine", "fine"), ("gone/x", "x")];
    let given = given.map(|(path, bytes)| (path.as_bytes().to_vec(), file(bytes)));
    let lower: &'static Lower = Box::leak(Box::new(Lower::new(given)));
    lower.lose(b"bad content");
    lower.lose_tree("gone");
    let world = World::with(State::new(lower));
    let mut names: Vec<_> = fs::read_dir(world.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".git", "bad", "dir", "gone", "good"], "it is listed: it is not deleted");
    for _ in 0..2 {
        assert_eq!(errno(fs::read(world.path("bad"))), libc::EIO);
        assert_eq!(errno(fs::metadata(world.path("bad"))), libc::EIO);
        assert_eq!(errno(fs::read_dir(world.path("gone"))), libc::EIO);
        assert_eq!(errno(fs::write(world.path("gone/new"), "")), libc::EIO);
        assert_eq!(fs::read(world.path("good")).unwrap(), b"good");
        assert_eq!(fs::read(world.path("dir/fine")).unwrap(), b"fine");
    }
    fs::write(world.path("dir/new"), "works").unwrap();
    fs::rename(world.path("good"), world.path("dir/good")).unwrap();
    assert_eq!(fs::read(world.path("dir/good")).unwrap(), b"good");
    let listed = sh(world.root(), "ls -U | sort | tr '\\n' ' '");
    assert_eq!(listed, "bad dir gone ");
}
