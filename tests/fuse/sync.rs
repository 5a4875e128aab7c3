//! fsync and what it makes durable.

use crate::view::State;
use crate::world::{World, lower, opens};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use toft::fuse::Opens;
use toft::sys::{Disk, Reason};

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

/// Fsyncs so far, of files and of folders.
fn fsyncs(disk: &dyn Disk) -> (u64, u64) {
    let counts = disk.counts();
    let all = [Reason::Content, Reason::Journal];
    (
        all.map(|reason| counts.files(reason)).iter().sum(),
        all.map(|reason| counts.dirs(reason)).iter().sum(),
    )
}

#[test]
fn a_write_costs_no_fsync_and_the_fsync_of_a_file_two_at_most() {
    let (state, disk) = State::with_faulty_disk(lower());
    let world = World::with(state);
    File::open(world.root()).unwrap().sync_all().unwrap();
    let large = vec![7; 1 << 20];
    let cases: [(&str, &[u8], u64); 5] = [
        ("new", b"small", 2),
        ("new large", &large, 2),
        ("new", b"again", 2),
        ("new large", b"in place", 1),
        ("README", b"base", 2),
    ];
    for (name, bytes, budget) in cases {
        let before = fsyncs(&*disk);
        let path = world.path(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap();
        (&file).write_all(bytes).unwrap();
        assert_eq!(fsyncs(&*disk), before, "{name}: write(2)");
        file.sync_all().unwrap();
        let more = |before: (u64, u64)| {
            let now = fsyncs(&*disk);
            assert_eq!(now.1, before.1, "{name}: no folder");
            now.0 - before.0
        };
        // What the kernel writes to by itself may always have changed, until a sync after its close;
        // and no record tells of it.
        let within = |budget| match opens() {
            Opens::Passed => 0..=budget + 1,
            _ => budget..=budget,
        };
        assert!(within(budget).contains(&more(before)), "{name}: fsync(2)");
        let before = fsyncs(&*disk);
        file.sync_all().unwrap();
        assert!(within(0).contains(&more(before)), "{name}: nothing new");
    }
    let before = fsyncs(&*disk);
    fs::rename(world.path("new"), world.path("renamed")).unwrap();
    File::open(world.root()).unwrap().sync_all().unwrap();
    assert_eq!(fsyncs(&*disk), (before.0 + 1, before.1), "names are in the journal");
}

#[test]
fn a_synchronous_write_is_durable_when_it_returns() {
    let world = World::new();
    let overlay = world.workspace.overlay().clone();
    for flag in [libc::O_SYNC, libc::O_DSYNC] {
        let path = world.path(format!("sync{flag}"));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).custom_flags(flag).open(path).unwrap();
        // Where the kernel writes by itself, the file is named durably before.
        assert_eq!(overlay.synced_seq() < overlay.seq(), opens() != Opens::Passed);
        file.write_all(b"durable").unwrap();
        assert_eq!(overlay.synced_seq(), overlay.seq());
    }
}
