//! The mount stands, shows the base, takes a change and keeps it over a restart.

use crate::view::GITFILE;
use crate::world::{World, big};
use std::fs;

#[test]
fn the_base_shows_as_it_is() {
    let world = World::new();
    assert_eq!(fs::read(world.path("README")).unwrap(), b"hello\n");
    assert_eq!(fs::read(world.path("dir/sub/deeper/deepest")).unwrap(), b"deepest\n");
    assert_eq!(fs::read(world.path("big.bin")).unwrap(), big());
    assert_eq!(fs::read_link(world.path("link")).unwrap().to_str(), Some("dir/a"));
    assert_eq!(fs::read(world.path("link")).unwrap(), b"aaa\n");
    assert_eq!(fs::read(world.path(".git")).unwrap(), GITFILE);
    assert_eq!(fs::read_dir(world.path("many")).unwrap().count(), 500);
    assert_eq!(fs::read_dir(world.path("module")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(world.root()).unwrap().count(), 11);
}

#[test]
fn findmnt_shows_type_and_source() {
    let world = World::new();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let dir = world.root().to_str().unwrap();
    let line = mounts.lines().find(|line| line.contains(dir)).unwrap();
    let fields: Vec<_> = line.split(' ').collect();
    assert_eq!(fields[0], "https://host.example/repo,with\\134signs\\043main", "{line}");
    assert_eq!(fields[2], "fuse.toft", "{line}");
    assert!(fields[3].contains("nosuid") && fields[3].contains("nodev"), "{line}");
    assert!(fields[3].contains("default_permissions"), "{line}");
}

#[test]
fn changes_are_there_after_a_restart() {
    let mut world = World::new();
    fs::write(world.path("new"), "new\n").unwrap();
    fs::write(world.path("README"), "changed\n").unwrap();
    fs::create_dir_all(world.path("dir/made/deep")).unwrap();
    fs::write(world.path("dir/made/deep/file"), "x").unwrap();
    fs::remove_file(world.path("dir/b")).unwrap();
    fs::rename(world.path("other"), world.path("dir/moved")).unwrap();
    world.remount();
    assert_eq!(fs::read(world.path("new")).unwrap(), b"new\n");
    assert_eq!(fs::read(world.path("README")).unwrap(), b"changed\n");
    assert_eq!(fs::read(world.path("dir/made/deep/file")).unwrap(), b"x");
    assert!(!world.path("dir/b").exists());
    assert!(!world.path("other").exists());
    assert_eq!(fs::read(world.path("dir/moved/x")).unwrap(), b"xxx\n");
}
