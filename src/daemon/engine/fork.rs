//! Another workspace that begins exactly as this one stands.
//!
//! It costs a few files whatever the size of the repository or of what was changed here: see
//! `overlay::fork` and `dotgit::fork`. The registry's name comes last, so that a crash leaves either
//! all of it or nothing.

use super::Engine;
use crate::daemon::control::{FlushRequest, ForkRequest};
use crate::daemon::failure::{Failure, Kind};
use crate::daemon::report::{Changes, FORK_SCHEMA, ForkReport};
use crate::dotgit;
use crate::git::{Head, is_branch_name};
use crate::overlay::{FileData, NodeData};
use crate::registry::{ForkRecord, Status, ViewRecord, WorkspaceRecord};
use crate::sync::Known;
use crate::types::{Oid, Seq, WorkspaceId};
use std::path::PathBuf;

/// Up to so many inodes here it is counted what the fork begins with.
const COUNTED: usize = 4096;

impl Engine {
    /// Makes a fork. What is done here meanwhile goes on.
    pub(super) fn fork(&self, wish: &ForkRequest) -> Result<ForkReport, Failure> {
        let (record, head) = self.make_fork(wish)?;
        Ok(self.report_of_fork(&record, &head))
    }

    fn make_fork(&self, wish: &ForkRequest) -> Result<(WorkspaceRecord, Head), Failure> {
        let branch = self.branch_of_fork(wish.branch.as_deref())?;
        // No git may be in the middle of something.
        let _lock = self.lock_index()?;
        // Before the files are cut: HEAD must not be newer than they are.
        let head = self.repo.head()?;
        let (remote, delivered) = self.known_of_fork(branch.as_deref())?;
        let record = self.host.registry.create_filled(|id, paths| {
            let seq = self.overlay.fork(paths.root())?;
            let new = branch.as_deref().filter(|name| self.record.branch.as_deref() != Some(*name));
            let (from, to) = (self.repo.gitdir(), paths.gitdir());
            dotgit::fork(&*self.host.disk, from, &to, new.map(|name| (name, head.tip())))?;
            let head = head.tip();
            let fork = ForkRecord { of: self.id().clone(), seq, head, remote, delivered };
            let from = self.host.registry.load(self.id())?;
            let dir = wish.dir.clone();
            let mut record = self.record_of_fork(id, fork, branch.clone(), dir, from);
            record.serves = wish.house;
            record.view.read_only |= wish.house;
            Ok::<_, Failure>(record)
        })?;
        tracing::info!(of = %self.id(), fork = %record.id, "forked");
        Ok((record, head))
    }

    /// A workspace in the house that this one is. It gets its git directory when somebody needs it
    /// (`tenant::make_gitdir`); until then it costs a few names.
    pub(in crate::daemon) fn take_in(&self, name: &str) -> Result<WorkspaceRecord, Failure> {
        let branch = self.branch_of_fork(Some(name))?;
        let head = self.repo.head()?.tip();
        let (remote, delivered) = self.known_of_fork(branch.as_deref())?;
        self.host.registry.create_filled(|id, paths| {
            let seq = self.overlay.fork(paths.root())?;
            let fork = ForkRecord { of: self.id().clone(), seq, head, remote, delivered };
            let (dir, from) = (self.record.dir.join(name), self.record.clone());
            let mut record = self.record_of_fork(id, fork, branch, dir, from);
            record.house = Some(self.id().clone());
            Ok(record)
        })
    }

    fn record_of_fork(
        &self,
        id: WorkspaceId,
        fork: ForkRecord,
        branch: Option<String>,
        dir: PathBuf,
        from: WorkspaceRecord,
    ) -> WorkspaceRecord {
        // A new branch can take commits, whatever it was begun from.
        let read_only = self.record.view.read_only && branch == self.record.branch;
        WorkspaceRecord {
            id,
            branch,
            dir,
            created_s: self.host.clock.now().sec,
            status: Status::Idle,
            daemon: None,
            made_dir: false,
            spent: false,
            rolled_back: self.is_rolled_back(),
            fork: Some(fork),
            house: None,
            serves: false,
            last_error: None,
            view: ViewRecord { read_only, ..self.record.view },
            ..from
        }
    }

