use crate::support::{FaultyDisk, SlowDisk, directory, disk, file, meta, name};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use toft::overlay::{Change, FileData, Meta, NodeData, Overlay, OverlayError, Slot};
use toft::types::{BodyId, Ino};

fn overlay(dir: &Path) -> Overlay {
    Overlay::create(dir, directory(Ino::ROOT), disk()).unwrap()
}

fn reopen(dir: &Path) -> Overlay {
    Overlay::open(dir, disk()).unwrap().0
}

pub fn add_file(overlay: &Overlay, text: &str, bytes: &[u8]) -> (Ino, BodyId) {
    let _writing = overlay.bodies().writing();
    let body = overlay.bodies().create().unwrap();
    body.write_all_at(bytes, 0).unwrap();
    let mut transaction = overlay.begin();
    let ino = transaction.allocate_ino();
    transaction.push(Change::PutNode(ino, file(FileData::Body(body.id))));
    transaction.push(Change::SetSlot(Ino::ROOT, name(text), Some(Slot::Entry(ino))));
    transaction.commit().unwrap();
    (ino, body.id)
}

pub fn remove_file(overlay: &Overlay, text: &str, ino: Ino) {
    let mut transaction = overlay.begin();
    transaction.push(Change::SetSlot(Ino::ROOT, name(text), None));
    transaction.push(Change::DropNode(ino));
    transaction.commit().unwrap();
}

pub fn slot(overlay: &Overlay, text: &str) -> Option<Slot> {
    let index = overlay.read();
    index.node(Ino::ROOT).unwrap().directory().unwrap().delta.get(text.as_bytes()).copied()
}

pub fn content(overlay: &Overlay, id: BodyId) -> Vec<u8> {
    let body = overlay.bodies().open(id).unwrap();
    let mut bytes = vec![0; usize::try_from(body.stat().unwrap().len).unwrap()];
    body.read_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn a_batch_is_there_after_reopening_and_inode_numbers_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = overlay(dir.path());
    let (one, body) = add_file(&first, "one", b"1");
    let (two, _) = add_file(&first, "two", b"2");
    remove_file(&first, "two", two);
    drop(first);
    let again = reopen(dir.path());
    assert_eq!(slot(&again, "one"), Some(Slot::Entry(one)));
    assert_eq!(slot(&again, "two"), None);
    assert_eq!(content(&again, body), b"1");
    assert!(add_file(&again, "three", b"3").0 > two);
}

#[test]
fn a_transaction_that_is_dropped_takes_everything_back() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path());
    let (ino, body) = add_file(&overlay, "one", b"1");
    let before: Vec<_> = overlay.read().iter().map(|(ino, n)| (ino, n.clone())).collect();
    let seq = overlay.seq();
    let mut transaction = overlay.begin();
    transaction.push(Change::SetMeta(ino, Meta { perm: 0, ..meta() }));
    transaction.push(Change::SetXattr(ino, b"user.a".to_vec(), Some(b"b".to_vec())));
    transaction.push(Change::SetFile(ino, FileData::Body(BodyId(999))));
    transaction.push(Change::SetSlot(Ino::ROOT, name("one"), Some(Slot::Whiteout)));
    transaction.push(Change::SetSlot(Ino::ROOT, name("new"), Some(Slot::Entry(ino))));
    transaction.push(Change::SetParent(Ino::ROOT, Ino(77)));
    transaction.push(Change::DropNode(ino));
    transaction.push(Change::PutNode(Ino(50), directory(Ino::ROOT)));
    assert!(transaction.node(ino).is_none());
    drop(transaction);
    let mut after: Vec<_> = overlay.read().iter().map(|(ino, n)| (ino, n.clone())).collect();
    after.sort_by_key(|(ino, _)| *ino);
    let mut sorted = before;
    sorted.sort_by_key(|(ino, _)| *ino);
    assert_eq!(after, sorted);
    assert_eq!(overlay.seq(), seq);
    assert_eq!(content(&overlay, body), b"1");
}

#[test]
fn a_batch_that_the_disk_refuses_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::default());
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk.clone()).unwrap();
    disk.full.store(true, Ordering::Relaxed);
    let mut transaction = overlay.begin();
    transaction.push(Change::SetSlot(Ino::ROOT, name("x"), Some(Slot::Whiteout)));
    let error = transaction.commit().unwrap_err();
    assert_eq!(error.io().unwrap().raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(slot(&overlay, "x"), None);
}

#[test]
fn on_a_full_disk_only_what_makes_room_takes_what_was_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::default());
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk.clone()).unwrap();
    let files: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let inos: Vec<Ino> = files.iter().map(|name| add_file(&overlay, name, b"1").0).collect();
    disk.crowded.store(true, Ordering::Relaxed);
    let put = |text: &str| {
        let mut transaction = overlay.begin();
        transaction.push(Change::SetSlot(Ino::ROOT, name(text), Some(Slot::Entry(inos[0]))));
        transaction.commit()
    };
    let refused = (0..1000).find_map(|number| put(&format!("more{number}")).err()).unwrap();
    assert_eq!(refused.io().unwrap().raw_os_error(), Some(libc::ENOSPC));
    // As if not even a block were left: what was set aside is there all the same.
    for (name, ino) in files.iter().zip(&inos) {
        remove_file(&overlay, name, *ino);
    }
    overlay.sync().unwrap();
    disk.crowded.store(false, Ordering::Relaxed);
    put("again").unwrap();
}

