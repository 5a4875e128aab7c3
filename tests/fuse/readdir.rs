//! Directory listings: complete, stable under change, the same as stat.

use crate::world::{World, stat};
use rustix::fs::{Mode, OFlags, RawDir};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Reads a directory with so small a buffer that many calls are needed; `between` runs in between.
fn read_slowly(dir: &Path, mut between: impl FnMut(usize)) -> Vec<(String, u64)> {
    let fd = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut space = [MaybeUninit::uninit(); 256];
    let mut raw = RawDir::new(fd, &mut space);
    let mut all = Vec::new();
    while let Some(entry) = raw.next() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_str().unwrap().to_owned();
        all.push((name, entry.ino()));
        if raw.is_buffer_empty() {
            between(all.len());
        }
    }
    all
}

#[test]
fn numbers_and_kinds_are_those_of_stat() {
    let mut world = World::new();
    fs::create_dir(world.path("made")).unwrap();
    fs::write(world.path("made/file"), "x").unwrap();
    fs::write(world.path("README"), "touched").unwrap();
    std::os::unix::fs::symlink("x", world.path("made/link")).unwrap();
    let mut numbers = BTreeMap::new();
    for round in 0..2 {
        for dir in ["", "dir", "dir/sub", "made", "many", "module"] {
            for entry in fs::read_dir(world.path(dir)).unwrap() {
                let entry = entry.unwrap();
                let stat = stat(entry.path());
                assert_eq!(entry.ino(), stat.ino(), "{:?}", entry.path());
                assert_eq!(entry.file_type().unwrap(), stat.file_type(), "{:?}", entry.path());
                let first = *numbers.entry(entry.path()).or_insert(stat.ino());
                assert_eq!(first, stat.ino(), "round {round}: {:?}", entry.path());
            }
            let all = read_slowly(&world.path(dir), |_| {});
            let find = |wanted: &str| all.iter().find(|(name, _)| name == wanted).unwrap().1;
            assert_eq!(find("."), stat(world.path(dir)).ino());
            if !dir.is_empty() {
                let above = world.path(dir).parent().unwrap().to_owned();
                assert_eq!(find(".."), stat(above).ino(), "{dir}");
            }
        }
        world.remount();
    }
    let distinct: BTreeSet<_> = numbers.values().collect();
    assert_eq!(distinct.len(), numbers.len(), "no two files have one number");
}

#[test]
fn nothing_is_lost_or_doubled_while_others_create_and_delete() {
    let world = World::new();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (world, stop) = (&world, &stop);
        for worker in 0..2 {
            scope.spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    let name = world.path(format!("many/churn-{worker}-{}", number % 40));
                    let moved = world.path(format!("many/moved-{worker}-{}", number % 7));
                    fs::write(&name, "x").unwrap();
                    if number % 3 == 0 {
                        fs::rename(&name, &moved).unwrap();
                        let _ = fs::remove_file(&moved);
                    } else if number % 2 == 0 {
                        fs::remove_file(&name).unwrap();
                    }
                    number += 1;
                }
            });
        }
        for round in 0..30 {
            let all = read_slowly(&world.path("many"), |_| {});
            let mut seen = BTreeSet::new();
            for (name, _) in &all {
                assert!(seen.insert(name), "round {round}: '{name}' came twice");
            }
            let stable = seen.iter().filter(|name| name.starts_with("file-")).count();
            assert_eq!(stable, 500, "round {round}: a name that was never touched is missing");
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn removing_while_reading_reaches_every_entry() {
    let world = World::new();
    let dir = world.path("many");
    let mut done = 0;
    let listing = fs::read_dir(&dir).unwrap();
    for entry in listing {
        fs::remove_file(entry.unwrap().path()).unwrap();
        done += 1;
    }
    assert_eq!(done, 500);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    fs::remove_dir(&dir).unwrap();
}

#[test]
fn a_change_is_listed_at_once() {
    let world = World::new();
    let names = || -> BTreeSet<_> {
        fs::read_dir(world.path("dir")).unwrap().map(|e| e.unwrap().file_name()).collect()
    };
    for number in 0..60 {
        let name = format!("new{number}");
        fs::write(world.path("dir").join(&name), "").unwrap();
        assert!(names().contains(std::ffi::OsStr::new(&name)));
        if number % 2 == 0 {
            fs::remove_file(world.path("dir").join(&name)).unwrap();
            assert!(!names().contains(std::ffi::OsStr::new(&name)));
        }
    }
    assert_eq!(names().len(), 3 + 30);
}

#[test]
fn rewinding_shows_what_is_new() {
    let world = World::new();
    let fd = rustix::fs::open(world.path("dir"), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
        .unwrap();
    let mut dir = rustix::fs::Dir::new(fd).unwrap();
    let count = |dir: &mut rustix::fs::Dir| {
        let mut count = 0;
        while let Some(entry) = dir.read() {
            entry.unwrap();
            count += 1;
        }
        count
    };
    assert_eq!(count(&mut dir), 5);
    fs::write(world.path("dir/new"), "").unwrap();
    dir.rewind();
    assert_eq!(count(&mut dir), 6);
    fs::remove_file(world.path("dir/new")).unwrap();
    fs::remove_file(world.path("dir/a")).unwrap();
    dir.rewind();
    assert_eq!(count(&mut dir), 4);
}

#[test]
fn a_large_directory_is_listed_whole() {
    let world = World::new();
    fs::create_dir(world.path("large")).unwrap();
    for number in 0..3000 {
        fs::File::create(world.path(format!("large/{number:x}-entry"))).unwrap();
    }
    let all: BTreeSet<_> =
        read_slowly(&world.path("large"), |_| {}).into_iter().map(|(name, _)| name).collect();
    assert_eq!(all.len(), 3002);
    assert_eq!(stat(world.path("large")).nlink(), 2);
}

#[test]
fn a_place_in_a_listing_is_found_again_whatever_was_made_and_removed_meanwhile() {
    let world = World::new();
    let path = world.path("many");
    let open = || rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
    // The names from `place` on (seekdir), each with the place behind it (telldir).
    let list = |place: u64| {
        let fd = open().unwrap();
        rustix::fs::seek(&fd, rustix::fs::SeekFrom::Start(place)).unwrap();
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut raw = RawDir::new(fd, &mut space);
        let mut found = Vec::new();
        while let Some(entry) = raw.next() {
            let entry = entry.unwrap();
            found.push((entry.file_name().to_owned(), entry.next_entry_cookie()));
        }
        found
    };
    let all = list(0);
    assert_eq!(all.len(), 502);
    for at in (0..all.len()).step_by(17) {
        assert_eq!(list(all[at].1), all[at + 1..], "behind {:?}", all[at].0);
    }
    // What stood there throughout comes once from any place, also one whose entry is gone.
    for number in (0..500).step_by(3) {
        fs::remove_file(path.join(format!("file-{number:04}"))).unwrap();
        fs::write(path.join(format!("made-{number:04}")), "").unwrap();
    }
    let stands = |name: &std::ffi::CStr| {
        let name = name.to_str().unwrap();
        let number = name.strip_prefix("file-").and_then(|number| number.parse::<u32>().ok());
        number.is_some_and(|number| number % 3 != 0)
    };
    for at in (0..all.len()).step_by(17) {
        let names = |listing: &[(std::ffi::CString, u64)]| -> Vec<_> {
            listing.iter().map(|(name, _)| name.clone()).filter(|name| stands(name)).collect()
        };
        assert_eq!(names(&list(all[at].1)), names(&all[at + 1..]), "behind {:?}", all[at].0);
    }
}
