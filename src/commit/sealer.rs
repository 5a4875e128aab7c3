//! The one place that makes commits.

use super::change::{Leaf, PathChange, Skipped};
use super::content::{HashCache, Options};
use super::diff::diff;
use super::error::CommitError;
use super::guard::{self, Allow, Facts, Guard};
use super::leaves::Leaves;
use super::message::{self, Trailers};
use super::plan::{self, Made, Plan};
use super::tracked::{IndexEntry, TrackedPaths};
use super::view::View;
use crate::base::Base;
use crate::git::{CommitSpec, GitError, Head, ObjectWriter, RefValue, Repo};
use crate::overlay::Freeze;
use crate::sys::{Clock, Disk, beside};
use crate::types::Oid;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;

/// How often a seal starts over because HEAD was moved meanwhile.
const ATTEMPTS: u32 = 5;

/// Makes the commits of one workspace.
pub struct Sealer {
    base: Arc<Base>,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    mount_dir: PathBuf,
    hashes: Mutex<Arc<HashCache>>,
}

/// What is wanted of a seal.
#[derive(Clone, Debug, Default)]
pub struct SealRequest {
    /// What somebody wrote (`-m`).
    pub message: Option<String>,
    /// Trailers of the message.
    pub trailers: Trailers,
    /// Full name of the branch that was mounted.
    pub mounted_branch: String,
    /// Power loss took the files back, and HEAD is none of our commits.
    pub rolled_back: bool,
    /// Guards that somebody overruled.
    pub allow: Allow,
}

/// The workspace at one moment, to be taken after HEAD was read: then everything that HEAD holds
/// is in the freeze, and a seal cannot take it back.
pub struct Cut {
    /// The files.
    pub freeze: Freeze,
    /// What git tracks.
    pub tracked: TrackedPaths,
    /// What git is in the middle of, as a clause ("a merge is in progress").
    pub operation: Option<String>,
}

/// Shows a seal the workspace.
pub trait Look {
    /// What can go wrong with that.
    type Error: From<CommitError>;

    /// Takes the cut; asked again when HEAD moved while the commit was made.
    fn look(&mut self, head: &Head) -> Result<Cut, Self::Error>;

    /// The commit is stored and the branch is about to move: makes sure that the cut is durable, keeps
    /// others from moving the branch or the index until the seal returns. False: somebody did already;
    /// the seal starts over.
    fn settle(&mut self, _head: &Head, _cut: &Cut) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

impl<F, E> Look for F
where
    F: FnMut(&Head) -> Result<Cut, E>,
    E: From<CommitError>,
{
    type Error = E;

    fn look(&mut self, head: &Head) -> Result<Cut, E> {
        self(head)
    }
}

/// A commit that no branch is at yet.
struct Stored<'a> {
    value: RefValue<'a>,
    branch: String,
    parent: Option<Oid>,
    subject: String,
    plan: Box<Plan>,
}

/// What came of a seal.
#[derive(Clone, Debug)]
pub enum Sealed {
    /// The view is HEAD's tree already.
    Nothing {
        /// HEAD's commit.
        head: Option<Oid>,
        /// What cannot be in a commit.
        skipped: Vec<Skipped>,
    },
    /// A commit was made, durably, and HEAD's branch is at it.
    Commit {
        /// The commit.
        oid: Oid,
        /// Full name of the branch.
        branch: String,
        /// What the branch was at before; None: this is its first commit.
        parent: Option<Oid>,
        /// The first line of the message.
        subject: String,
        /// What the commit holds.
        plan: Box<Plan>,
    },
}

impl Sealer {
    /// Seals into the repository behind `base` what is mounted at `mount_dir` (absolute; never
    /// touched).
    pub fn new(
        base: Arc<Base>,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        mount_dir: PathBuf,
    ) -> Self {
        Self { base, disk, clock, mount_dir, hashes: Mutex::default() }
    }

    /// What a seal would commit on top of `head`, which is to be read before the freeze is taken.
    /// Stores nothing.
    pub fn plan(
        &self,
        freeze: &Freeze,
        head: &Head,
        tracked: &TrackedPaths,
    ) -> Result<Plan, CommitError> {
        Ok(self.make(freeze, head, tracked, false, &Allow::default())?.plan)
    }

    /// Commits the view on top of HEAD, unless the two are equal or a guard refuses. Returns the cut
    /// that it looked at, too.
    ///
    /// Where somebody moved HEAD or the index while the commit was made, it looks again.
    pub fn seal<L: Look>(
        &self,
        request: &SealRequest,
        look: &mut L,
    ) -> Result<(Sealed, Cut), L::Error> {
        let mut moved = "the index".to_owned();
        for _ in 0..ATTEMPTS {
            let head = self.repo().head().map_err(CommitError::from)?;
            let cut = look.look(&head)?;
            let Made { plan, writer, .. } =
                self.make(&cut.freeze, &head, &cut.tracked, true, &request.allow)?;
            if plan.is_clean() {
                let nothing = Sealed::Nothing { head: head.tip(), skipped: plan.skipped };
                return Ok((nothing, cut));
            }
            self.ask_guards(request, &head, &cut, &plan)?;
            let commit = self.store(request, &head, plan, writer)?;
            if !look.settle(&head, &cut)? {
                continue;
            }
            match self.move_branch(&head, commit) {
                Ok(sealed) => return Ok((sealed, cut)),
                Err(GitError::RefMoved { name, .. }) => {
                    tracing::info!(name, "moved while a commit was made; once more");
                    moved = name;
                }
                Err(error) => return Err(CommitError::from(error).into()),
            }
        }
        Err(CommitError::Busy { name: moved }.into())
    }

