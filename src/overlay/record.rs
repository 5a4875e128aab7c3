//! Journal records, typed and versioned: a batch of changes, which is atomic, or a sync mark.
//!
//! `version u8 | 0 | next free inode number | change…`, each change a tag byte and its fields;
//! `version u8 | 1 | upto | closed u8 | boot`.

use super::change::Change;
use super::codec::{Decoder, Encoder, Malformed};
use super::node::{DirBase, Directory, FileData, Meta, Node, NodeData, Slot};
use super::values::Value;
use crate::types::{BodyId, BootId, FileKind, Ino, Name, Seq};
use std::collections::BTreeMap;
use std::sync::Arc;

const VERSION: u8 = 3;
/// Records of this version are a subset: they know no values.
const OLDEST: u8 = 2;

/// What one record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Changes that belong together, and the first inode number not handed out yet.
    Batch {
        /// The first number not handed out yet.
        next_ino: u64,
        /// To be applied in this order.
        changes: Vec<Change>,
    },
    /// A sync mark.
    Mark(Mark),
}

/// Says how far the records before it can be believed when the power fails after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The bytes that the records up to this one name were durable when the mark was made.
    pub upto: Seq,
    /// In which run of the host what follows was written.
    pub boot: BootId,
    /// Nothing at all was unsynced, and whoever wrote has ended.
    pub closed: bool,
}

/// The record of a batch; `next_ino` is the first number not handed out yet.
pub fn encode_batch(next_ino: u64, changes: &[Change]) -> Vec<u8> {
    let mut out = Encoder::default();
    out.byte(VERSION);
    out.byte(0);
    out.number(next_ino);
    for change in changes {
        encode_change(&mut out, change);
    }
    out.finish()
}

/// The record of a sync mark.
pub fn encode_mark(mark: &Mark) -> Vec<u8> {
    let mut out = Encoder::default();
    out.byte(VERSION);
    out.byte(1);
    out.number(mark.upto.0);
    out.byte(u8::from(mark.closed));
    out.bytes(&mark.boot.0);
    out.finish()
}

/// Reads what [`encode_batch`] and [`encode_mark`] wrote.
pub fn decode_record(bytes: &[u8]) -> Result<Record, &'static str> {
    let mut input = Decoder::new(bytes);
    if !(OLDEST..=VERSION).contains(&input.byte()?) {
        return Err("record of an unknown version");
    }
    match input.byte()? {
        0 => decode_batch(&mut input),
        1 => decode_mark(&mut input).map(Record::Mark),
        _ => Err("unknown kind of record"),
    }
}

fn decode_mark(input: &mut Decoder<'_>) -> Result<Mark, Malformed> {
    let (upto, closed) = (Seq(input.number()?), input.byte()? != 0);
    let boot = input.bytes()?.try_into().map_err(|_| "not a boot id")?;
    if !input.is_empty() {
        return Err("a mark with more behind it");
    }
    Ok(Mark { upto, boot: BootId(boot), closed })
}

fn decode_batch(input: &mut Decoder<'_>) -> Result<Record, Malformed> {
    let next_ino = input.number()?;
    let mut changes = Vec::new();
    while !input.is_empty() {
        changes.push(decode_change(input)?);
    }
    Ok(Record::Batch { next_ino, changes })
}

fn encode_change(out: &mut Encoder, change: &Change) {
    match change {
        Change::PutNode(ino, node) => {
            out.byte(1);
            out.number(ino.0);
            encode_node(out, node);
        }
        Change::DropNode(ino) => {
            out.byte(2);
            out.number(ino.0);
        }
        Change::SetMeta(ino, meta) => {
            out.byte(3);
            out.number(ino.0);
            encode_meta(out, meta);
        }
        Change::SetFile(ino, file) => {
            out.byte(4);
            out.number(ino.0);
            encode_file(out, *file);
        }
        Change::SetSlot(dir, name, slot) => {
            out.byte(5);
            out.number(dir.0);
            out.bytes(name.as_bytes());
            encode_slot(out, *slot);
        }
        Change::SetParent(dir, parent) => {
            out.byte(6);
            out.number(dir.0);
            out.number(parent.0);
        }
        Change::SetXattr(ino, name, value) => {
            out.byte(7);
            out.number(ino.0);
            out.bytes(name);
            out.byte(u8::from(value.is_some()));
            if let Some(value) = value {
                out.bytes(value);
            }
        }
    }
}

fn decode_change(input: &mut Decoder<'_>) -> Result<Change, Malformed> {
    let tag = input.byte()?;
    let ino = Ino(input.number()?);
    Ok(match tag {
        1 => Change::PutNode(ino, decode_node(input)?),
        2 => Change::DropNode(ino),
        3 => Change::SetMeta(ino, decode_meta(input)?),
        4 => Change::SetFile(ino, decode_file(input)?),
        5 => Change::SetSlot(ino, decode_name(input)?, decode_slot(input)?),
        6 => Change::SetParent(ino, Ino(input.number()?)),
        7 => {
            let name = input.bytes()?.to_vec();
            let value = match input.byte()? {
                0 => None,
                _ => Some(input.bytes()?.to_vec()),
            };
            Change::SetXattr(ino, name, value)
        }
        _ => return Err("unknown change"),
    })
}

