//! kill -9 of the daemon and of every command at random points: nothing that was acknowledged may be
//! missing.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod foreign;
mod kill;
mod older;
mod oracle;
mod two_hosts;
mod upgrade;
mod workload;
mod world;
