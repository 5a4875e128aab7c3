use crate::support::{FaultyDisk, disk};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use toft::journal::{Journal, JournalError, Replayed, Room, decode_frame, encode_frame};
use toft::sys::{Disk, Reason};
use toft::types::Seq;

fn open(dir: &Path) -> (Journal, Replayed, Vec<(u64, Vec<u8>)>) {
    let mut seen = Vec::new();
    let (journal, replayed) = Journal::open(dir, disk(), |seq, payload| {
        seen.push((seq.0, payload.to_vec()));
        Ok(())
    })
    .unwrap();
    (journal, replayed, seen)
}

fn segment(dir: &Path) -> PathBuf {
    let mut all: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all.pop().unwrap()
}

fn with_records(dir: &Path, count: usize) {
    let journal = Journal::create(dir, disk()).unwrap();
    for number in 1..=count {
        journal.append(format!("record {number}").as_bytes(), Room::Ordinary(0)).unwrap();
    }
}

#[test]
fn records_come_back_in_order_and_numbering_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    with_records(dir.path(), 3);
    let (journal, replayed, seen) = open(dir.path());
    assert_eq!(replayed, Replayed { records: 3, torn_bytes: 0, set_aside: 0 });
    assert_eq!(seen[2], (3, b"record 3".to_vec()));
    assert_eq!(journal.append(b"x", Room::Ordinary(0)).unwrap(), Seq(4));
}

#[test]
fn a_segment_that_was_removed_and_came_back_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    with_records(dir.path(), 3);
    let head = std::fs::read(segment(dir.path())).unwrap()[..16].to_vec();
    let back = || std::fs::write(dir.path().join("0000000000000002.seg"), &head).unwrap();
    back();
    let (journal, replayed, _) = open(dir.path());
    assert_eq!(replayed, Replayed { records: 3, torn_bytes: 0, set_aside: 0 });
    journal.rotate(0).unwrap();
    journal.append(b"record 4", Room::Ordinary(0)).unwrap();
    drop(journal);
    back();
    let (_, replayed, seen) = open(dir.path());
    assert_eq!(replayed, Replayed { records: 4, torn_bytes: 0, set_aside: 0 });
    assert_eq!(seen.last(), Some(&(4, b"record 4".to_vec())));
}

#[test]
fn a_tail_cut_at_any_byte_loses_only_the_last_record() {
    let whole = tempfile::tempdir().unwrap();
    with_records(whole.path(), 3);
    let bytes = std::fs::read(segment(whole.path())).unwrap();
    let last_frame = encode_frame(Seq(3), b"record 3").len();
    for cut in bytes.len() - last_frame..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("0000000000000001.seg"), &bytes[..cut]).unwrap();
        let (journal, replayed, seen) = open(dir.path());
        assert_eq!(seen.len(), 2, "cut at {cut}");
        assert_eq!(replayed.torn_bytes as usize, cut - (bytes.len() - last_frame));
        journal.append(b"again", Room::Ordinary(0)).unwrap();
        drop(journal);
        assert_eq!(open(dir.path()).2.len(), 3);
    }
}

#[test]
fn a_flipped_bit_in_the_last_record_is_noticed() {
    let whole = tempfile::tempdir().unwrap();
    with_records(whole.path(), 2);
    let bytes = std::fs::read(segment(whole.path())).unwrap();
    let start = bytes.len() - encode_frame(Seq(2), b"record 2").len();
    for bit in start * 8..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("0000000000000001.seg"), &damaged).unwrap();
        assert_eq!(open(dir.path()).2.len(), 1, "bit {bit}");
    }
}

