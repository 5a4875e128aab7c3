//! The git room, and base, against real git.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod base;
mod exclude;
mod filter;
mod git;
mod hostile;
mod memory;
mod merge;
mod random;
mod read;
mod refs;
mod write;
