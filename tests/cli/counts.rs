//! What the daemon counts, and what a commit of many files costs: as much as that of one.

use crate::world::World;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

type Counts = BTreeMap<String, u64>;

fn counts(world: &World, of: &str) -> Counts {
    let status: Value = world.json("status");
    serde_json::from_value(status[of].clone()).unwrap()
}

/// What was synced in the course of a commit.
fn fsyncs_of_commit(world: &World) -> Counts {
    // Whatever was written before is not the commit's.
    fs::File::open(&world.dir).unwrap().sync_all().unwrap();
    let before = counts(world, "fsyncs");
    world.at("commit").expect_code(0);
    let mut spent = counts(world, "fsyncs");
    spent.iter_mut().for_each(|(reason, count)| *count -= before.get(reason).unwrap_or(&0));
    spent.retain(|_, count| *count > 0);
    // The sync of every five seconds may come in between.
    let files = ["journal", "content"].into_iter().filter_map(|reason| spent.remove(reason));
    assert!(files.sum::<u64>() <= 4, "of files");
    spent
}

#[test]
fn status_counts_what_the_kernel_asked_for_and_what_was_synced() {
    let world = World::new();
    world.mount_with("--flush-on manual").expect_code(0);
    let (requests, fsyncs) = (counts(&world, "requests"), counts(&world, "fsyncs"));
    world.write("new", "x\n");
    assert_eq!(counts(&world, "requests")["create"], requests.get("create").unwrap_or(&0) + 1);
    fs::File::open(world.dir.join("new")).unwrap().sync_all().unwrap();
    let journal = |counts: &Counts| counts.get("journal").copied().unwrap_or(0);
    assert!(journal(&counts(&world, "fsyncs")) > journal(&fsyncs));
    world.at("umount --no-push").expect_code(0);
    let nobody = counts(&world, "fsyncs");
    assert!(nobody.is_empty(), "nobody serves it: {nobody:?}");
}

#[test]
fn a_commit_of_many_files_syncs_as_often_as_that_of_one() {
    let world = World::new();
    world.mount_with("--flush-on manual").expect_code(0);
    world.write("one", "1\n");
    let one = fsyncs_of_commit(&world);
    for folder in 0..10 {
        fs::create_dir(world.dir.join(folder.to_string())).unwrap();
        (0..50).for_each(|file| world.write(&format!("{folder}/{file}"), &file.to_string()));
    }
    let many = fsyncs_of_commit(&world);
    let expected = [("manifest", 2), ("objects", 3), ("refs", 2)];
    let expected: Counts = expected.map(|(reason, count)| (reason.to_owned(), count)).into();
    assert_eq!(one, expected);
    assert_eq!(many, expected);
}
