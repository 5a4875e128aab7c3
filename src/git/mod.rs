//! The only room that names `gix` or runs `git`.
//!
//! Purpose: local objects, trees, refs, ignore rules, filters and merges in process (gix); clone,
//! fetch and push by the user's own `git`.
//! Must not know: mounts, overlays, journals.
//! Invariants: what [`Repo`] reports as written durable was fsynced by us (gix never does);
//! no secret leaves through argv, errors or logs; no child touches the network unless asked to.
//! A crash leaves: temporary packs (`tmp_toft_*`) and refs either old or new.

mod big_blob;
mod changed;
mod child;
mod classify;
mod credential;
mod error;
mod exclude;
mod filter;
mod glob;
mod hash;
mod history;
mod identity;
mod maintenance;
mod merge;
mod odb;
mod pack;
mod planted;
mod porcelain;
mod process;
mod redact;
mod refs;
mod remote;
mod repo;
mod tree;
mod url;
mod version;
mod writer;

pub use credential::Credential;
pub use error::{GitError, Result};
pub use exclude::Excludes;
pub use filter::Filters;
pub use gix::objs::Kind as ObjectKind;
pub use glob::Glob;
pub use hash::Hasher;
pub use identity::{Date, Identity, Person, Signature};
pub use maintenance::remove_orphan_indexes;
pub use merge::{ConflictPath, MergeOutcome, Side};
pub use porcelain::{LsRemote, PushResult};
pub use process::Git;
pub use redact::{redact, redact_url, strip_escapes};
pub use refs::{Head, RefValue, files_below, is_branch_name};
pub use remote::{Depth, FetchOptions, PROMISOR, PushUpdate};
pub use repo::{CommitInfo, Repo};
pub use tree::{RawEntry, TreeItem};
pub use version::GitVersion;
pub use writer::{CommitSpec, ObjectWriter};
