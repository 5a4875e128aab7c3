//! A frozen overlay becomes a commit on HEAD's branch.
//!
//! Purpose: compute the tree that `git add -A && git write-tree` would write for the view, from the
//! overlay's differences alone; refuse what nobody can have meant; write objects, then the ref.
//! Must not know: FUSE, handles, the network.
//! Invariants: the tree of the whole view is compared with HEAD's tree (D2), so nothing is committed
//! twice and no commit of the user's is undone; what cannot be read is an error, never a deletion;
//! objects are durable before the ref moves, and the ref moves by compare-and-swap.
//! A crash leaves: objects that nothing names, or the finished commit.

mod change;
mod error;
mod guard;
mod message;
mod nested;
mod sealer;
mod secret;
mod walk;

pub use change::{ChangeKind, PathChange, Skipped};
pub use error::CommitError;
pub use guard::{Allow, Facts, Guard, Refusal, refusals};
pub use message::{Trailers, message};
pub use sealer::{Plan, SealRequest, Sealed, Sealer};
pub use secret::{secret_content, secret_name};
pub use walk::TrackedPaths;
