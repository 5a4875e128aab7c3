//! The write-ahead log: moves opaque, checked frames to and from segment files.
//!
//! Purpose: append in order, replay in order, find the torn tail, say what is durable.
//! Must not know: what the bytes mean, inodes, git.
//! Invariants: sequence numbers grow by one from frame to frame; a frame is either whole or not
//! there; what [`Journal::sync`] returned for survives power loss; after a failed fsync nothing is
//! appended any more.
//! A crash leaves: a torn frame at the end of the newest segment, which the next open cuts off, and
//! perhaps a `.tmp` segment or segments that a finished trim made superfluous, which it removes.

mod error;
mod frame;
mod log;
mod segment;

pub use error::JournalError;
pub use frame::{FRAME_MAX, decode_frame, encode_frame};
pub use log::{Journal, Replayed, Room};
