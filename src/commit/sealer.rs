//! Plan and seal: the walk, the guards, the commit, the ref.

use super::change::{ChangeKind, PathChange, Skipped};
use super::error::CommitError;
use super::guard::{Allow, Facts, refusals};
use super::message::{Trailers, message};
use super::walk::{Found, TrackedPaths, ViewDir, Walk};
use crate::base::Base;
use crate::git::{CommitSpec, GitError, Head, ObjectWriter};
use crate::overlay::Freeze;
use crate::sys::{Clock, Disk};
use crate::types::{BodyId, Ino, Oid, TreeMode};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How often a seal starts over when the branch moves under it.
const TRIES: usize = 5;
/// Stack of the walk: directories may be nested 2048 deep.
const STACK: usize = 64 << 20;

/// Seals one workspace.
pub struct Sealer {
    base: Arc<Base>,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    mount_dir: PathBuf,
    hashes: Hashes,
}

/// Ids of bodies that were hashed before, by version, so that a second status is cheap.
#[derive(Default)]
pub(super) struct Hashes(Mutex<HashMap<BodyId, (u64, Oid)>>);

impl Hashes {
    pub fn get(&self, id: BodyId, version: u64) -> Option<Oid> {
        self.0.lock().get(&id).filter(|(seen, _)| *seen == version).map(|(_, oid)| *oid)
    }

    pub fn put(&self, id: BodyId, version: u64, oid: Oid) {
        self.0.lock().insert(id, (version, oid));
    }
}

/// What a seal would hold.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tree of the view.
    pub tree: Oid,
    /// HEAD's tree; the empty tree before the first commit.
    pub head_tree: Oid,
    /// What differs, in byte order of the paths.
    pub changes: Vec<PathChange>,
    /// What is left out although git could hold it.
    pub skipped: Vec<Skipped>,
}

/// What is wanted of a seal.
#[derive(Clone, Debug)]
pub struct SealRequest {
    /// The user's message.
    pub message: Option<String>,
    /// Trailers of the message.
    pub trailers: Trailers,
    /// The branch that is mounted, `refs/heads/x`.
    pub mounted_branch: String,
    /// Guards that are switched off.
    pub allow: Allow,
    /// Which paths git tracks.
    pub tracked: TrackedPaths,
    /// What git is in the middle of, e.g. "a merge".
    pub operation: Option<String>,
}

/// What came of a seal.
#[derive(Clone, Debug)]
pub enum Sealed {
    /// The view is HEAD's tree already.
    Nothing {
        /// HEAD's commit.
        head: Option<Oid>,
    },
    /// A commit was made, durably, and HEAD's branch points to it.
    Commit {
        /// The commit.
        oid: Oid,
        /// Full name of the branch.
        branch: String,
        /// What was HEAD before.
        parent: Option<Oid>,
        /// What the commit holds.
        plan: Plan,
    },
}

impl Sealer {
    /// For the workspace whose view is mounted at `mount_dir` (absolute; it is never touched).
    pub fn new(
        base: Arc<Base>,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        mount_dir: PathBuf,
    ) -> Self {
        Self { base, disk, clock, mount_dir, hashes: Hashes::default() }
    }

    /// What a seal of `freeze` would hold. Writes nothing.
    pub fn plan(
        &self,
        freeze: &Freeze,
        head: &Head,
        tracked: &TrackedPaths,
    ) -> Result<Plan, CommitError> {
        let mut writer = self.base.repo().dry_writer();
        let (plan, _) = self.walk(freeze, head, tracked, &mut writer, true)?;
        Ok(plan)
    }

    /// Makes a commit of `freeze` on HEAD's branch, unless nothing changed or a guard refuses.
    pub fn seal(&self, freeze: &Freeze, request: &SealRequest) -> Result<Sealed, CommitError> {
        let mut moved = None;
        for _ in 0..TRIES {
            match self.try_seal(freeze, request) {
                Err(CommitError::Git(GitError::RefMoved { name, .. })) => moved = Some(name),
                other => return other,
            }
        }
        Err(CommitError::Busy { name: moved.unwrap_or_default() })
    }

