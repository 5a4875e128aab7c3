//! Whether a workspace is alive: what the kernel's mount table and its lease say together.

use super::failure::{Failure, Kind};
use super::host::Host;
use super::mountinfo::{self, Mount};
use super::report::DaemonState;
use crate::fuse;
use crate::git::redact_url;
use crate::registry::{Holder, Lease, Registry, RegistryError, Status, WorkspaceRecord};
use crate::types::WorkspaceId;
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
        let mut holder = registry.holder(&record.id)?;
        let mut mount = mount_of(record, mounts);
        if let Some(house) = &record.house {
            holder = holder.map_or_else(|| registry.holder(house), |holder| Ok(Some(holder)))?;
            // It is a folder of the house's mount, as long as somebody shows it.
            let around = mountinfo::containing(mounts, &record.dir).filter(|_| holder.is_some());
            mount = around.filter(|mount| mount.fstype == mountinfo::FSTYPE).cloned();
        }
        Ok(Self { mount, holder })
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

/// What findmnt shows as the source of a workspace: where it comes from, without secrets.
pub fn shown_source(record: &WorkspaceRecord) -> String {
    let url = redact_url(&record.source.url);
    match (&record.branch, record.source.at.or(record.base)) {
        (Some(branch), _) => format!("{url}#{}", branch.trim_start_matches("refs/heads/")),
        (None, Some(commit)) => format!("{url}#{commit}"),
        (None, None) => url,
    }
}

/// Whether `record`'s own mount is still there although nobody serves it.
pub fn has_dead_mount(host: &Host, record: &WorkspaceRecord) -> Result<bool, Failure> {
    let presence = Presence::of(record, &host.registry, &mountinfo::read()?)?;
    Ok(presence.holder.is_none() && presence.mount.is_some() && !is_taken_over(host, record)?)
}

/// What whoever asks such a workspace is told.
pub fn daemon_is_gone(record: &WorkspaceRecord) -> Failure {
    let what = "the daemon of this mount is gone; all that was acknowledged is still here";
    let dir = record.dir.display();
    Failure::new(Kind::DaemonGone, what)
        .cause(format!("until the mount is taken away, every access to {dir} fails"))
        .fix(format!("toft umount {dir}, or mount it again, or toft recover for all"))
}

/// Takes away the mount of a workspace whose daemon is gone; true when there was one. Under the
/// lease, so that no daemon can be starting meanwhile.
pub fn clear_dead(host: &Host, id: &WorkspaceId) -> Result<bool, Failure> {
    let _lease = match Lease::acquire(&host.registry.paths(id)) {
        Err(RegistryError::Held(_)) => return Ok(false),
        lease => lease?,
    };
    let record = host.registry.load(id)?;
    let Some(mount) = mount_of(&record, &mountinfo::read()?) else { return Ok(false) };
    if is_taken_over(host, &record)? {
        return Ok(false);
    }
    tracing::info!(dir = %mount.point.display(), "detaching a mount whose daemon is gone");
    detach(&mount.point)?;
    host.registry.update(id, |record| record.status = Status::Idle)?;
    Ok(true)
}

/// Whether a live workspace is mounted where this one was: its dead mount is gone already.
fn is_taken_over(host: &Host, record: &WorkspaceRecord) -> Result<bool, Failure> {
    for other in host.registry.list()?.workspaces {
        let same_place = other.id != record.id && other.dir == record.dir;
        if same_place && host.registry.holder(&other.id)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The mount of `record`. A folder is mounted by one workspace at a time: what another one, or
/// another user, mounted there since is not its.
fn mount_of(record: &WorkspaceRecord, mounts: &[Mount]) -> Option<Mount> {
    let mount = mountinfo::ours_at(mounts, &record.dir)?;
    let ours =
        record.status == Status::Mounted && mount.source.to_str() == Some(&shown_source(record));
    ours.then(|| mount.clone())
}

/// Takes a mount of ours away, whoever uses it.
pub fn detach(dir: &Path) -> Result<(), Failure> {
    Ok(fuse::unmount(dir, true)?)
}