    /// The paths that differ between two trees.
    pub fn difference(&self, old: Oid, new: Oid) -> Result<Vec<PathChange>, CommitError> {
        diff(&self.base, b"", Some(old), Some(new))
    }

    /// What is tracked when the index stands for exactly the tree `index`.
    pub fn tracked_tree(&self, head: &Head, index: Oid) -> Result<TrackedPaths, CommitError> {
        let changes = diff(&self.base, b"", self.tree_of(head)?, Some(index))?;
        Ok(TrackedPaths::changed(changes))
    }

    /// What is tracked when the index holds `entries`.
    pub fn tracked_entries(
        &self,
        head: &Head,
        entries: impl IntoIterator<Item = IndexEntry>,
    ) -> Result<TrackedPaths, CommitError> {
        let leaves: Vec<(_, Leaf)> = match self.tree_of(head)? {
            Some(tree) => Leaves::new(&self.base, b"", tree).collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        Ok(TrackedPaths::compare(leaves, entries))
    }

    fn ask_guards(
        &self,
        request: &SealRequest,
        head: &Head,
        cut: &Cut,
        plan: &Plan,
    ) -> Result<(), CommitError> {
        let lost = guard::lost_files(&plan.changes).len();
        let facts = Facts {
            changes: &plan.changes,
            tracked_count: self.count_tracked(plan.head_tree, 2 * lost + 1)?,
            big: &plan.big_files,
            secrets: &plan.secrets,
            hostile: &plan.hostile,
            head,
            mounted_branch: &request.mounted_branch,
            operation: cut.operation.as_deref(),
            rolled_back: request.rolled_back,
        };
        let refusals = guard::refusals(&facts, &request.allow);
        if refusals.is_empty() { Ok(()) } else { Err(CommitError::Refused(refusals)) }
    }

    /// Makes the commit durable, and beside it what the branch is to say.
    fn store(
        &self,
        request: &SealRequest,
        head: &Head,
        plan: Plan,
        mut writer: ObjectWriter,
    ) -> Result<Stored<'_>, CommitError> {
        let Head::Branch { name, tip: parent } = head.clone() else {
            let why = "it is on no branch".to_owned();
            return Err(GitError::Ref { name: "HEAD".to_owned(), why }.into());
        };
        let message =
            message::message(request.message.as_deref(), &plan.changes, &request.trailers);
        let subject = String::from_utf8_lossy(&message).lines().next().unwrap_or("").to_owned();
        let (author, committer) = self.repo().identity().sign(self.clock.now());
        let parents = Vec::from_iter(parent);
        let spec = CommitSpec { tree: plan.tree, parents, author, committer, message };
        let oid = writer.commit(&spec)?;
        let mut value = self.repo().ref_value(&*self.disk, oid)?;
        let (value_synced, stored) =
            beside(|| self.repo().sync_value(&mut value), || writer.finish(&*self.disk));
        stored.and(value_synced)?;
        Ok(Stored { value, branch: name, parent, subject, plan: Box::new(plan) })
    }

    fn move_branch(&self, head: &Head, commit: Stored<'_>) -> Result<Sealed, GitError> {
        self.still_at(head)?;
        let Stored { value, branch, parent, subject, plan } = commit;
        let oid = value.oid();
        let kind = if parent.is_some() { "commit (toft)" } else { "commit (initial, toft)" };
        let message = format!("{kind}: {subject}");
        self.repo().move_ref(&branch, value, parent, &message)?;
        Ok(Sealed::Commit { oid, branch, parent, subject, plan })
    }

    /// Whoever switched branches meanwhile left the old branch where it was: the compare-and-swap
    /// would not notice that the files are those of another one.
    fn still_at(&self, head: &Head) -> Result<(), GitError> {
        let now = self.repo().head()?;
        if now == *head {
            return Ok(());
        }
        let actual = now.tip();
        Err(GitError::RefMoved { name: "HEAD".to_owned(), actual })
    }

    fn make(
        &self,
        freeze: &Freeze,
        head: &Head,
        tracked: &TrackedPaths,
        store: bool,
        allow: &Allow,
    ) -> Result<Made, CommitError> {
        let now = self.clock.now();
        let options = Options { store, big_files: allow.has(Guard::BigFile), now };
        let known = self.hashes.lock().clone();
        let view = View { freeze, base: &self.base, mount_dir: &self.mount_dir };
        let made = plan::make(view, self.tree_of(head)?, tracked, options, known)?;
        *self.hashes.lock() = made.hashes.clone();
        Ok(made)
    }

    fn tree_of(&self, head: &Head) -> Result<Option<Oid>, CommitError> {
        let commit = head.tip().map(|tip| self.repo().commit(tip)).transpose()?;
        Ok(commit.map(|commit| commit.tree))
    }

    /// How many files `tree` has, as far as `limit`.
    fn count_tracked(&self, tree: Oid, limit: usize) -> Result<usize, CommitError> {
        let leaves = Leaves::new(&self.base, b"", tree).take(limit);
        leaves.map(|leaf| leaf.map(|_| 1)).sum()
    }

    fn repo(&self) -> &Repo {
        self.base.repo()
    }
}
