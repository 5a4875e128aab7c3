//! What an open believes after the host went down: all up to the last sync, and nothing torn.

use crate::store::{add_file, content, remove_file, slot};
use crate::support::{FaultyDisk, directory};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toft::overlay::{Overlay, Recovered, Slot};
use toft::types::{BodyId, Ino};

/// The disk after the host was off and on again, so many times.
fn after_boot(boot: u8) -> Arc<FaultyDisk> {
    Arc::new(FaultyDisk { boot: Some(boot), ..FaultyDisk::default() })
}

fn create(dir: &Path) -> Overlay {
    Overlay::create(dir, directory(Ino::ROOT), after_boot(1)).unwrap()
}

fn open(dir: &Path, boot: u8) -> (Overlay, Recovered) {
    Overlay::open(dir, after_boot(boot)).unwrap()
}

/// As kill -9 and power loss end it: nobody closes anything.
fn pull_the_plug(overlay: Overlay) {
    std::mem::forget(overlay);
}

fn body_path(dir: &Path, id: BodyId) -> PathBuf {
    dir.join(format!("bodies/{:x}/{:x}", id.0 >> 10, id.0))
}

#[test]
fn a_batch_whose_bytes_were_not_synced_is_void_after_power_loss_only() {
    for (boot, there) in [(1, true), (2, false)] {
        let dir = tempfile::tempdir().unwrap();
        let first = create(dir.path());
        let (one, old) = add_file(&first, "one", b"1");
        first.sync().unwrap();
        let (two, new) = add_file(&first, "two", b"2");
        pull_the_plug(first);
        if boot == 2 {
            // The record reached the disk, the bytes did not.
            OpenOptions::new()
                .write(true)
                .open(body_path(dir.path(), new))
                .unwrap()
                .set_len(0)
                .unwrap();
        }
        let (again, recovered) = open(dir.path(), boot);
        assert_eq!(slot(&again, "one"), Some(Slot::Entry(one)));
        assert_eq!(content(&again, old), b"1");
        assert_eq!(slot(&again, "two"), there.then_some(Slot::Entry(two)));
        assert_eq!(recovered.void_batches, usize::from(!there));
        let cut = fs::read_dir(dir.path().join("journal")).unwrap().flatten();
        let kept = cut.filter(|entry| entry.path().extension().is_some_and(|e| e == "cut")).count();
        assert_eq!(kept, usize::from(!there), "what is not believed is kept aside");
        let (three, bytes) = add_file(&again, "three", b"3");
        pull_the_plug(again);
        let (third, recovered) = open(dir.path(), boot);
        assert_eq!(slot(&third, "one"), Some(Slot::Entry(one)));
        assert_eq!(slot(&third, "three"), Some(Slot::Entry(three)), "that was in one boot");
        assert_eq!(content(&third, bytes), b"3");
        assert_eq!(recovered.void_batches, 0);
    }
}

#[test]
fn what_was_synced_is_there_after_any_number_of_power_losses() {
    let dir = tempfile::tempdir().unwrap();
    let mut overlay = create(dir.path());
    for boot in 2..10 {
        let (_, synced) = add_file(&overlay, &format!("synced{boot}"), &[boot]);
        overlay.sync().unwrap();
        add_file(&overlay, &format!("not{boot}"), b"x");
        pull_the_plug(overlay);
        overlay = open(dir.path(), boot).0;
        assert_eq!(content(&overlay, synced), [boot]);
        for earlier in 2..=boot {
            assert!(slot(&overlay, &format!("synced{earlier}")).is_some(), "{earlier} at {boot}");
            assert!(slot(&overlay, &format!("not{earlier}")).is_none(), "{earlier} at {boot}");
        }
    }
}

#[test]
fn a_file_whose_removal_was_not_synced_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let first = create(dir.path());
    let (one, body) = add_file(&first, "one", b"1");
    first.sync().unwrap();
    let (two, _) = add_file(&first, "two", b"2");
    first.sync().unwrap();
    remove_file(&first, "one", one);
    pull_the_plug(first);
    let (again, _) = open(dir.path(), 2);
    assert_eq!(slot(&again, "one"), Some(Slot::Entry(one)));
    assert_eq!(slot(&again, "two"), Some(Slot::Entry(two)));
    assert_eq!(content(&again, body), b"1");
}

#[test]
fn a_trim_vouches_for_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let first = create(dir.path());
    let (ino, body) = add_file(&first, "kept", b"1");
    for number in 0..100_u8 {
        let mut transaction = first.begin();
        let value = vec![number; 60_000];
        transaction.push(toft::overlay::Change::SetXattr(ino, b"user.a".to_vec(), Some(value)));
        transaction.commit().unwrap();
    }
    first.trim().unwrap();
    assert!(first.journal_bytes() < 1 << 20);
    add_file(&first, "later", b"2");
    pull_the_plug(first);
    let (again, recovered) = open(dir.path(), 2);
    assert_eq!(recovered.void_batches, 1);
    assert_eq!(slot(&again, "later"), None);
    assert_eq!(content(&again, body), b"1");
    assert_eq!(again.read().node(ino).unwrap().xattrs[&b"user.a"[..]][0], 99);
}

#[test]
fn a_clean_end_leaves_nothing_to_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let first = create(dir.path());
    let (one, _) = add_file(&first, "one", b"1");
    first.sync().unwrap();
    drop(first);
    let (again, recovered) = open(dir.path(), 2);
    assert_eq!(slot(&again, "one"), Some(Slot::Entry(one)));
    assert_eq!((recovered.void_batches, recovered.lost_bodies), (0, 0));
}

#[test]
fn a_body_that_is_missing_is_an_error_and_no_empty_file() {
    let dir = tempfile::tempdir().unwrap();
    let first = create(dir.path());
    let (_, body) = add_file(&first, "one", b"1");
    first.sync().unwrap();
    drop(first);
    fs::remove_file(body_path(dir.path(), body)).unwrap();
    let (again, recovered) = open(dir.path(), 1);
    assert_eq!(recovered.lost_bodies, 1);
    assert!(again.bodies().open(body).is_err());
    let (_, next) = add_file(&again, "two", b"2");
    assert_ne!(next, body, "its number is not used again");
}
