//! Pushing: what was committed here reaches the remote, once, however often we crash.
//!
//! Purpose: a durable queue of "bring this ref to this commit" ([`Outbox`]), and the one who works
//! it off ([`Pusher`]): compare-and-swap on the remote, a merge when another writer was faster, a
//! side branch when that is not possible, and patience when nobody answers.
//! Must not know: files of the workspace, overlays, mounts; it sees refs and commits.
//! Invariants: the remote's ref only ever moves forward, by compare-and-swap; a record leaves the
//! queue when the remote has its commit, and not before; the local branch is never moved here; a
//! ref that is stuck holds up no other.
//! Locks: a lane's `lock` (held while it is drained, network included), then its `inbox` (never
//! held longer than an fsync).
//! A crash leaves: records in `inbox` or `wal` that the next drain delivers again. Delivering twice
//! is harmless: a commit that the remote has is found to be there.

mod attempt;
pub mod backoff;
mod courtesy;
mod error;
mod lane;
mod ledger;
mod merge;
mod outbox;
mod outcome;
mod pusher;
mod queue;
pub mod reconcile;
mod record;
mod retry;

pub use backoff::Patience;
pub use error::{Result, SyncError};
pub use lane::{Delivery, Wait, Which};
pub use ledger::{Failure, Known, Ledger, OpenConflict, Verdict};
pub use outbox::{Outbox, RefState};
pub use outcome::{Conflicting, PushOutcome, RefPushed};
pub use pusher::{Pusher, Target};
pub use record::{PushIntent, Record};
pub use retry::{Nudge, RetryLoop};
