//! A workspace in a house (`toft serve`): a fork whose git directory is made when somebody needs it,
//! as the house's, which never changes, stands.

use super::Engine;
use crate::daemon::failure::Failure;
use crate::daemon::host::Host;
use crate::dotgit;
use crate::registry::WorkspaceRecord;
use crate::sys::{is_unsettled, sync_parent};
use crate::types::Seq;

/// Makes the git directory of a workspace that has none yet.
pub(in crate::daemon) fn make_gitdir(host: &Host, record: &WorkspaceRecord) -> Result<(), Failure> {
    let paths = host.registry.paths(&record.id);
    let (Some(fork), Some(branch)) = (&record.fork, &record.branch) else { return Ok(()) };
    let (to, making) = (paths.gitdir(), paths.gitdir().with_extension("new"));
    if to.exists() {
        return Ok(());
    }
    let failed = || Failure::io(format!("cannot make {}", to.display()));
    if making.exists() {
        std::fs::remove_dir_all(&making).map_err(failed())?;
    }
    let from = host.registry.paths(&fork.of).gitdir();
    let disk = &*host.disk;
    dotgit::fork(disk, &from, &making, Some((branch, fork.head)))?;
    let promised = !is_unsettled(paths.root());
    if promised {
        dotgit::settle(disk, &making)?;
    }
    disk.rename(&making, &to).map_err(failed())?;
    if promised {
        sync_parent(disk, &to, crate::sys::Reason::Manifest).map_err(failed())?;
    }
    Ok(())
}

/// Whether a fork was only looked at: no file was changed (the last change is `last_batch`), and git
/// was never used.
pub(in crate::daemon) fn is_untouched(
    host: &Host,
    record: &WorkspaceRecord,
    last_batch: Seq,
) -> bool {
    let gitdir = host.registry.paths(&record.id).gitdir();
    record.fork.as_ref().is_some_and(|fork| last_batch <= fork.seq) && !gitdir.exists()
}

impl Engine {
    /// The host that it lives on.
    pub(in crate::daemon) fn host(&self) -> &Host {
        &self.host
    }

    /// What is remembered of it.
    pub(in crate::daemon) fn record(&self) -> &WorkspaceRecord {
        &self.record
    }

    /// The lower layer.
    pub(in crate::daemon) fn base(&self) -> &std::sync::Arc<crate::base::Base> {
        &self.base
    }
}
