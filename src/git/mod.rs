//! The only room that names `gix` or runs `git`.
//!
//! Purpose: local objects, trees, refs, ignore rules, filters and merges in process (gix); clone,
//! fetch and push by the user's own `git`.
//! Must not know: mounts, overlays, journals.
//! Invariants: what [`Repo`] reports as written durable was fsynced by us (gix never does);
//! no secret leaves through argv, errors or logs; no child touches the network unless asked to.
//! A crash leaves: temporary packs (`tmp_toft_*`) and refs either old or new.

mod child;
mod classify;
mod credential;
mod error;
mod porcelain;
mod process;
mod redact;
mod remote;
mod url;
mod version;

pub use credential::Credential;
pub use error::{GitError, Result};
pub use porcelain::{LsRemote, PushResult};
pub use process::Git;
pub use redact::{redact, redact_url, strip_escapes};
pub use remote::{Depth, FetchOptions, PushUpdate};
pub use version::GitVersion;
