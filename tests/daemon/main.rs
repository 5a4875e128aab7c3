//! The daemon's own rules: how a mount ends, when it flushes, how the control socket behaves.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod control;
mod lifecycle;
mod mountinfo;
mod policy;
