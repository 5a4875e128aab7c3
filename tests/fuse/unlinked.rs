//! Files that are open and have no name.

use crate::view::State;
use crate::world::{World, big, lower, stat};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn open(world: &World, name: &str) -> File {
    OpenOptions::new().read(true).write(true).open(world.path(name)).unwrap()
}

#[test]
fn an_untouched_file_of_the_base_lives_on() {
    let world = World::new();
    let file = open(&world, "big.bin");
    let ino = file.metadata().unwrap().ino();
    fs::remove_file(world.path("big.bin")).unwrap();
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    assert_eq!(file.metadata().unwrap().ino(), ino);
    let mut buf = vec![0; 5000];
    file.read_exact_at(&mut buf, 2_000_000).unwrap();
    assert!(buf == big()[2_000_000..2_005_000]);
    file.write_all_at(b"still writable", 100).unwrap();
    file.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(&buf[100..114], b"still writable");
    assert_eq!(&buf[..100], &big()[..100]);
    file.set_len(10).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o640)).unwrap();
    let stat = file.metadata().unwrap();
    assert_eq!((stat.len(), stat.mode() & 0o777, stat.nlink()), (10, 0o640, 0));
    assert!(!world.path("big.bin").exists());
}

#[test]
fn nothing_is_left_when_the_last_handle_closes() {
    let world = World::new();
    let nodes = |world: &World| world.workspace.counters().nodes;
    fs::write(world.path("warm"), "").unwrap();
    fs::remove_file(world.path("warm")).unwrap();
    let settled = |wanted: usize| {
        (0..200).any(|_| {
            let done = nodes(&world) <= wanted;
            if !done {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            done
        })
    };
    assert!(settled(1));
    let mut files = Vec::new();
    for number in 0..20 {
        let name = format!("file{number}");
        fs::write(world.path(&name), "x").unwrap();
        files.push(open(&world, &name));
        fs::remove_file(world.path(&name)).unwrap();
    }
    let base = open(&world, "README");
    fs::remove_file(world.path("README")).unwrap();
    assert!(nodes(&world) >= 21);
    assert_eq!(files[3].read_at(&mut [0; 4], 0).unwrap(), 1);
    drop(files);
    drop(base);
    assert!(settled(1), "{} nodes are left", nodes(&world));
    assert_eq!(world.workspace.counters().handles, 0);
}

#[test]
fn a_file_that_could_not_be_dropped_on_a_full_disk_goes_once_there_is_space() {
    let (state, disk) = State::with_faulty_disk(lower());
    let world = World::with(state);
    let counters = || world.workspace.counters();
    let settled = |wanted: &dyn Fn() -> bool| {
        (0..200).any(|_| {
            let done = wanted();
            if !done {
                std::thread::sleep(Duration::from_millis(10));
            }
            done
        })
    };
    fs::write(world.path("warm"), "").unwrap();
    fs::remove_file(world.path("warm")).unwrap();
    assert!(settled(&|| counters().nodes <= 1));
    let before = counters();
    fs::write(world.path("large"), "bytes that take space").unwrap();
    let file = open(&world, "large");
    fs::remove_file(world.path("large")).unwrap();
    disk.full.store(true, Ordering::Relaxed);
    drop(file);
    assert!(settled(&|| counters().inodes <= before.inodes), "the kernel forgets the file");
    disk.full.store(false, Ordering::Relaxed);
    fs::write(world.path("next"), "").unwrap();
    fs::remove_file(world.path("next")).unwrap();
    assert!(settled(&|| counters().nodes <= before.nodes), "{} nodes are left", counters().nodes);
}

#[test]
fn an_unlinked_file_is_gone_after_a_restart() {
    let mut world = World::new();
    fs::write(world.path("temporary"), "x").unwrap();
    let ino = stat(world.path("temporary")).ino();
    {
        let file = open(&world, "temporary");
        fs::remove_file(world.path("temporary")).unwrap();
        file.write_all_at(b"more", 1).unwrap();
    }
    world.remount();
    assert!(!world.path("temporary").exists());
    fs::write(world.path("another"), "").unwrap();
    assert_ne!(stat(world.path("another")).ino(), ino, "numbers are not used again");
}

#[test]
fn the_name_is_free_while_the_old_file_is_open() {
    let world = World::new();
    let old = open(&world, "README");
    fs::remove_file(world.path("README")).unwrap();
    fs::write(world.path("README"), "second").unwrap();
    old.write_all_at(b"first", 0).unwrap();
    assert_eq!(fs::read(world.path("README")).unwrap(), b"second");
    let mut buf = [0; 6];
    old.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(&buf, b"first\n");
}
