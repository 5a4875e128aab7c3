//! Whether a workspace is alive: what the kernel's mount table and its lease say together.

use super::failure::Failure;
use super::mountinfo::{self, Mount};
use super::report::DaemonState;
use crate::fuse;
use crate::registry::{Holder, Registry, Status, WorkspaceRecord};
use std::path::Path;

/// The two witnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The kernel's mount of it.
    pub mount: Option<Mount>,
    /// The process that holds its lease.
    pub holder: Option<Holder>,
}

impl Presence {
    /// Asks both.
    pub fn of(
        record: &WorkspaceRecord,
        registry: &Registry,
        mounts: &[Mount],
    ) -> Result<Self, Failure> {
        // A folder is mounted by one workspace at a time: another one's mount there is not ours.
        let mount = mountinfo::ours_at(mounts, &record.dir).cloned();
        let holder = registry.holder(&record.id)?;
        let is_ours = holder.is_some() || record.status == Status::Mounted;
        Ok(Self { mount: mount.filter(|_| is_ours), holder })
    }

    /// How its daemon is, as far as can be told without asking it.
    pub fn state(&self, record: &WorkspaceRecord) -> DaemonState {
        match (&self.holder, &self.mount, record.status) {
            (Some(_), _, _) => DaemonState::Ok,
            (None, Some(_), _) => DaemonState::Dead,
            (None, None, Status::Mounted | Status::Creating) => DaemonState::Dead,
            (None, None, Status::Idle | Status::Failed) => DaemonState::Stopped,
        }
    }
}

/// Takes away a mount whose daemon is gone; true when there was one.
pub fn detach_dead(presence: &Presence) -> Result<bool, Failure> {
    match (&presence.mount, &presence.holder) {
        (Some(mount), None) => {
            tracing::info!(dir = %mount.point.display(), "detaching a mount whose daemon is gone");
            detach(&mount.point)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Takes a mount of ours away, whoever uses it.
pub fn detach(dir: &Path) -> Result<(), Failure> {
    Ok(fuse::unmount(dir, true)?)
}
