//! What the kernel asks us for, counted: a request more is a round trip more for every user.

use crate::view::{FaultyDisk, State};
use crate::world::{BIG, World, is_root, lower, opens};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::Relaxed;
use toft::fuse::Opens;

/// What `work` costs, without the forgets, which nobody waits for and which come when they like.
fn cost(world: &World, work: impl FnOnce()) -> Vec<(&'static str, u64)> {
    let count = || world.session().requests().so_far();
    let before: BTreeMap<_, _> = count();
    work();
    let after = count().into_iter().filter(|(kind, _)| *kind != "forget");
    let more = after.map(|(kind, count)| (kind, count - before.get(kind).unwrap_or(&0)));
    more.filter(|(_, count)| *count > 0).collect()
}

/// The same, without what an open costs where we are told of it, nor what any close costs: that has
/// no answer that a test could wait for (RELEASE, which comes for a file that was made, too).
fn check(world: &World, what: &str, expected: &[(&str, u64)], work: impl FnOnce()) {
    let mut got = cost(world, work);
    got.retain(|(kind, _)| *kind != "release" && (opens() == Opens::Untold || *kind != "open"));
    let mut expected = expected.to_vec();
    if opens() == Opens::Passed {
        // Attributes that a close made stale are asked for again, whenever the kernel was told.
        let counts = |(kind, _): &(&str, u64)| !["getattr", "getxattr"].contains(kind);
        got.retain(counts);
        expected.retain(counts);
    }
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected, "{what}");
}

/// A mount of which the kernel has learnt what it may do by itself, and where `dir` is known.
fn world() -> World<'static> {
    let world = World::with(State::new(lower()));
    fs::read_dir(world.root()).unwrap().for_each(drop);
    fs::write(world.path("first"), "made").unwrap();
    fs::read(world.path("first")).unwrap();
    fs::metadata(world.path("dir/b")).unwrap();
    world
}

/// Two that we cannot spare: who may, after a directory has changed (the kernel believes none of its
/// attributes then), and whether a file that is cut, or written for the first time, has capabilities.
const MAY: (&str, u64) = ("getattr", 1);
const CAPABILITIES: (&str, u64) = ("getxattr", 1);

#[test]
fn what_the_kernel_has_seen_costs_nothing_again() {
    let world = world();
    let walk = || {
        for entry in fs::read_dir(world.path("many")).unwrap() {
            fs::symlink_metadata(entry.unwrap().path()).unwrap();
        }
        fs::read(world.path("dir/a")).unwrap();
        fs::read_link(world.path("link")).unwrap();
        assert!(!world.path("nothing").exists());
    };
    walk();
    // Bytes that came moved the time of access: of a listing, a file, a link.
    cost(&world, walk);
    check(&world, "another walk", &[], walk);
}

#[test]
fn a_directory_of_five_hundred_files_is_walked_in_a_few_requests() {
    let world = world();
    let requests: u64 = cost(&world, || {
        for entry in fs::read_dir(world.path("many")).unwrap() {
            fs::symlink_metadata(entry.unwrap().path()).unwrap();
        }
    })
    .iter()
    .map(|(_, count)| count)
    .sum();
    assert!(requests <= 8, "one lookup, and as many replies as 500 entries fill: {requests}");
}

#[test]
fn a_file_costs_its_lookup_and_its_bytes() {
    let world = world();
    check(&world, "stat", &[("lookup", 1)], || assert!(world.path("dir/a").is_file()));
    check(&world, "read", &[("read", 1)], || drop(fs::read(world.path("dir/a")).unwrap()));
    let overwrite = || {
        let file = OpenOptions::new().write(true).open(world.path("dir/a")).unwrap();
        file.write_all_at(b"x", 0).unwrap();
    };
    check(&world, "write", &[CAPABILITIES, ("write", 1)], overwrite);
    let replace = || fs::write(world.path("dir/a"), "other").unwrap();
    check(&world, "truncate and write", &[CAPABILITIES, ("setattr", 1), ("write", 1)], replace);
}

#[test]
fn a_new_file_costs_four_requests_and_its_end_two() {
    let world = world();
    // What is written to a file that was made here is the kernel's business, where it can do that.
    let writes = |count| (opens() != Opens::Passed).then_some(("write", count));
    let with = |others: &[(&'static str, u64)], count| {
        others.iter().copied().chain(writes(count)).collect::<Vec<_>>()
    };
    let make = || fs::write(world.path("dir/new"), "new").unwrap();
    check(&world, "make", &with(&[("lookup", 1), ("create", 1), CAPABILITIES], 1), make);
    let append = || {
        let mut file = OpenOptions::new().append(true).open(world.path("dir/new")).unwrap();
        (0..10).for_each(|_| file.write_all(b"more").unwrap());
    };
    check(&world, "append", &with(&[MAY], 10), append);
    let rename = || fs::rename(world.path("dir/new"), world.path("dir/a")).unwrap();
    check(&world, "rename", &[("lookup", 1), ("rename", 1)], rename);
    check(&world, "remove", &[MAY, ("unlink", 1)], || {
        fs::remove_file(world.path("dir/a")).unwrap()
    });
    let folder = || {
        fs::create_dir(world.path("dir/folder")).unwrap();
        fs::remove_dir(world.path("dir/folder")).unwrap();
    };
    check(
        &world,
        "a directory, with who may twice",
        &[("getattr", 2), ("lookup", 1), ("mkdir", 1), ("rmdir", 1)],
        folder,
    );
}

#[test]
fn a_big_file_is_read_in_large_pieces() {
    let world = world();
    let mut file = File::open(world.path("big.bin")).unwrap();
    let read = cost(&world, || {
        let mut piece = [0; 64 << 10];
        while file.read(&mut piece).unwrap() > 0 {}
    });
    let reads: u64 = read.iter().map(|(_, count)| count).sum();
    // Only root may tell the kernel to read ahead more than 128 KB.
    let most = if is_root() { 8 } else { 32 };
    assert!(reads <= most, "3 MB: {read:?}");
}

/// Bytes that go to the disk for an edit of `len` bytes in place, with its fsync.
fn written(world: &World, disk: &FaultyDisk, name: &str, len: usize) -> u64 {
    let file = OpenOptions::new().write(true).open(world.path(name)).unwrap();
    let before = disk.written.load(Relaxed);
    file.write_all_at(&vec![b'x'; len], 0).unwrap();
    file.sync_all().unwrap();
    disk.written.load(Relaxed) - before
}

/// Records of the journal and heads of bodies.
const AROUND: u64 = 256;

#[test]
fn an_edit_writes_a_small_file_once_and_of_a_big_one_what_was_edited() {
    if opens() == Opens::Passed {
        return; // what the kernel writes by itself passes no disk of ours
    }
    let (state, disk) = State::with_faulty_disk(lower());
    let world = World::with(state);
    fs::write(world.path("made"), vec![0; 4096]).unwrap();
    let cases = [
        ("README, of the base", "README", 3, 6),
        ("README, again", "README", 3, 6),
        ("4 KB, new", "made", 1000, 4096),
        ("4 KB, again", "made", 1000, 4096),
        ("3 MB, of the base", "big.bin", 10, BIG as u64 + 10),
        ("3 MB, again", "big.bin", 10, 10),
    ];
    for (what, name, len, least) in cases {
        let written = written(&world, &disk, name, len);
        assert!((least..least + AROUND).contains(&written), "{what}: {written} for {least}");
    }
}
