//! A workspace as the toft before the value log (D13) left it: records of version 2, and bodies only.

use std::path::Path;
use std::sync::Arc;
use toft::journal::{Journal, Room};
use toft::overlay::{
    Change, FileData, Mark, Node, NodeData, Overlay, Record, decode_record, encode_batch,
    encode_mark,
};
use toft::sys::{Disk, OsDisk};
use toft::types::Seq;

/// The version byte of such a record.
const OLDER: u8 = 2;

/// Rewrites the overlay in `dir`, which nobody serves: the same files, in the older format.
pub fn make_older(dir: &Path) {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::default());
    let (overlay, _) = Overlay::open(dir, disk.clone()).unwrap();
    let nodes: Vec<_> = overlay.read().iter().map(|(ino, node)| (ino, Node::clone(node))).collect();
    let next_ino = 1 + nodes.iter().map(|(ino, _)| ino.0).max().unwrap();
    let mut puts = Vec::new();
    for (ino, mut node) in nodes {
        if let NodeData::Regular(FileData::Value(value)) = node.data {
            let bytes = overlay.values().open(value).unwrap().read().unwrap();
            let body = overlay.bodies().create().unwrap();
            body.write_all_at(&bytes, 0).unwrap();
            body.set_mtime(node.meta.mtime).unwrap();
            node.data = NodeData::Regular(FileData::Body(body.id));
        }
        puts.push(Change::PutNode(ino, node));
    }
    drop(overlay);
    for name in ["journal", "values"] {
        std::fs::remove_dir_all(dir.join(name)).unwrap();
    }
    let journal = Journal::create(&dir.join("journal"), disk.clone()).unwrap();
    let as_older = |mut record: Vec<u8>| {
        record[0] = OLDER;
        record
    };
    for put in &puts {
        let record = as_older(encode_batch(next_ino, std::slice::from_ref(put)));
        journal.append(&record, Room::Reserve).unwrap();
    }
    let mark = Mark { upto: Seq(puts.len() as u64), boot: disk.boot().unwrap(), closed: false };
    journal.append(&as_older(encode_mark(&mark)), Room::Reserve).unwrap();
    journal.sync().unwrap();
}

/// The versions of the records in the journal of the overlay in `dir`, without repetition.
pub fn versions(dir: &Path) -> Vec<u8> {
    let mut versions = Vec::new();
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir.join("journal")).unwrap().flatten() {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    Journal::open(copy.path(), Arc::new(OsDisk::default()), |_, payload| {
        let _: Record = decode_record(payload)?;
        versions.push(payload[0]);
        Ok(())
    })
    .unwrap();
    versions.dedup();
    versions
}
