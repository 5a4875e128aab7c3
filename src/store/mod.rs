//! One bare repository for each remote, in the cache, shared by all workspaces of that remote.
//!
//! Purpose: understand what the user calls a source; bring the store of a remote up to date with
//! one question (`ls-remote`) and, only when something is missing, one fetch.
//! Must not know: workspaces, mounts, the overlay.
//! Invariants: a store holds nothing that the remote does not have, so that it may be deleted; an
//! object that a ref of it names is complete, with all that it needs; nothing is ever removed from
//! it, as workspaces borrow its objects; nobody but toft writes to it, under the store's lock.
//! A crash leaves: a store that was never named (made anew), or packs that no ref names, temporary
//! files and lock files of a killed git (swept before the next fetch).

mod choose;
mod ensure;
mod error;
mod key;
mod near;
mod place;
mod refs;
mod source;
mod sweep;

pub use ensure::{Request, Store, ensure};
pub use error::{Result, StoreError};
pub use key::store_key;
pub use place::{CACHED_FILES, STORES};
pub use source::Source;