#[test]
fn a_tail_of_zeroes_is_no_record() {
    let dir = tempfile::tempdir().unwrap();
    with_records(dir.path(), 2);
    let path = segment(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(&[0; 4096]);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(open(dir.path()).1, Replayed { records: 2, torn_bytes: 4096, set_aside: 0 });
    assert!(decode_frame(&[0; 64]).is_none());
}

#[test]
fn a_snapshot_replaces_what_was_before_and_a_crash_in_the_trim_leaves_one_of_both() {
    let dir = tempfile::tempdir().unwrap();
    with_records(dir.path(), 3);
    let old = std::fs::read(segment(dir.path())).unwrap();
    let (journal, ..) = open(dir.path());
    let last = journal.rotate(0).unwrap();
    journal.append(b"meanwhile", Room::Ordinary(0)).unwrap();
    journal.trim(last, &[b"state".to_vec(), b"more".to_vec()]).unwrap();
    journal.append(b"next", Room::Ordinary(0)).unwrap();
    drop(journal);
    let expected = vec![
        (3, b"state".to_vec()),
        (3, b"more".to_vec()),
        (4, b"meanwhile".to_vec()),
        (5, b"next".to_vec()),
    ];
    assert_eq!(open(dir.path()).2, expected);
    // The crash before the old segment was removed, and one in the middle of writing a snapshot.
    std::fs::write(dir.path().join("0000000000000001.seg"), old).unwrap();
    std::fs::write(dir.path().join("0000000000000009.snap.tmp"), b"half").unwrap();
    assert_eq!(open(dir.path()).2, expected);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn a_crash_between_rotation_and_snapshot_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    with_records(dir.path(), 3);
    let (journal, ..) = open(dir.path());
    journal.rotate(0).unwrap();
    journal.append(b"record 4", Room::Ordinary(0)).unwrap();
    drop(journal);
    let (journal, replayed, seen) = open(dir.path());
    assert_eq!((replayed.records, seen[3].1.as_slice()), (4, &b"record 4"[..]));
    assert_eq!(journal.append(b"5", Room::Ordinary(0)).unwrap(), Seq(5));
}

#[test]
fn a_segment_behind_a_gap_is_set_aside_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    with_records(dir.path(), 3);
    let (journal, ..) = open(dir.path());
    let whole = journal.bytes();
    journal.append(b"lost", Room::Ordinary(0)).unwrap();
    journal.rotate(0).unwrap();
    journal.append(b"behind", Room::Ordinary(0)).unwrap();
    drop(journal);
    let mut segments: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    segments.sort_by_key(|entry| entry.file_name());
    // Power loss: the new segment's name got to the disk, the end of the old one did not.
    let old = std::fs::OpenOptions::new().write(true).open(segments[0].path()).unwrap();
    old.set_len(whole).unwrap();
    let (journal, replayed, seen) = open(dir.path());
    assert_eq!((replayed.records, replayed.set_aside, seen.len()), (3, 1, 3));
    assert_eq!(journal.append(b"4", Room::Ordinary(0)).unwrap(), Seq(4));
    drop(journal);
    let (_, replayed, seen) = open(dir.path());
    assert_eq!((replayed.set_aside, seen[3].1.as_slice()), (0, &b"4"[..]));
    let kept = segments[1].path().with_extension("cut");
    assert!(std::fs::read(kept).unwrap().ends_with(b"behind"));
}

#[test]
fn rotating_and_trimming_an_empty_log_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(dir.path(), disk()).unwrap();
    let last = journal.rotate(0).unwrap();
    journal.trim(last, &[b"state".to_vec()]).unwrap();
    drop(journal);
    assert_eq!(open(dir.path()).2, vec![(0, b"state".to_vec())]);
}

#[test]
fn a_sync_covers_records_on_both_sides_of_a_rotation_and_the_new_name() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk();
    let journal = Journal::create(dir.path(), disk.clone()).unwrap();
    journal.append(b"one", Room::Ordinary(0)).unwrap();
    journal.rotate(0).unwrap();
    journal.append(b"two", Room::Ordinary(0)).unwrap();
    let before = disk.counts();
    assert_eq!(journal.sync().unwrap(), Seq(2));
    let after = disk.counts();
    assert_eq!(after.files(Reason::Journal) - before.files(Reason::Journal), 2);
    assert_eq!(after.dirs(Reason::Journal) - before.dirs(Reason::Journal), 1);
}

