//! Asks a workspace for a fork.

use super::ask;
use crate::daemon::control::{ForkRequest, Reply, Request};
use crate::daemon::{Failure, ForkReport, Host, Kind};
use crate::registry::WorkspaceRecord;
use std::path::PathBuf;

/// What kind of fork.
pub struct Fork {
    /// Where it is to be mounted.
    pub dir: PathBuf,
    /// The branch that its commits go to; named as the folder when None.
    pub branch: Option<String>,
    /// They go to the branch of the other workspace.
    pub same: bool,
    /// It is what others begin as.
    pub house: bool,
}

/// Makes a fork of `of`.
pub fn fork(host: &Host, of: &WorkspaceRecord, wish: Fork) -> Result<ForkReport, Failure> {
    let branch = match (wish.branch, wish.same) {
        (_, true) => None,
        (Some(branch), false) => Some(branch),
        (None, false) => Some(named_as(&wish.dir)?),
    };
    let request = Request::Fork(ForkRequest { dir: wish.dir, branch, house: wish.house });
    match ask::workspace(host, of, &request)? {
        Reply::Fork(report) => Ok(report),
        other => Err(ask::unexpected(&other)),
    }
}

fn named_as(dir: &std::path::Path) -> Result<String, Failure> {
    dir.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
        let what = format!("{} gives no name for a branch", dir.display());
        Failure::new(Kind::Usage, what).fix("name one with --branch")
    })
}
