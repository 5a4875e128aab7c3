//! The command line, run as a user runs it: the real program, real mounts, real git.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod counts;
mod help;
mod session;
mod status;
mod world;
