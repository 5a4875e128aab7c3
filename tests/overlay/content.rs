use crate::support::{directory, disk};
use std::os::unix::fs::MetadataExt;
use toft::overlay::Overlay;
use toft::sys::{Disk, Reason};
use toft::types::{Ino, Timespec};

#[test]
fn a_copy_has_the_bytes_the_holes_and_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk()).unwrap();
    let source = overlay.bodies().create().unwrap();
    source.write_all_at(b"head", 0).unwrap();
    source.write_all_at(b"tail", 64 << 20).unwrap();
    source.set_len(80 << 20).unwrap();
    source.set_mtime(Timespec { sec: 1_000_000, nsec: 123_456_789 }).unwrap();
    let copy = overlay.bodies().create().unwrap();
    copy.copy_from(&source).unwrap();
    let (a, b) = (source.stat().unwrap(), copy.stat().unwrap());
    assert_eq!((a.len, a.mtime), (b.len, b.mtime));
    assert!(b.blocks < 1024, "holes were filled: {} blocks", b.blocks);
    let mut tail = [0; 6];
    assert_eq!(copy.read_at(&mut tail, 64 << 20).unwrap(), 6);
    assert_eq!(&tail, b"tail\0\0");
}

#[test]
fn a_sync_covers_each_altered_body_once_and_again_only_after_another_write() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk();
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk.clone()).unwrap();
    let body = overlay.bodies().create().unwrap();
    body.write_all_at(b"a", 0).unwrap();
    body.write_all_at(b"b", 1).unwrap();
    let count = || disk.counts().files(Reason::Content);
    overlay.sync().unwrap();
    assert_eq!(count(), 1);
    overlay.sync().unwrap();
    assert_eq!(count(), 1);
    let version = body.version();
    body.write_all_at(b"c", 2).unwrap();
    assert!(body.version() > version);
    overlay.sync().unwrap();
    assert_eq!(count(), 2);
}

#[test]
fn every_opener_gets_the_same_body_and_files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk()).unwrap();
    let body = overlay.bodies().create().unwrap();
    assert!(std::sync::Arc::ptr_eq(&body, &overlay.bodies().open(body.id).unwrap()));
    let path = dir.path().join(format!("bodies/0/{:x}", body.id.0));
    assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o600);
}
