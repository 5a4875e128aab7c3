//! `toft log` and `toft diff`: reading only.

use super::Engine;
use crate::commit::{ChangeKind, Plan};
use crate::daemon::failure::Failure;
use crate::daemon::report::{
    ChangedPath, CommitLine, DiffReport, LogReport, MAX_PATHS, SkippedPath, show_path,
};

impl Engine {
    /// The newest commits of the branch that HEAD is on, first parents only.
    pub fn log(&self, limit: usize) -> Result<LogReport, Failure> {
        let delivered = self.delivered()?;
        let mut next = self.repo.head()?.tip();
        let mut report = LogReport::default();
        let mut pushed = false;
        while let Some(oid) = next.filter(|_| report.commits.len() < limit) {
            let commit = match self.repo.commit(oid) {
                Ok(commit) => commit,
                // Below the end of a shallow history there is nothing.
                Err(crate::git::GitError::NotFound(_)) if !report.commits.is_empty() => break,
                Err(error) => return Err(error.into()),
            };
            if !pushed && let Some(remote) = delivered {
                pushed = self.repo.is_ancestor(oid, remote)?;
            }
            report.commits.push(CommitLine {
                commit: oid.to_string(),
                subject: commit.subject,
                time_s: commit.committer_time_s,
                pushed,
            });
            next = commit.parents.first().copied();
        }
        Ok(report)
    }

    /// What the next seal would change.
    pub fn diff(&self) -> Result<DiffReport, Failure> {
        let plan = self.plan()?;
        let letter = |kind| match kind {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'M',
            ChangeKind::Deleted => 'D',
        };
        let changed = plan.changes.iter().take(MAX_PATHS);
        let paths = changed.map(|change| ChangedPath {
            change: letter(change.kind),
            path: show_path(&change.path),
        });
        Ok(DiffReport {
            paths: paths.collect(),
            truncated: plan.changes.len() > MAX_PATHS,
            skipped: skipped(&plan),
        })
    }
}

/// The paths that the seal leaves out.
pub(super) fn skipped(plan: &Plan) -> Vec<SkippedPath> {
    let skipped = plan.skipped.iter().take(MAX_PATHS);
    let show = |path: &[u8], why: &str| SkippedPath { path: show_path(path), why: why.to_owned() };
    skipped.map(|skipped| show(&skipped.path, skipped.why)).collect()
}
