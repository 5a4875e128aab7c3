use crate::support::{directory, file, meta, name};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use toft::overlay::{
    Change, DirBase, Directory, FileData, Meta, Node, NodeData, Record, Slot, decode_record,
    encode_batch,
};
use toft::types::{BodyId, FileKind, Ino, Name, Oid, Timespec};

fn oids() -> impl Strategy<Value = Oid> {
    prop_oneof![
        any::<[u8; 20]>().prop_map(|bytes| Oid::try_from(&bytes[..]).unwrap()),
        any::<[u8; 32]>().prop_map(|bytes| Oid::try_from(&bytes[..]).unwrap()),
    ]
}

fn names() -> impl Strategy<Value = Name> {
    prop::collection::vec(any::<u8>(), 1..256).prop_filter_map("a name", |b| Name::new(&b).ok())
}

fn times() -> impl Strategy<Value = Timespec> {
    (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(sec, nsec)| Timespec { sec, nsec })
}

fn metas() -> impl Strategy<Value = Meta> {
    (any::<[u32; 5]>(), times(), times(), times()).prop_map(|(n, atime, mtime, ctime)| Meta {
        perm: n[0],
        uid: n[1],
        gid: n[2],
        nlink: n[3],
        rdev: n[4],
        atime,
        mtime,
        ctime,
    })
}

fn slots() -> impl Strategy<Value = Slot> {
    prop_oneof![Just(Slot::Whiteout), any::<u64>().prop_map(|ino| Slot::Entry(Ino(ino)))]
}

fn files() -> impl Strategy<Value = FileData> {
    prop_oneof![
        oids().prop_map(FileData::Blob),
        any::<u64>().prop_map(|id| FileData::Body(BodyId(id)))
    ]
}

fn directories() -> impl Strategy<Value = Directory> {
    let base = prop_oneof![
        Just(DirBase::Empty),
        oids().prop_map(DirBase::Tree),
        oids().prop_map(DirBase::Gitlink)
    ];
    let delta = prop::collection::btree_map(names(), slots(), 0..5);
    (any::<u64>(), base, delta).prop_map(|(parent, base, delta)| Directory {
        parent: Ino(parent),
        base,
        delta,
    })
}

fn node_data() -> impl Strategy<Value = NodeData> {
    use FileKind::{BlockDevice, CharDevice, Fifo, Socket};
    prop_oneof![
        directories().prop_map(|directory| NodeData::Directory(Arc::new(directory))),
        files().prop_map(NodeData::Regular),
        oids().prop_map(NodeData::BaseSymlink),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(NodeData::Symlink),
        prop::sample::select(vec![Fifo, Socket, CharDevice, BlockDevice])
            .prop_map(NodeData::Special),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn nodes() -> impl Strategy<Value = Node> {
    let xattrs = prop::collection::btree_map(bytes(), bytes(), 0..3);
    (metas(), node_data(), xattrs).prop_map(|(meta, data, xattrs)| Node { meta, data, xattrs })
}

fn changes() -> impl Strategy<Value = Change> {
    let ino = || any::<u64>().prop_map(Ino);
    prop_oneof![
        (ino(), nodes()).prop_map(|(ino, node)| Change::PutNode(ino, node)),
        ino().prop_map(Change::DropNode),
        (ino(), metas()).prop_map(|(ino, meta)| Change::SetMeta(ino, meta)),
        (ino(), files()).prop_map(|(ino, file)| Change::SetFile(ino, file)),
        (ino(), names(), prop::option::of(slots())).prop_map(|(d, n, s)| Change::SetSlot(d, n, s)),
        (ino(), ino()).prop_map(|(dir, parent)| Change::SetParent(dir, parent)),
        (ino(), bytes(), prop::option::of(bytes())).prop_map(|(i, n, v)| Change::SetXattr(i, n, v)),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        next in any::<u64>(),
        changes in prop::collection::vec(changes(), 0..20),
    ) {
        let record = encode_batch(next, &changes);
        prop_assert_eq!(decode_record(&record), Ok(Record::Batch { next_ino: next, changes }));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = decode_record(&bytes);
        let _ = decode_record(&[&[2, 0, 1], &bytes[..]].concat());
    }
}

#[test]
fn a_record_cut_short_is_refused() {
    let changes = [
        Change::PutNode(Ino(20), file(FileData::Body(BodyId(3)))),
        Change::PutNode(Ino(21), directory(Ino::ROOT)),
        Change::SetSlot(Ino::ROOT, name("file"), Some(Slot::Entry(Ino(20)))),
        Change::SetMeta(Ino(20), meta()),
    ];
    let whole = encode_batch(22, &changes);
    let cuts = (1..whole.len()).filter(|cut| decode_record(&whole[..*cut]).is_ok()).count();
    // A cut between two changes is a shorter record; the frame's checksum is what refuses that.
    assert_eq!(cuts, changes.len());
}

#[test]
fn an_empty_xattr_map_stays_empty() {
    let node = Node { xattrs: BTreeMap::new(), ..directory(Ino(1)) };
    let record = encode_batch(1, &[Change::PutNode(Ino(5), node.clone())]);
    let changes = vec![Change::PutNode(Ino(5), node)];
    assert_eq!(decode_record(&record), Ok(Record::Batch { next_ino: 1, changes }));
}
