//! What stock git sees inside the mount: the workspace's own git directory and its index.
//!
//! Purpose: make the git directory without starting git; fill the index with the stat data that the
//! mount will return, so that `git status` reads no file; keep it right when toft moves HEAD.
//! Must not know: overlays, mounts, the network.
//! Invariants: the configuration is ours alone (nothing of the mounted tree is in it); the index is
//! replaced under `index.lock` only, as git does; a file of the cached index is never written to.
//! A crash leaves: the old index or the new one, and a lock that is known to be ours.

mod cached;
mod error;
mod follow;
mod fork;
mod hidden;
pub mod index;
mod layout;
mod lock;
mod power_loss;
mod prefill;
mod state;
mod walk;

pub use cached::{Installed, install_index, size_table};
pub use error::{DotgitError, IndexError, Result};
pub use follow::{Files, after_seal, mend_index};
pub use fork::fork;
pub use hidden::hidden;
pub use layout::{GitdirSpec, create, gitfile, set_tracking, settle};
pub use lock::{IndexLock, release_abandoned};
pub use power_loss::clear_after_power_loss;
pub use prefill::{BaseStat, Prefilled, prefill};
pub use state::{LastRead, Operation, Tracked, in_progress, read_index, tracked};
pub use walk::{FILES_MAX, Hidden};
