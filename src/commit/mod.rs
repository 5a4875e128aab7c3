//! From a frozen overlay to a commit on HEAD's branch.
//!
//! Purpose: the tree of the whole view by the rules of `git add -A && git write-tree` ([`Plan`]),
//! guards against commits that nobody wants, a message, objects and the move of the ref.
//! Must not know: POSIX operations, handles, the network, when a seal is due.
//! Invariants: a subtree that equals HEAD's keeps its id and is not read; what cannot be read is
//! never recorded as deleted; nothing is stored and no ref moves unless all guards are content;
//! objects, and the files that they were made from ([`Look::settle`]), are durable before the ref
//! moves, and none of them waits for another (D20); the ref moves by compare-and-swap from the commit
//! that the tree was compared with (D2).
//! A crash leaves: objects that no ref names, or the whole commit; the workspace has everything
//! either way, and a seal that is repeated finds nothing to do.

mod change;
mod content;
mod diff;
mod error;
mod frame;
mod guard;
mod leaves;
mod message;
mod nested;
mod plan;
mod sealer;
mod secret;
mod tracked;
mod view;
mod walk;

pub use change::{ChangeKind, Leaf, PathChange, Skipped};
pub use error::CommitError;
pub use guard::{Allow, BIG_FILE, Facts, Finding, Guard, Refusal, lost_files, refusals};
pub use message::{Trailers, message, subject};
pub use plan::{Counts, Plan};
pub use sealer::{Cut, Look, SealRequest, Sealed, Sealer};
pub use secret::{secret_content, secret_name};
pub use tracked::{IndexEntry, Indexed, TrackedPaths};
