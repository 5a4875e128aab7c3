use crate::git::{CommitSpec, ConflictPath, MergeOutcome, Repo, Result};
use crate::sys::Disk;
use crate::types::{Oid, Timespec, WorkspaceId};

/// Two commits to make one of.
pub(super) struct Merge<'a> {
    /// Full name of the branch.
    pub(super) refname: &'a str,
    /// Their common ancestor; None: they both began with nothing.
    pub(super) base: Option<Oid>,
    /// First parent.
    pub(super) ours: Oid,
    /// Second parent.
    pub(super) theirs: Oid,
    /// Stands in a trailer.
    pub(super) workspace: &'a WorkspaceId,
    /// The date of the commit.
    pub(super) now: Timespec,
}

impl Merge<'_> {
    /// Writes the merge commit durably, or says which paths are in the way.
    pub(super) fn commit(
        &self,
        repo: &Repo,
        disk: &dyn Disk,
    ) -> Result<std::result::Result<Oid, Vec<ConflictPath>>> {
        let tree = |commit| repo.commit(commit).map(|commit| commit.tree);
        let base = self.base.map(tree).transpose()?;
        let (ours, theirs) = (tree(self.ours)?, tree(self.theirs)?);
        let mut writer = repo.writer();
        let tree = match repo.merge_trees(base, ours, theirs, &mut writer)? {
            MergeOutcome::Clean { tree } => tree,
            MergeOutcome::Conflict { paths } => return Ok(Err(paths)),
        };
        let (author, committer) = repo.identity().sign(self.now);
        let commit = writer.commit(&CommitSpec {
            tree,
            parents: vec![self.ours, self.theirs],
            author,
            committer,
            message: self.message().into_bytes(),
        })?;
        writer.finish(disk)?;
        Ok(Ok(commit))
    }

    /// As git words it, which names the branch that was merged into unless it is a usual one.
    fn message(&self) -> String {
        let branch = self.refname.strip_prefix("refs/heads/").unwrap_or(self.refname);
        let into = match branch {
            "main" | "master" => String::new(),
            other => format!(" into {other}"),
        };
        let workspace = self.workspace;
        format!(
            "Merge remote-tracking branch 'origin/{branch}'{into}\n\nToft-Workspace: {workspace}\n"
        )
    }
}
