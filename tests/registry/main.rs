//! The list of workspaces: durable records, leases, leftovers of crashes.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod lease;
mod records;
mod support;