fn encode_node(out: &mut Encoder, node: &Node) {
    encode_meta(out, &node.meta);
    match &node.data {
        NodeData::Directory(directory) => {
            out.byte(0);
            encode_directory(out, directory);
        }
        NodeData::Regular(file) => {
            out.byte(1);
            encode_file(out, *file);
        }
        NodeData::BaseSymlink(oid) => {
            out.byte(2);
            out.oid(oid);
        }
        NodeData::Symlink(target) => {
            out.byte(3);
            out.bytes(target);
        }
        NodeData::Special(kind) => out.byte(4 + special_code(*kind)),
    }
    out.number(node.xattrs.len() as u64);
    for (name, value) in &node.xattrs {
        out.bytes(name);
        out.bytes(value);
    }
}

fn decode_node(input: &mut Decoder<'_>) -> Result<Node, Malformed> {
    let meta = decode_meta(input)?;
    let data = match input.byte()? {
        0 => NodeData::Directory(Arc::new(decode_directory(input)?)),
        1 => NodeData::Regular(decode_file(input)?),
        2 => NodeData::BaseSymlink(input.oid()?),
        3 => NodeData::Symlink(input.bytes()?.to_vec()),
        4 => NodeData::Special(FileKind::Fifo),
        5 => NodeData::Special(FileKind::Socket),
        6 => NodeData::Special(FileKind::CharDevice),
        7 => NodeData::Special(FileKind::BlockDevice),
        _ => return Err("unknown kind of inode"),
    };
    let mut xattrs = BTreeMap::new();
    for _ in 0..input.number()? {
        let name = input.bytes()?.to_vec();
        xattrs.insert(name, input.bytes()?.to_vec());
    }
    Ok(Node { meta, data, xattrs })
}

fn special_code(kind: FileKind) -> u8 {
    match kind {
        FileKind::Socket => 1,
        FileKind::CharDevice => 2,
        FileKind::BlockDevice => 3,
        // The other kinds have node data of their own and never come here.
        FileKind::Fifo | FileKind::Regular | FileKind::Directory | FileKind::Symlink => 0,
    }
}

fn encode_directory(out: &mut Encoder, directory: &Directory) {
    out.number(directory.parent.0);
    match &directory.base {
        DirBase::Empty => out.byte(0),
        DirBase::Tree(oid) => {
            out.byte(1);
            out.oid(oid);
        }
        DirBase::Gitlink(oid) => {
            out.byte(2);
            out.oid(oid);
        }
    }
    out.number(directory.delta.len() as u64);
    for (name, slot) in &directory.delta {
        out.bytes(name.as_bytes());
        encode_slot(out, Some(*slot));
    }
}

fn decode_directory(input: &mut Decoder<'_>) -> Result<Directory, Malformed> {
    let parent = Ino(input.number()?);
    let base = match input.byte()? {
        0 => DirBase::Empty,
        1 => DirBase::Tree(input.oid()?),
        2 => DirBase::Gitlink(input.oid()?),
        _ => return Err("unknown base of a directory"),
    };
    let mut delta = BTreeMap::new();
    for _ in 0..input.number()? {
        let name = decode_name(input)?;
        let slot = decode_slot(input)?.ok_or("an empty slot in a directory")?;
        delta.insert(name, slot);
    }
    Ok(Directory { parent, base, delta })
}

fn encode_slot(out: &mut Encoder, slot: Option<Slot>) {
    match slot {
        None => out.byte(0),
        Some(Slot::Whiteout) => out.byte(1),
        Some(Slot::Entry(ino)) => {
            out.byte(2);
            out.number(ino.0);
        }
    }
}

fn decode_slot(input: &mut Decoder<'_>) -> Result<Option<Slot>, Malformed> {
    Ok(match input.byte()? {
        0 => None,
        1 => Some(Slot::Whiteout),
        2 => Some(Slot::Entry(Ino(input.number()?))),
        _ => return Err("unknown slot"),
    })
}

fn encode_file(out: &mut Encoder, file: FileData) {
    match file {
        FileData::Blob(oid) => {
            out.byte(0);
            out.oid(&oid);
        }
        FileData::Body(id) => {
            out.byte(1);
            out.number(id.0);
        }
        FileData::Value(value) => {
            out.byte(2);
            for number in [value.segment, value.offset, value.len] {
                out.number(u64::from(number));
            }
        }
    }
}

fn decode_file(input: &mut Decoder<'_>) -> Result<FileData, Malformed> {
    Ok(match input.byte()? {
        0 => FileData::Blob(input.oid()?),
        1 => FileData::Body(BodyId(input.number()?)),
        2 => FileData::Value(Value {
            segment: input.small()?,
            offset: input.small()?,
            len: input.small()?,
        }),
        _ => return Err("unknown kind of content"),
    })
}

fn encode_meta(out: &mut Encoder, meta: &Meta) {
    for value in [meta.perm, meta.uid, meta.gid, meta.nlink, meta.rdev] {
        out.number(u64::from(value));
    }
    for time in [meta.atime, meta.mtime, meta.ctime] {
        out.time(time);
    }
}

fn decode_meta(input: &mut Decoder<'_>) -> Result<Meta, Malformed> {
    Ok(Meta {
        perm: input.small()?,
        uid: input.small()?,
        gid: input.small()?,
        nlink: input.small()?,
        rdev: input.small()?,
        atime: input.time()?,
        mtime: input.time()?,
        ctime: input.time()?,
    })
}

fn decode_name(input: &mut Decoder<'_>) -> Result<Name, Malformed> {
    Name::new(input.bytes()?).map_err(|_| "not a file name")
}
