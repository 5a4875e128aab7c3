//! Brings contents of files into the store, by the user's own git.
//!
//! (gix-protocol could do it in process over one warm connection, which spares a round trip and five
//! processes for each fetch. But credential helpers, `insteadOf`, proxies and ssh are the user's
//! git's, and a second way to all of them would have to be as good.)

use crate::base::Promisor;
use crate::git::{Credential, Git, GitError};
use crate::registry::WorkspaceRecord;
use crate::types::Oid;

/// The remote of one workspace.
pub(super) struct Remote {
    git: Git,
    url: String,
}

impl Remote {
    pub fn new(record: &WorkspaceRecord, credential: Option<Credential>) -> Self {
        // All workspaces of this store have what one of them brings.
        Self { git: Git::new(&record.store.path, credential), url: record.source.url.clone() }
    }
}

impl Promisor for Remote {
    fn bring(&self, oids: &[Oid]) -> Result<(), GitError> {
        self.git.fetch_objects(&self.url, oids)
    }
}
