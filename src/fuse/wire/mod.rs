//! What travels between the kernel and us, byte for byte (linux/fuse.h).
//!
//! fuser has its own for the device and shows it to nobody; this is for the ring.

mod decode;
mod encode;
mod opcode;

pub(super) use decode::{Header, Malformed, Operation, Write};
pub(super) use encode::{
    Dirents, attr, created, entry, entry_of_nothing, lseek, opened, statfs, written, xattr_size,
};
