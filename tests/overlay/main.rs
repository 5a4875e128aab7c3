//! The journal and the overlay: replay, torn tails, transactions, freezes, syncs.

mod content;
mod journal;
mod record;
mod store;
mod support;
