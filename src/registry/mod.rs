//! Which workspaces exist on this host, and who holds them.
//!
//! Purpose: one small JSON file for each workspace, written durably; the lease by which a live
//! mount is told from a dead one; where state, cache and runtime directories are.
//! Must not know: git, overlays, mounts. It must load when everything else is broken.
//! Invariants: no secret is ever in a record; directories are 0700 and files 0600; one damaged
//! record hides no other one; what `flock(2)` says beats what a file says.
//! A crash leaves: the old record or the new one; `.new-…` and `.gone-…` directories, which the
//! next [`Registry::open`] sweeps.

mod directories;
mod error;
mod lease;
mod paths;
mod record;
mod store;

pub use directories::{Directories, DirectoryOverrides};
pub use error::{RegistryError, Result};
pub use lease::{Holder, Lease};
pub use paths::WorkspacePaths;
pub use record::{
    FlushPolicy, ForkRecord, Hydrate, Milestone, SourceRecord, Status, StoreRecord, ViewRecord,
    WorkspaceRecord,
};
pub use store::{Listing, Problem, Registry};
