//! Bodies that others write to as files of their own.

use crate::store::{add_file, content};
use crate::support::{FaultyDisk, directory, disk};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use toft::overlay::{FileData, Overlay, Passage};
use toft::sys::{OsDisk, mark_unsettled};
use toft::types::{BodyId, Ino};

/// What the kernel has of a passage.
fn file(passage: &Passage) -> File {
    passage.as_fd().try_clone_to_owned().unwrap().into()
}

fn pass(overlay: &Overlay, id: BodyId, writes: bool) -> Option<Passage> {
    let _writing = overlay.bodies().writing();
    overlay.bodies().pass(&overlay.bodies().open(id).unwrap(), writes)
}

fn overlay(dir: &Path) -> Overlay {
    Overlay::create(dir, directory(Ino::ROOT), disk()).unwrap()
}

#[test]
fn a_frozen_body_is_not_passed_and_one_that_is_passed_is_not_held_by_a_freeze() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path());
    let (_, held) = add_file(&overlay, "held", b"held");
    let (_, passed) = add_file(&overlay, "passed", b"before");
    let passage = pass(&overlay, passed, true).expect("nobody holds it");
    let freeze = overlay.freeze();
    assert!(pass(&overlay, held, true).is_none() && pass(&overlay, held, false).is_none());
    assert!(!freeze.is_passed(FileData::Body(held)));
    assert!(freeze.is_passed(FileData::Body(passed)));
    // All that want it get it: the kernel knows one body a file.
    assert!(pass(&overlay, passed, false).is_some());
    file(&passage).write_all_at(b"beyond", 0).unwrap();
    {
        let _writing = overlay.bodies().writing();
        assert!(overlay.bodies().may_write(&overlay.bodies().open(passed).unwrap()));
    }
    drop(passage);
    let _writing = overlay.bodies().writing();
    assert!(!overlay.bodies().may_write(&overlay.bodies().open(passed).unwrap()));
    assert!(freeze.is_passed(FileData::Body(passed)), "it was, and that stays");
}

#[test]
fn changes_that_nobody_told_are_seen_and_each_sync_takes_them_along() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path());
    let (_, id) = add_file(&overlay, "log", b"");
    let passage = pass(&overlay, id, true).unwrap();
    overlay.sync().unwrap();
    let before = overlay.changes();
    assert_eq!(overlay.changes(), before, "nothing happened");
    file(&passage).write_all_at(b"one", 0).unwrap();
    assert!(overlay.changes() > before);
    assert_eq!(overlay.unsynced_bytes(), 3, "it may not be durable");
    drop(passage);
    assert!(overlay.unsynced_bytes() >= 3, "not even when it is closed");
    overlay.sync().unwrap();
    assert_eq!(overlay.unsynced_bytes(), 0);
}

#[test]
fn each_sync_makes_durable_what_is_written_past_us() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::default());
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk.clone()).unwrap();
    let (_, id) = add_file(&overlay, "log", b"");
    let passage = pass(&overlay, id, true).unwrap();
    overlay.sync().unwrap();
    file(&passage).write_all_at(b"one", 0).unwrap();
    disk.fail_fsync.store(true, std::sync::atomic::Ordering::Relaxed);
    overlay.sync().expect_err("its fsync is tried, and fails");
    assert!(overlay.read_only_reason().is_some());
}

#[test]
fn a_fork_gets_a_copy_of_what_is_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::create_dir_all(&from).unwrap();
    std::fs::create_dir_all(&to).unwrap();
    let first = overlay(&from);
    let (_, passed) = add_file(&first, "passed", b"before");
    let (_, shared) = add_file(&first, "shared", b"same");
    let passage = pass(&first, passed, true).unwrap();
    mark_unsettled(&OsDisk::default(), &to).unwrap();
    first.fork(&to).unwrap();
    file(&passage).write_all_at(b"beyond", 0).unwrap();
    let second = Overlay::open(&to, disk()).unwrap().0;
    assert_eq!(content(&second, passed), b"before");
    assert_eq!(content(&first, passed), b"beyond");
    assert_eq!(content(&second, shared), b"same");
    assert!(pass(&first, shared, true).is_none(), "it is the other's, too");
}
