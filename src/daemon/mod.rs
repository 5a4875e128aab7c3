//! Wires the rooms below into a served workspace: starts it, flushes it, ends it.
//!
//! Purpose: the only code that knows every room. The few rules it has live in pure files:
//! `lifecycle` (how a mount ends), `policy` (when it flushes by itself), `control::protocol`.
//! Must not know: the command line, how things are printed.
//! Invariants: a workspace is served under its lease; READY is said after the kernel shows the
//! mount; a flush goes seal (durable) → queue (durable) → push, and each step may be repeated.
//! A crash leaves: a mount whose daemon is gone (ENOTCONN), which stays in the way until it is
//! mounted again, unmounted or recovered, and a workspace that the next open replays.

mod background;
mod classify;
pub mod control;
pub mod create;
mod engine;
mod failure;
pub mod fuse_access;
pub mod holders;
mod host;
pub mod house;
pub mod last_resort;
pub mod lifecycle;
pub mod mountinfo;
pub mod policy;
pub mod presence;
mod report;
mod restore;
pub mod serve;
pub mod signals;
pub mod spawn;

pub use crate::fuse::{Access, MountFlags};
pub use engine::{Engine, Then, guard_words};
pub use failure::{Failure, Kind, kind_of_io};
pub use host::Host;
pub use presence::{clear_dead, detach};
pub use report::*;
pub use restore::restore;