#[test]
fn orphans_and_bodies_that_nothing_names_go_at_the_next_open() {
    let dir = tempfile::tempdir().unwrap();
    let first = overlay(dir.path());
    let (ino, body) = add_file(&first, "one", b"1");
    let unnamed = first.bodies().create().unwrap();
    unnamed.write_all_at(b"2", 0).unwrap();
    let unnamed = unnamed.id;
    let mut transaction = first.begin();
    transaction.push(Change::SetSlot(Ino::ROOT, name("one"), None));
    transaction.push(Change::SetMeta(ino, Meta { nlink: 0, ..meta() }));
    transaction.commit().unwrap();
    drop(first);
    let (again, recovered) = Overlay::open(dir.path(), disk()).unwrap();
    assert_eq!((recovered.orphans, recovered.dead_bodies), (1, 2));
    assert!(again.read().node(ino).is_none());
    assert!(again.bodies().open(body).is_err() && again.bodies().open(unnamed).is_err());
}

#[test]
fn the_number_of_a_lost_body_is_not_given_to_a_file_that_is_made_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let first = overlay(dir.path());
    let (_, body) = add_file(&first, "one", b"1");
    drop(first);
    std::fs::remove_dir_all(dir.path().join("bodies")).unwrap();
    for _ in 0..2 {
        let (again, recovered) = Overlay::open(dir.path(), disk()).unwrap();
        assert_eq!(recovered.lost_bodies, 1);
        assert!(again.bodies().open(body).is_err(), "an empty file is not what it was");
        assert!(again.bodies().create().unwrap().id > body);
    }
}

#[test]
fn a_dropped_body_stays_until_its_removal_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path());
    let (ino, body) = add_file(&overlay, "one", b"1");
    overlay.sync().unwrap();
    remove_file(&overlay, "one", ino);
    assert_eq!(content(&overlay, body), b"1", "power loss may still bring the file back");
    overlay.sync().unwrap();
    assert!(overlay.bodies().open(body).is_err());
}

#[test]
fn a_freeze_keeps_index_and_bodies_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = overlay(dir.path());
    let (ino, body) = add_file(&overlay, "one", b"old");
    let open = overlay.bodies().open(body).unwrap();
    assert!(overlay.bodies().may_write(&open));
    let freeze = overlay.freeze();
    assert!(!overlay.bodies().may_write(&open));
    let copy = overlay.bodies().create().unwrap();
    assert!(overlay.bodies().may_write(&copy));
    copy.copy_from(&open).unwrap();
    copy.write_all_at(b"new", 0).unwrap();
    let mut transaction = overlay.begin();
    transaction.push(Change::SetFile(ino, FileData::Body(copy.id)));
    transaction.commit().unwrap();
    overlay.sync().unwrap();
    let frozen = freeze.node(ino).unwrap();
    assert_eq!(frozen.data, NodeData::Regular(FileData::Body(body)));
    let mut bytes = [0; 3];
    freeze.body(body).unwrap().read_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"old");
    drop(freeze);
    assert!(overlay.bodies().may_write(&open));
    overlay.sync().unwrap();
    assert_eq!(open.read_at(&mut bytes, 0).unwrap(), 3, "who has it open keeps it");
    assert!(reopen(dir.path()).bodies().open(body).is_err());
}

#[test]
fn after_a_failed_fsync_the_overlay_is_read_only_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::default());
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk.clone()).unwrap();
    add_file(&overlay, "one", b"1");
    disk.fail_fsync.store(true, Ordering::Relaxed);
    assert!(overlay.sync().is_err());
    disk.fail_fsync.store(false, Ordering::Relaxed);
    assert!(overlay.sync().is_err(), "not tried again");
    assert!(overlay.read_only_reason().unwrap().contains("fsync"));
    let mut transaction = overlay.begin();
    transaction.push(Change::SetSlot(Ino::ROOT, name("x"), Some(Slot::Whiteout)));
    assert!(transaction.commit().is_err());
    assert_eq!(slot(&overlay, "x"), None);
}

#[test]
fn a_large_journal_is_trimmed_while_it_is_written_and_means_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let first = overlay(dir.path());
    let (ino, _) = add_file(&first, "kept", b"1");
    let value = vec![7; 60_000];
    for _ in 0..100 {
        let mut transaction = first.begin();
        transaction.push(Change::SetXattr(ino, b"user.big".to_vec(), Some(value.clone())));
        transaction.commit().unwrap();
    }
    assert!(first.journal_bytes() > 5 << 20);
    let seq = first.seq();
    first.trim().unwrap();
    assert!(first.journal_bytes() < 1 << 20);
    let (later, _) = add_file(&first, "later", b"2");
    drop(first);
    let third = reopen(dir.path());
    assert!(third.seq() > seq);
    assert_eq!(slot(&third, "later"), Some(Slot::Entry(later)));
    assert_eq!(third.read().node(ino).unwrap().xattrs[&b"user.big"[..]], value);
    assert_eq!(toft::overlay::check(&third.read()), []);
}

#[test]
fn a_folder_without_a_root_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("journal")).unwrap();
    assert!(matches!(Overlay::open(dir.path(), disk()), Err(OverlayError::NoRoot)));
}

#[test]
fn a_sync_waits_for_the_bodies_that_another_one_took_on() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SlowDisk::default());
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk.clone()).unwrap();
    let (_, id) = add_file(&overlay, "a", b"bytes");
    disk.slow.store(true, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| overlay.sync().unwrap());
        while !disk.waiting.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        let second = scope.spawn(|| overlay.sync().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!second.is_finished(), "body {} is not durable yet", id.0);
        disk.slow.store(false, Ordering::Relaxed);
        first.join().unwrap();
        second.join().unwrap();
    });
}
