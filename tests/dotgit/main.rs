//! The workspace's git directory, checked against stock git in both versions.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod index;
mod support;
