//! What can happen to the overlay: physical, idempotent changes; a batch of them is atomic.

use super::node::{FileData, Meta, Node, Slot};
use crate::types::{Ino, Name};

/// One change of the index. Applying a batch twice gives the same state as once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds the inode or replaces it whole.
    PutNode(Ino, Node),
    /// Forgets the inode (its body is dropped once nothing refers to it).
    DropNode(Ino),
    /// Replaces the attributes.
    SetMeta(Ino, Meta),
    /// Points a regular file at other bytes.
    SetFile(Ino, FileData),
    /// Sets what the directory's delta says of the name; None takes it out of the delta.
    SetSlot(Ino, Name, Option<Slot>),
    /// Moves a directory below another one (its `parent` only; slots are changes of their own).
    SetParent(Ino, Ino),
    /// Sets or removes one extended attribute.
    SetXattr(Ino, Vec<u8>, Option<Vec<u8>>),
}
