//! Records that decode come back as they were; a journal of any records is replayed or refused, and
//! the second time as the first.
#![no_main]

#[path = "parts.rs"]
mod parts;

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use toft::journal::{Journal, Room};
use toft::overlay::{
    DirBase, Directory, Meta, Node, NodeData, Overlay, Record, check, decode_record, encode_batch,
    encode_mark,
};
use toft::sys::OsDisk;
use toft::types::{Ino, Timespec};

fuzz_target!(|input: &[u8]| {
    let records = parts::split(input);
    records.iter().for_each(|record| comes_back(record));
    let dir = tempfile::tempdir().expect("room for an overlay");
    let disk = || Arc::new(OsDisk::default());
    drop(Overlay::create(dir.path(), root(), disk()).expect("a new overlay"));
    let (journal, _) =
        Journal::open(&dir.path().join("journal"), disk(), |_, _| Ok(())).expect("its journal");
    for record in records.iter().filter(|record| !record.is_empty()) {
        journal.append(record, Room::Ordinary(0)).expect("a record fits");
    }
    drop(journal);
    if let Some(first) = replay(dir.path()) {
        assert_eq!(replay(dir.path()), Some(first), "a second replay says something else");
    }
});

fn comes_back(bytes: &[u8]) {
    if let Ok(record) = decode_record(bytes) {
        let encoded = match &record {
            Record::Batch { next_ino, changes } => encode_batch(*next_ino, changes),
            Record::Mark(mark) => encode_mark(mark),
        };
        assert_eq!(decode_record(&encoded), Ok(record));
    }
}

/// The index, as text.
fn replay(dir: &Path) -> Option<Vec<String>> {
    let (overlay, _) = Overlay::open(dir, Arc::new(OsDisk::default())).ok()?;
    let index = overlay.read();
    // It may find something wrong, but it finds its way.
    check(&index);
    let mut nodes: Vec<_> = index.iter().map(|(ino, node)| format!("{} {node:?}", ino.0)).collect();
    nodes.sort();
    Some(nodes)
}

fn root() -> Node {
    let time = Timespec { sec: 1, nsec: 0 };
    let directory = Directory { parent: Ino::ROOT, base: DirBase::Empty, delta: BTreeMap::new() };
    Node {
        meta: Meta {
            perm: 0o755,
            uid: 0,
            gid: 0,
            nlink: 1,
            rdev: 0,
            atime: time,
            mtime: time,
            ctime: time,
        },
        data: NodeData::Directory(Arc::new(directory)),
        xattrs: BTreeMap::new(),
    }
}
