//! A submodule of the base: an empty directory that may be populated.

use crate::world::World;
use std::fs;

#[test]
fn it_is_an_empty_directory_that_can_be_filled_moved_and_removed() {
    let mut world = World::new();
    assert_eq!(fs::read_dir(world.path("module")).unwrap().count(), 0);
    fs::create_dir(world.path("module/.git")).unwrap();
    fs::write(world.path("module/.git/HEAD"), "x").unwrap();
    fs::write(world.path("module/file"), "inside").unwrap();
    world.remount();
    assert_eq!(fs::read(world.path("module/file")).unwrap(), b"inside");
    fs::rename(world.path("module"), world.path("dir/module")).unwrap();
    assert_eq!(fs::read(world.path("dir/module/file")).unwrap(), b"inside");
    fs::remove_dir_all(world.path("dir/module")).unwrap();
    assert!(!world.path("dir/module").exists());
}
