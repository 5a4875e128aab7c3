//! fsync and what it makes durable.

use crate::world::World;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

#[test]
fn fsync_of_a_file_or_a_directory_syncs_everything_acknowledged() {
    let world = World::new();
    let overlay = world.workspace.overlay().clone();
    let file = File::create(world.path("one")).unwrap();
    (&file).write_all(b"1").unwrap();
    assert!(overlay.synced_seq() < overlay.seq());
    file.sync_all().unwrap();
    assert_eq!(overlay.synced_seq(), overlay.seq());
    fs::create_dir(world.path("two")).unwrap();
    assert!(overlay.synced_seq() < overlay.seq());
    File::open(world.root()).unwrap().sync_all().unwrap();
    assert_eq!(overlay.synced_seq(), overlay.seq());
    fs::rename(world.path("two"), world.path("three")).unwrap();
    file.sync_data().unwrap();
    assert_eq!(overlay.synced_seq(), overlay.seq());
}

#[test]
fn a_synchronous_write_is_durable_when_it_returns() {
    let world = World::new();
    let overlay = world.workspace.overlay().clone();
    for flag in [libc::O_SYNC, libc::O_DSYNC] {
        let path = world.path(format!("sync{flag}"));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).custom_flags(flag).open(path).unwrap();
        assert!(overlay.synced_seq() < overlay.seq());
        file.write_all(b"durable").unwrap();
        assert_eq!(overlay.synced_seq(), overlay.seq());
    }
}