    fn report_of_fork(&self, record: &WorkspaceRecord, head: &Head) -> ForkReport {
        let short = |name: &String| name.trim_start_matches("refs/heads/").to_owned();
        ForkReport {
            schema: FORK_SCHEMA.to_owned(),
            workspace: record.id.to_string(),
            of: self.id().to_string(),
            dir: record.dir.display().to_string(),
            branch: record.branch.as_ref().map(short),
            head: head.tip().map(|tip| tip.to_string()),
            inherited: self.count_inherited(),
        }
    }

    fn count_inherited(&self) -> Option<Changes> {
        if self.overlay.read().len() > COUNTED {
            return None;
        }
        self.plan().ok().map(|plan| super::seal::count(&plan))
    }

    /// The full name of the branch that the fork's commits go to.
    fn branch_of_fork(&self, wanted: Option<&str>) -> Result<Option<String>, Failure> {
        let Some(name) = wanted else { return Ok(self.record.branch.clone()) };
        let name = name.strip_prefix("refs/heads/").unwrap_or(name);
        let full = format!("refs/heads/{name}");
        let refuse = |why: &str| {
            let what = format!("cannot begin the branch {name}: {why}");
            Err(Failure::new(Kind::Usage, what)
                .fix("name another one with --branch, or deliver to the same with --same-branch"))
        };
        if !is_branch_name(&full) {
            return refuse("git takes no branch of that name");
        }
        if self.repo.read_ref(&format!("refs/remotes/origin/{name}"))?.is_some() {
            return refuse("the remote has it already");
        }
        if self.repo.read_ref(&full)?.is_some() {
            return refuse("the workspace has it already");
        }
        Ok(Some(full))
    }

    /// Where the remote's `branch` stands, and what it has of ours, as far as is known here.
    fn known_of_fork(&self, branch: Option<&str>) -> Result<(Option<Oid>, Option<Oid>), Failure> {
        let states = self.outbox.states()?;
        let Some(state) = states.into_iter().find(|state| Some(&*state.refname) == branch) else {
            return Ok((None, self.delivered()?));
        };
        match state.remote {
            Known::At(oid) => Ok((Some(oid), state.delivered)),
            Known::Absent | Known::Unknown => Ok((None, state.delivered)),
        }
    }

    /// Whether this is a fork in which nothing was done: it has nothing of its own to deliver. What it
    /// began with is delivered where somebody says so, with a message of its own.
    pub(super) fn is_as_forked(&self, request: &FlushRequest) -> Result<bool, Failure> {
        let Some(fork) = &self.record.fork else { return Ok(false) };
        if request.message.is_some() || !self.files_are_as_forked(fork.seq) {
            return Ok(false);
        }
        Ok(self.repo.head()?.tip() == fork.head && self.own_branches_are(fork.head)?)
    }

    fn own_branches_are(&self, tip: Option<Oid>) -> Result<bool, Failure> {
        let Some(branch) = &self.record.branch else { return Ok(true) };
        Ok(self.repo.read_ref(branch)? == tip)
    }

    fn files_are_as_forked(&self, seq: Seq) -> bool {
        let (now, replayed) = self.opened_at;
        // A body is written to without a record, once it has no other name any more.
        let has_body = |index: &crate::overlay::Index| {
            let is_body = |data: &NodeData| matches!(data, NodeData::Regular(FileData::Body(_)));
            index.iter().any(|(_, node)| is_body(&node.data))
        };
        replayed <= seq && self.overlay.seq() == now && !has_body(&self.overlay.read())
    }
}
