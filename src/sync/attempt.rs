//! One attempt to bring one commit to the remote: decide, act, look again, until it is there or
//! cannot go on.

use super::ledger::Known;
use super::merge::Merge;
use super::outcome::{Conflicting, Settled};
use super::pusher::Target;
use super::reconcile::{Facts, Relation, Step, decide};
use super::record::lane_name;
use super::{Delivery, Wait, backoff};
use crate::git::{
    ConflictPath, Depth, FetchOptions, Git, GitError, PushResult, PushUpdate, Repo, Result,
};
use crate::sys::Reason;
use crate::types::Oid;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How many races may be lost in a row. Each round takes as long as a push, so another writer has
/// to win as often in all that time.
const RACES_MAX: u32 = 100;
/// How often a server may fail to move a ref that nobody else moves.
const STUCK_MAX: u32 = 6;
/// How often a push is repeated whose answer was lost.
const LOST_ANSWERS_MAX: u32 = 2;
/// How often a push is repeated that the server said it took, and shows no trace of.
const DOUBTS_MAX: u32 = 2;
/// How often the name of a side branch may be taken by another push.
const SIDE_BRANCH_TRIES: u32 = 5;
/// History that is fetched before all of it is, in commits.
const DEEPEN_BY: u32 = 200;

pub(super) struct Attempt<'a> {
    pub(super) target: &'a Target,
    pub(super) delivery: &'a Delivery,
    pub(super) wait: &'a Wait<'a>,
    /// Where the remote's ref stands, as far as we know by now.
    pub(super) remote: Known,
    /// How often another writer was faster.
    pub(super) races: u32,
    stuck: u32,
    lost_answers: u32,
    doubts: u32,
    deepened: u32,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(target: &'a Target, delivery: &'a Delivery, wait: &'a Wait<'a>) -> Self {
        let remote = delivery.ledger.remote;
        let (races, stuck, lost_answers, doubts, deepened) = (0, 0, 0, 0, 0);
        Self { target, delivery, wait, remote, races, stuck, lost_answers, doubts, deepened }
    }

    /// Credentials that are refused are asked for once more: a token may have expired, and whoever
    /// keeps it, a helper or a file, has learned or been given a new one.
    pub(super) fn run(&mut self) -> Result<Settled> {
        match self.settle() {
            Err(GitError::Credentials(_)) => self.settle(),
            settled => settled,
        }
    }

    fn settle(&mut self) -> Result<Settled> {
        loop {
            match decide(&self.facts()?) {
                Step::Done(tip) => {
                    self.track(tip);
                    return Ok(Settled::At(tip));
                }
                Step::Look => self.look(Depth::Default)?,
                Step::Deepen => self.deepen()?,
                Step::Push(expected) => self.push(self.ours(), expected)?,
                Step::Merge { base, theirs } => match self.merge(base, theirs)? {
                    Ok(merged) => self.push_merged(merged, theirs)?,
                    Err(paths) => return self.aside(theirs, Conflicting::Paths(paths)),
                },
                Step::AsideRewritten(theirs) => return self.aside(theirs, Conflicting::Rewritten),
                Step::AsideUnrelated(theirs) => return self.aside(theirs, Conflicting::Unrelated),
            }
        }
    }

    fn facts(&self) -> Result<Facts> {
        let (repo, ours) = (self.repo(), self.ours());
        let delivered = self.delivery.ledger.delivered;
        let mut facts = Facts {
            remote: self.remote,
            relation: Relation::Ahead,
            rewritten: false,
            from_nothing: delivered.is_none(),
            shallow: self.deepened < 2 && is_shallow(repo),
        };
        let Known::At(theirs) = self.remote else { return Ok(facts) };
        if !repo.exists(theirs) {
            facts.remote = Known::Unknown;
            return Ok(facts);
        }
        facts.relation = match repo.merge_base(ours, theirs)? {
            Some(base) if base == ours => Relation::Contained,
            Some(base) if base == theirs => Relation::Ahead,
            base => Relation::Diverged(base),
        };
        if let (Some(delivered), Relation::Diverged(_)) = (delivered, facts.relation) {
            // One that is not even here cannot be below our tip.
            facts.rewritten = !repo.exists(delivered) || !repo.is_ancestor(delivered, ours)?;
        }
        Ok(facts)
    }

    /// Fetches the remote's ref, by a ref of our own: nobody else moves that, and it keeps the
    /// commit from being collected as garbage.
    fn look(&mut self, depth: Depth) -> Result<()> {
        let refname = &self.delivery.record.refname;
        let seen = format!("refs/toft/upstream/{}", lane_name(refname));
        // What others changed stays where it is, as all the rest does.
        let blobless = self.repo().is_partial();
        let options = FetchOptions { depth, blobless, ..FetchOptions::default() };
        match self.git()?.fetch(&self.target.url, &[format!("+{refname}:{seen}")], &options) {
            Ok(()) => {}
            Err(GitError::NoSuchBranch(_)) => {
                self.remote = Known::Absent;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        // git syncs its packs and not their names, and a branch may be moved to what they hold.
        let packs = self.repo().gitdir().join("objects/pack");
        let named = self.target.disk.fsync_dir(&packs, Reason::Objects);
        named.map_err(GitError::io("make what was fetched durable"))?;
        self.repo().refresh();
        self.remote = self.repo().read_ref(&seen)?.map_or(Known::Unknown, Known::At);
        if let Known::At(tip) = self.remote {
            self.track(tip);
        }
        Ok(())
    }

    fn deepen(&mut self) -> Result<()> {
        self.deepened += 1;
        self.look(if self.deepened == 1 { Depth::Deepen(DEEPEN_BY) } else { Depth::Unshallow })
    }

    /// Pushes `new`, which descends from `expected`; what is known of the remote afterwards tells
    /// how it went.
    fn push(&mut self, new: Oid, expected: Option<Oid>) -> Result<()> {
        let refname = self.delivery.record.refname.clone();
        match self.push_ref(refname, new, expected) {
            Ok(PushResult::Ok | PushResult::UpToDate) => self.see(new),
            Ok(PushResult::Refused(reason)) => Err(GitError::Refused(reason)),
            Ok(PushResult::Race) => self.lost_race(expected),
            Err(error) => self.lost_answer(error),
        }
    }

    /// The server said that its ref is at `new` now. Work is deleted here on the strength of that, so
    /// it has to show it, too.
    fn see(&mut self, new: Oid) -> Result<()> {
        let refname = &self.delivery.record.refname;
        let asked = self.git().and_then(|git| git.ls_refs(&self.target.url, refname));
        let shows = asked.map(|shown| shown.get(refname) == Some(new)).unwrap_or_else(|error| {
            tracing::debug!(%error, "the remote took the push and could not be asked again");
            true
        });
        if shows {
            self.remote = Known::At(new);
            return Ok(());
        }
        self.remote = Known::Unknown;
        self.doubts += 1;
        if self.doubts > DOUBTS_MAX {
            let what = "the server accepts the push, and its branch does not move";
            return Err(GitError::Refused(what.to_owned()));
        }
        self.pause(self.doubts)?;
        // Others may have been quick; then what they pushed contains ours.
        self.look(Depth::Default)
    }

    fn pause(&self, count: u32) -> Result<()> {
        let pause = backoff::race_delay(count, RandomState::new().hash_one(count));
        match self.wait.cancel.wait(pause) {
            true => Err(GitError::Cancelled { what: "push".to_owned() }),
            false => Ok(()),
        }
    }

    fn push_ref(&self, refname: String, new: Oid, expected: Option<Oid>) -> Result<PushResult> {
        let update = PushUpdate { new, refname, expected };
        let mut results = self.git()?.push(&self.target.url, &[update])?;
        results.pop().ok_or_else(|| GitError::Refused("no answer".to_owned()))
    }

    /// As [`Attempt::push`]; our own commit is in the merge, so that nothing is left to do then.
    fn push_merged(&mut self, merged: Oid, theirs: Oid) -> Result<()> {
        self.repo().refresh();
        self.push(merged, Some(theirs))
    }

    /// Another writer was faster, or has the lock: after a moment, see what came of it.
    fn lost_race(&mut self, expected: Option<Oid>) -> Result<()> {
        self.races += 1;
        self.pause(self.races)?;
        self.look(Depth::Default)?;
        let moved = self.remote != expected.map_or(Known::Absent, Known::At);
        self.stuck = if moved { 0 } else { self.stuck + 1 };
        if self.stuck >= STUCK_MAX {
            return Err(GitError::Refused("the server keeps failing to move the ref".to_owned()));
        }
        if self.races >= RACES_MAX {
            let why = "other writers move the branch faster than we can merge";
            return Err(GitError::Unreachable(why.to_owned()));
        }
        Ok(())
    }

    /// A push failed in a way that tells nothing about the remote: ask before it is repeated.
    fn lost_answer(&mut self, error: GitError) -> Result<()> {
        let unknown = matches!(
            error,
            GitError::Unreachable(_) | GitError::Timeout { .. } | GitError::Process { .. }
        );
        self.lost_answers += 1;
        if !unknown || self.look(Depth::Default).is_err() {
            return Err(error);
        }
        let arrived = matches!(decide(&self.facts()?), Step::Done(_));
        if arrived || self.lost_answers <= LOST_ANSWERS_MAX { Ok(()) } else { Err(error) }
    }

    fn merge(
        &self,
        base: Option<Oid>,
        theirs: Oid,
    ) -> Result<std::result::Result<Oid, Vec<ConflictPath>>> {
        self.bring_changed(base, theirs)?;
        let merge = Merge {
            refname: &self.delivery.record.refname,
            base,
            ours: self.ours(),
            theirs,
            workspace: &self.target.workspace,
            now: self.wait.clock.now(),
        };
        merge.commit(self.repo(), &*self.target.disk)
    }

    /// Brings the contents that a merge may look at, where they are on the remote only: of all
    /// paths that one side changed, as a renamed file is known by what it holds.
    fn bring_changed(&self, base: Option<Oid>, theirs: Oid) -> Result<()> {
        let repo = self.repo();
        if !repo.is_partial() {
            return Ok(());
        }
        let tree = |commit| repo.commit(commit).map(|commit| commit.tree);
        let base = base.map(tree).transpose()?;
        let mut blobs = repo.changed_blobs(base, Some(tree(self.ours())?))?;
        blobs.extend(repo.changed_blobs(base, Some(tree(theirs)?))?);
        blobs.sort();
        blobs.dedup();
        repo.refresh_if_stale();
        let missing = repo.missing(&blobs);
        if !missing.is_empty() {
            self.git()?.fetch_objects(&self.target.url, &missing)?;
            repo.refresh();
        }
        Ok(())
    }

    /// Puts our commit on a side branch, the same one when this is tried again or when it goes on
    /// from a commit that is there.
    fn aside(&mut self, theirs: Oid, why: Conflicting) -> Result<Settled> {
        let prefix = format!("refs/heads/toft/conflict/{}/", self.target.workspace);
        for _ in 0..SIDE_BRANCH_TRIES {
            let taken = self.git()?.ls_refs(&self.target.url, &prefix)?.refs;
            let (branch, expected) = self.side_branch(&prefix, &taken)?;
            if expected == Some(self.ours()) {
                return Ok(Settled::Aside { branch, theirs, why });
            }
            match self.push_ref(branch.clone(), self.ours(), expected)? {
                // Whether it is there, the next look tells.
                PushResult::Ok | PushResult::UpToDate | PushResult::Race => {}
                PushResult::Refused(reason) => {
                    let what = "the commit is in conflict, and the side branch was refused";
                    return Err(GitError::Refused(format!("{what}: {reason}")));
                }
            }
        }
        Err(GitError::Refused(format!("no branch under {prefix} could be made")))
    }

    /// The side branch to use, and where it stands.
    fn side_branch(&self, prefix: &str, taken: &[(String, Oid)]) -> Result<(String, Option<Oid>)> {
        if let Some((name, oid)) = taken.iter().find(|(_, oid)| *oid == self.ours()) {
            return Ok((name.clone(), Some(*oid)));
        }
        if let Some(open) = &self.delivery.ledger.conflict {
            let before = (open.branch.clone(), open.record.new);
            let repo = self.repo();
            if taken.contains(&before)
                && repo.exists(before.1)
                && repo.is_ancestor(before.1, self.ours())?
            {
                return Ok((before.0, Some(before.1)));
            }
        }
        let numbers = taken.iter().filter_map(|(name, _)| name.strip_prefix(prefix)?.parse().ok());
        let next = numbers.max().unwrap_or(0_u64) + 1;
        Ok((format!("{prefix}{next}"), None))
    }

    /// Moves the remote-tracking branch, for those who look at it; we rely on it for nothing.
    fn track(&self, tip: Oid) {
        let Some(branch) = self.delivery.record.refname.strip_prefix("refs/heads/") else { return };
        let name = format!("refs/remotes/origin/{branch}");
        let moved = self.repo().read_ref(&name).and_then(|current| {
            if current == Some(tip) {
                return Ok(());
            }
            self.repo().cas_ref(&*self.target.disk, &name, tip, current, "toft: push")
        });
        if let Err(error) = moved {
            tracing::debug!(%error, "the remote-tracking branch was left behind");
        }
    }

    /// git, with the time that is left.
    fn git(&self) -> Result<Git> {
        let left = self.wait.left();
        if left == Some(Duration::ZERO) {
            return Err(GitError::Timeout { what: "push".to_owned(), seconds: 0 });
        }
        let git = Git::new(self.repo().gitdir(), self.target.credential.clone())
            .partial(self.repo().is_partial());
        Ok(git.timeout(left).cancelled_by(self.wait.cancel.clone()))
    }

    fn repo(&self) -> &'a Repo {
        &self.target.repo
    }

    fn ours(&self) -> Oid {
        self.delivery.record.new
    }
}

fn is_shallow(repo: &Repo) -> bool {
    std::fs::metadata(repo.gitdir().join("shallow")).is_ok_and(|file| file.len() > 0)
}