#[test]
fn damage_ends_the_log_and_what_stood_behind_it_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    with_records(dir.path(), 3);
    let first = segment(dir.path());
    let (journal, ..) = open(dir.path());
    journal.rotate(0).unwrap();
    journal.append(b"record 4", Room::Ordinary(0)).unwrap();
    drop(journal);
    let mut bytes = std::fs::read(&first).unwrap();
    bytes.truncate(bytes.len() - 1);
    std::fs::write(&first, bytes).unwrap();
    let (journal, replayed, seen) = open(dir.path());
    assert_eq!(seen.len(), 2);
    assert!(replayed.torn_bytes > 16);
    assert_eq!(journal.append(b"again", Room::Ordinary(0)).unwrap(), Seq(3));
    drop(journal);
    assert_eq!(open(dir.path()).2.len(), 3);
    let cut = std::fs::read_dir(dir.path()).unwrap().flatten();
    assert_eq!(cut.filter(|e| e.path().extension() == Some("cut".as_ref())).count(), 2);
}

#[test]
fn a_damaged_snapshot_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    with_records(dir.path(), 3);
    let (journal, ..) = open(dir.path());
    let last = journal.rotate(0).unwrap();
    journal.trim(last, &[b"state".to_vec()]).unwrap();
    drop(journal);
    let path = dir.path().join("0000000000000003.snap");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let result = Journal::open(dir.path(), disk(), |_, _| Ok(()));
    assert!(matches!(result, Err(JournalError::Corrupt { .. })));
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("0000000000000001.seg"), b"toftlog\n\x09\0\0\0\0\0\0\0")
        .unwrap();
    let result = Journal::open(dir.path(), disk(), |_, _| Ok(()));
    assert!(matches!(result, Err(JournalError::Newer { version: 9, .. })));
}

#[test]
fn a_full_disk_refuses_the_record_and_the_log_goes_on_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::default());
    let journal = Journal::create(dir.path(), disk.clone()).unwrap();
    journal.append(b"one", Room::Ordinary(0)).unwrap();
    disk.full.store(true, Ordering::Relaxed);
    assert!(matches!(journal.append(b"two", Room::Ordinary(0)), Err(JournalError::Io { .. })));
    disk.full.store(false, Ordering::Relaxed);
    assert_eq!(journal.append(b"three", Room::Ordinary(0)).unwrap(), Seq(2));
    drop(journal);
    let (_, replayed, seen) = open(dir.path());
    assert_eq!(replayed.torn_bytes, 0);
    assert_eq!(seen, vec![(1, b"one".to_vec()), (2, b"three".to_vec())]);
}

#[test]
fn after_a_failed_fsync_nothing_is_appended_and_no_fsync_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::default());
    let journal = Journal::create(dir.path(), disk.clone()).unwrap();
    journal.append(b"one", Room::Ordinary(0)).unwrap();
    disk.fail_fsync.store(true, Ordering::Relaxed);
    assert!(journal.sync().is_err());
    disk.fail_fsync.store(false, Ordering::Relaxed);
    assert!(matches!(journal.sync(), Err(JournalError::Latched(_))));
    assert!(matches!(journal.append(b"two", Room::Ordinary(0)), Err(JournalError::Latched(_))));
    assert_eq!(journal.synced(), Seq(0));
}

#[test]
fn a_sync_with_nothing_new_costs_no_fsync() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk();
    let journal = Journal::create(dir.path(), disk.clone()).unwrap();
    journal.append(b"one", Room::Ordinary(0)).unwrap();
    let before = disk.counts().files(Reason::Journal);
    journal.sync().unwrap();
    journal.sync().unwrap();
    assert_eq!(disk.counts().files(Reason::Journal), before + 1);
}

#[test]
fn threads_append_without_gaps_and_share_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Arc::new(Journal::create(dir.path(), disk()).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let journal = &journal;
            scope.spawn(move || {
                for _ in 0..100 {
                    let seq = journal.append(&[thread; 10], Room::Ordinary(0)).unwrap();
                    if seq.0.is_multiple_of(16) {
                        assert!(journal.sync().unwrap() >= seq);
                    }
                }
            });
        }
    });
    drop(journal);
    assert_eq!(open(dir.path()).2.len(), 400);
}
