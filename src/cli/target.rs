//! Which workspace is meant by `DIR`, by `ID`, by `.` or by nothing.

use super::mountpoint;
use crate::daemon::mountinfo::{self, Mount};
use crate::daemon::presence::Presence;
use crate::daemon::{Failure, Host, Kind};
use crate::registry::WorkspaceRecord;
use crate::types::WorkspaceId;
use clap::Args;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The argument that names a workspace.
#[derive(Clone, Debug, Default, Args)]
pub struct Target {
    /// Folder in the mount, or id of the workspace; the current folder when left out
    #[arg(value_name = "DIR|ID")]
    pub target: Option<PathBuf>,
}

impl Target {
    /// Finds the workspace.
    pub fn find(&self, host: &Host) -> Result<WorkspaceRecord, Failure> {
        let named = self.target.as_deref().unwrap_or(Path::new("."));
        if let Some(id) = named.to_str().and_then(WorkspaceId::parse) {
            match host.registry.load(&id) {
                Err(crate::registry::RegistryError::NoSuchWorkspace(_)) if named.is_dir() => {}
                other => return Ok(other?),
            }
        }
        by_path(named, host)
    }
}

/// The workspace that `path` lies in: as it is written first, so that a dead mount is not touched.
fn by_path(named: &Path, host: &Host) -> Result<WorkspaceRecord, Failure> {
    let mounts = mountinfo::read()?;
    let written = std::path::absolute(named).map_err(Failure::io("cannot tell where we are"))?;
    if let Some(record) = containing(&mountpoint::without_dots(&written), host, &mounts)? {
        return Ok(record);
    }
    let resolved = mountpoint::resolve(named)?;
    if let Some(record) = containing(&resolved, host, &mounts)? {
        return Ok(record);
    }
    Err(not_found(named, &resolved, &mounts))
}

/// Among the workspaces at or above `path`: the innermost, then a live one, then the newest.
fn containing(
    path: &Path,
    host: &Host,
    mounts: &[Mount],
) -> Result<Option<WorkspaceRecord>, Failure> {
    let mut best: Option<((usize, u8, i64), WorkspaceRecord)> = None;
    for record in host.registry.list()?.workspaces {
        if !path.starts_with(&record.dir) {
            continue;
        }
        let presence = Presence::of(&record, &host.registry, mounts)?;
        let alive = match (&presence.holder, &presence.mount) {
            (Some(_), _) => 2,
            (None, Some(_)) => 1,
            // Only the folder itself names a workspace that is not mounted.
            (None, None) if path == record.dir => 0,
            (None, None) => continue,
        };
        let rank = (record.dir.components().count(), alive, record.created_s);
        if best.as_ref().is_none_or(|(other, _)| *other < rank) {
            best = Some((rank, record));
        }
    }
    Ok(best.map(|(_, record)| record))
}

fn not_found(named: &Path, resolved: &Path, mounts: &[Mount]) -> Failure {
    let shown = if named == OsStr::new(".") { resolved } else { named };
    let what = format!("no toft workspace is mounted at {}", shown.display());
    let failure = Failure::new(Kind::NoSuchWorkspace, what).fix("see toft list");
    match mountinfo::containing(mounts, resolved) {
        Some(mount) if mount.fstype == mountinfo::FSTYPE => failure
            .cause("there is one, but of another user or another state directory")
            .fix("run toft as that user, or with the same TOFT_STATE_DIR"),
        _ => failure,
    }
}