    fn try_seal(&self, freeze: &Freeze, request: &SealRequest) -> Result<Sealed, CommitError> {
        let repo = self.base.repo();
        let head = repo.head()?;
        let mut writer = repo.writer();
        let (plan, found) = self.walk(freeze, &head, &request.tracked, &mut writer, false)?;
        if plan.tree == plan.head_tree && (head.tip().is_some() || plan.changes.is_empty()) {
            return Ok(Sealed::Nothing { head: head.tip() });
        }
        let branch = match &head {
            Head::Branch { name, .. } => Some(name.clone()),
            Head::Detached(_) => None,
        };
        let now = branch.clone().unwrap_or_else(|| "no branch (detached)".to_owned());
        let other = (now != request.mounted_branch).then(|| (request.mounted_branch.clone(), now));
        let facts = Facts {
            changes: &plan.changes,
            tracked_count: self.count_tracked(&plan)?,
            big: &found.big,
            secrets: &found.secrets,
            hostile: &found.hostile,
            other_branch: other,
            operation: request.operation.clone(),
        };
        let refused = refusals(&facts, &request.allow);
        if !refused.is_empty() {
            return Err(CommitError::Refused(refused));
        }
        let name = branch.ok_or_else(|| GitError::Ref {
            name: "HEAD".to_owned(),
            why: "it is detached: switch to a branch first".to_owned(),
        })?;
        let oid = self.write_commit(&plan, head.tip(), request, writer)?;
        let subject = format!("commit (toft): {}", plan.changes.len());
        repo.cas_ref(&*self.disk, &name, oid, head.tip(), &subject)?;
        Ok(Sealed::Commit { oid, branch: name, parent: head.tip(), plan })
    }

    fn write_commit(
        &self,
        plan: &Plan,
        parent: Option<Oid>,
        request: &SealRequest,
        mut writer: ObjectWriter,
    ) -> Result<Oid, CommitError> {
        let (author, committer) = self.base.repo().identity().sign(self.clock.now());
        let oid = writer.commit(&CommitSpec {
            tree: plan.tree,
            parents: parent.into_iter().collect(),
            author,
            committer,
            message: message(request.message.as_deref(), &plan.changes, &request.trailers),
        })?;
        writer.finish(&*self.disk)?;
        Ok(oid)
    }

    fn walk(
        &self,
        freeze: &Freeze,
        head: &Head,
        tracked: &TrackedPaths,
        writer: &mut ObjectWriter,
        dry: bool,
    ) -> Result<(Plan, Found), CommitError> {
        let repo = self.base.repo();
        let head_tree = match head.tip() {
            Some(tip) => Some(repo.commit(tip)?.tree),
            None => None,
        };
        let mut walk = Walk {
            base: &self.base,
            freeze,
            tracked,
            writer,
            excludes: repo.excludes()?,
            filters: repo.filters()?,
            hashes: &self.hashes,
            mount_dir: &self.mount_dir,
            dry,
            found: Found::default(),
            path: Vec::new(),
            depth: 0,
        };
        let root = freeze.node(Ino::ROOT).and_then(|node| node.directory().cloned());
        let root = root.expect("an overlay is opened only with a root directory");
        let tree = on_deep_stack(|| walk.directory(ViewDir::of(&root), head_tree, false))?;
        let mut found = std::mem::take(&mut walk.found);
        let tree = match tree {
            Some(tree) => tree,
            None => walk.writer.tree(Vec::new())?,
        };
        found.changes.sort_by(|a, b| a.path.cmp(&b.path));
        let plan = Plan {
            tree,
            head_tree: head_tree.unwrap_or_else(|| repo.empty_tree()),
            changes: std::mem::take(&mut found.changes),
            skipped: std::mem::take(&mut found.skipped),
        };
        Ok((plan, found))
    }

    /// Files in HEAD's tree, counted only as far as the guards need: past twice the deletions it
    /// makes no difference how many more there are.
    fn count_tracked(&self, plan: &Plan) -> Result<usize, CommitError> {
        let deleted = plan.changes.iter().filter(|change| change.kind == ChangeKind::Deleted);
        let enough = 2 * deleted.count() + 1;
        let mut count = 0;
        let mut queue = vec![plan.head_tree];
        while let Some(oid) = queue.pop().filter(|_| count < enough) {
            let tree = self.base.tree(oid);
            let tree = tree.map_err(|source| CommitError::Base { path: Vec::new(), source })?;
            for entry in &tree.entries {
                match entry.mode {
                    TreeMode::Tree => queue.push(entry.oid),
                    _ => count += 1,
                }
            }
        }
        Ok(count)
    }
}

/// Runs `work` on a thread of its own whose stack is deep enough for the deepest tree.
fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let thread = thread.expect("a thread can be started");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
