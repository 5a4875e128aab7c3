//! Small files: the value log, what is durable when, and how its room comes back.

use crate::support::{directory, disk, file, meta, name};
use std::path::Path;
use toft::overlay::{Change, FileData, Overlay, Recovered, Slot, VALUE_MAX, Value};
use toft::sys::{Disk, Reason};
use toft::types::Ino;

fn overlay(dir: &Path) -> Overlay {
    Overlay::create(dir, directory(Ino::ROOT), disk()).unwrap()
}

fn reopen(dir: &Path) -> (Overlay, Recovered) {
    Overlay::open(dir, disk()).unwrap()
}

fn put(overlay: &Overlay, text: &str, bytes: &[u8]) -> Ino {
    let _writing = overlay.bodies().writing();
    let value = overlay.values().append(bytes).unwrap();
    let mut transaction = overlay.begin();
    let ino = transaction.allocate_ino();
    transaction.push(Change::PutNode(ino, file(FileData::Value(value))));
    transaction.push(Change::SetSlot(Ino::ROOT, name(text), Some(Slot::Entry(ino))));
    transaction.commit().unwrap();
    ino
}

fn remove(overlay: &Overlay, text: &str, ino: Ino) {
    let mut transaction = overlay.begin();
    transaction.push(Change::SetSlot(Ino::ROOT, name(text), None));
    transaction.push(Change::DropNode(ino));
    transaction.commit().unwrap();
}

fn value(overlay: &Overlay, ino: Ino) -> Value {
    match &overlay.read().node(ino).unwrap().data {
        toft::overlay::NodeData::Regular(FileData::Value(value)) => *value,
        other => panic!("{other:?}"),
    }
}

fn read(overlay: &Overlay, ino: Ino) -> Vec<u8> {
    overlay.values().open(value(overlay, ino)).unwrap().read().unwrap()
}

/// The segments of the log, by name.
fn segments(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("values")).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_value_grows_in_place_only_at_the_end_of_the_log_and_old_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path());
    let values = overlay.values();
    let first = values.append(b"one").unwrap();
    let longer = values.extend(first, b" more").unwrap().unwrap();
    let other = values.append(b"two").unwrap();
    assert_eq!(values.extend(longer, b"!").unwrap(), None);
    assert_eq!(values.extend(Value::EMPTY, b"!").unwrap(), None);
    let read = |value| values.open(value).unwrap().read().unwrap();
    assert_eq!(read(first), b"one");
    assert_eq!(read(longer), b"one more");
    assert_eq!(read(longer.cut(5)), b"one m");
    assert_eq!(read(other), b"two");
    assert_eq!(longer.cut(0), Value::EMPTY);
    assert_eq!(read(Value::EMPTY), b"");
    let mut middle = [0; 9];
    assert_eq!(values.open(longer).unwrap().read_at(&mut middle, 4).unwrap(), 4);
    assert_eq!(&middle[..4], b"more");
    assert_eq!(values.open(longer).unwrap().read_at(&mut middle, 99).unwrap(), 0);
}

#[test]
fn a_new_small_file_costs_two_fsyncs_and_ten_thousand_cost_as_many() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk();
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk.clone()).unwrap();
    let all = || {
        let counts = disk.counts();
        let of = |reason| (counts.files(reason), counts.dirs(reason));
        (of(Reason::Content), of(Reason::Journal))
    };
    for count in [1, 10_000] {
        let ((files, dirs), (journal, journal_dirs)) = all();
        for number in 0..count {
            put(&overlay, &format!("{count}-{number}"), b"bytes");
        }
        assert_eq!(all(), ((files, dirs), (journal, journal_dirs)), "writing costs none");
        overlay.sync().unwrap();
        assert_eq!(all(), ((files + 1, dirs), (journal + 1, journal_dirs)), "{count} files");
        overlay.sync().unwrap();
        assert_eq!(all(), ((files + 1, dirs), (journal + 1, journal_dirs)), "nothing new");
    }
}

#[test]
fn values_are_there_after_reopening_and_a_freeze_keeps_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let first = overlay(dir.path());
    let ino = put(&first, "one", b"old");
    let freeze = first.freeze();
    let new = first.values().append(b"new bytes").unwrap();
    let mut transaction = first.begin();
    transaction.push(Change::SetFile(ino, FileData::Value(new)));
    transaction.commit().unwrap();
    let toft::overlay::NodeData::Regular(FileData::Value(frozen)) = freeze.node(ino).unwrap().data
    else {
        panic!("not a value");
    };
    assert_eq!(freeze.value(frozen).unwrap().read().unwrap(), b"old");
    drop(freeze);
    drop(first);
    let (again, recovered) = reopen(dir.path());
    assert_eq!(recovered.lost_bodies, 0);
    assert_eq!(read(&again, ino), b"new bytes");
}

