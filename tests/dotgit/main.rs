//! The workspace's git directory, checked against stock git in both versions.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod follow;
mod index;
mod large;
mod layout;
mod lock;
mod prefill;
mod state;
mod support;
