//! The journal and the overlay: replay, torn tails, transactions, freezes, syncs.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod check;
mod content;
mod journal;
mod passage;
mod power;
mod record;
mod store;
mod support;
mod values;