#[test]
fn dead_segments_go_with_the_next_sync_and_sparse_ones_are_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path());
    let large = vec![7; usize::try_from(VALUE_MAX).unwrap()];
    let kept = put(&overlay, "kept", b"kept");
    // Two segments of 16 MB and a bit of a third.
    let inos: Vec<Ino> =
        (0..260).map(|number| put(&overlay, &number.to_string(), &large)).collect();
    overlay.sync().unwrap();
    assert_eq!(segments(dir.path()), ["1", "2", "3"]);
    let open = overlay.values().open(value(&overlay, inos[200])).unwrap();
    overlay.compact().unwrap();
    overlay.sync().unwrap();
    assert_eq!(segments(dir.path()), ["1", "2", "3"], "they are full of live values");

    let freeze = overlay.freeze();
    for (number, ino) in inos.iter().enumerate() {
        remove(&overlay, &number.to_string(), *ino);
    }
    overlay.sync().unwrap();
    assert_eq!(segments(dir.path()), ["1", "2", "3"], "a freeze still names them");
    drop(freeze);
    overlay.sync().unwrap();
    assert_eq!(segments(dir.path()), ["1", "3"]);
    assert_eq!(open.read().unwrap(), large, "who has a value open keeps it");

    overlay.compact().unwrap();
    assert_eq!(segments(dir.path()), ["1", "3"], "power loss may still need it");
    overlay.sync().unwrap();
    assert_eq!(segments(dir.path()), ["3"]);
    assert_eq!(read(&overlay, kept), b"kept");
    drop(overlay);
    let (again, recovered) = reopen(dir.path());
    assert_eq!((recovered.lost_bodies, read(&again, kept)), (0, b"kept".to_vec()));
}

#[test]
fn what_a_freeze_holds_does_not_move() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path());
    let (kept, gone) = (put(&overlay, "kept", b"kept"), put(&overlay, "gone", &[7; 1000]));
    remove(&overlay, "gone", gone);
    let (freeze, before) = (overlay.freeze(), value(&overlay, kept));
    overlay.compact_above(0).unwrap();
    assert_eq!(value(&overlay, kept), before, "it would look altered since the freeze");
    drop(freeze);
    overlay.compact_above(0).unwrap();
    assert_ne!(value(&overlay, kept), before);
    assert_eq!(read(&overlay, kept), b"kept");
}

#[test]
fn a_lost_segment_is_told_and_its_place_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let first = overlay(dir.path());
    let ino = put(&first, "one", b"some bytes");
    drop(first);
    let path = dir.path().join("values/1");
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3).unwrap();
    let (again, recovered) = reopen(dir.path());
    assert_eq!(recovered.lost_bodies, 1);
    let two = put(&again, "two", b"others, and more of them");
    let lost = again.values().open(value(&again, ino)).unwrap();
    assert!(lost.read().is_err(), "no other file's bytes");
    assert_eq!(read(&again, two), b"others, and more of them");
    drop(again);
    std::fs::remove_file(&path).unwrap();
    let (third, recovered) = reopen(dir.path());
    assert_eq!(recovered.lost_bodies, 1);
    assert!(third.values().open(value(&third, ino)).is_err());
}

#[test]
fn a_value_that_is_not_named_yet_outlives_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path());
    let large = vec![7; usize::try_from(VALUE_MAX).unwrap()];
    std::thread::scope(|scope| {
        let writing = overlay.bodies().writing();
        let early = overlay.values().append(b"early").unwrap();
        // Others fill the segment and go.
        while segments(dir.path()).len() == 1 {
            overlay.values().append(&large).unwrap();
        }
        let sync = scope.spawn(|| overlay.sync().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!sync.is_finished(), "the sync waits for whoever may name values");
        let mut transaction = overlay.begin();
        let ino = transaction.allocate_ino();
        transaction.push(Change::PutNode(ino, file(FileData::Value(early))));
        transaction.push(Change::SetSlot(Ino::ROOT, name("early"), Some(Slot::Entry(ino))));
        transaction.commit().unwrap();
        drop(writing);
        sync.join().unwrap();
        overlay.sync().unwrap();
        assert_eq!(read(&overlay, ino), b"early");
        assert_eq!(overlay.read().node(ino).unwrap().meta, meta());
    });
}
