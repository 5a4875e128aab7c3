//! The upper layer: everything that differs from the base, as a journaled index keyed by inode.
//!
//! Purpose: hold nodes and file contents, take atomic batches of changes, give consistent cuts. A
//! small file's bytes are a value in the value log, a larger one's a body, a file of its own.
//! Must not know: POSIX rules, lookup counts, handles, git objects beyond their ids.
//! Invariants: the index is what replaying the journal gives; a batch is journaled before
//! [`Transaction::commit`] returns, and all of it or none; walking from the root through deltas
//! reaches every node that has a name; every `Slot::Entry` has a node.
//! Locks, outermost first: `Bodies::writing` (a freeze excludes body writers) → index → journal tail.
//! A crash of the process leaves: the state after the last whole record; bodies and values that no
//! node names, which the next open removes; orphans (nlink 0), which it drops.
//! Power loss leaves: records that name bytes which did not reach the disk. So a sync puts a mark
//! into the journal: the bytes that all records up to N name are durable. An open in another run of the
//! host believes the records up to the last mark and sets the others aside (`.cut`).

mod change;
mod check;
mod codec;
mod content;
mod error;
mod fork;
mod freeze;
mod index;
mod node;
mod passage;
mod reclaim;
mod record;
mod replay;
mod store;
mod unsynced;
mod values;

pub use change::Change;
pub use check::{Flaw, check};
pub use content::{Bodies, Body, BodyStat, WriteGuard};
pub use error::OverlayError;
pub use freeze::Freeze;
pub use index::Index;
pub use node::{DirBase, Directory, FileData, Meta, Node, NodeData, Slot};
pub use passage::Passage;
pub use record::{Mark, Record, decode_record, encode_batch, encode_mark};
pub use store::{IndexRef, Overlay, Recovered, Transaction};
pub use values::{OpenValue, VALUE_MAX, Value, Values};
