//! What a push came to. Pure.

use super::backoff::Patience;
use super::ledger::{Failure, Known, Ledger, OpenConflict, Verdict};
use super::record::Record;
use crate::git::{ConflictPath, GitError};
use crate::types::{Oid, Timespec};

/// What became of one ref.
#[derive(Debug)]
pub struct RefPushed {
    /// Full name of the ref.
    pub refname: String,
    /// Our commit.
    pub ours: Oid,
    /// What became of it.
    pub outcome: PushOutcome,
}

/// What became of a commit that was to be pushed. It is on the remote, or it is queued.
#[derive(Debug)]
pub enum PushOutcome {
    /// The remote's ref contains it.
    Pushed {
        /// Where the ref stands. Not our commit itself: others pushed too, and this one holds both
        /// sides; it is here as well, and the local branch can be moved forward to it.
        tip: Oid,
    },
    /// It could not be merged, and is on a side branch of the remote.
    Conflict {
        /// Full name of the side branch.
        branch: String,
        /// Where the remote's ref stands.
        theirs: Oid,
        /// What is in conflict.
        why: Conflicting,
    },
    /// Nobody answered, or something else went wrong that may pass.
    Queued {
        /// What went wrong.
        error: GitError,
        /// Wall-clock time of the next attempt.
        retry_at: Timespec,
    },
    /// The remote refused it: a hook, a protected branch, a quota.
    Refused {
        /// What the remote said.
        reason: String,
        /// Wall-clock time of the next attempt.
        retry_at: Timespec,
    },
    /// The remote wants other credentials.
    Credentials {
        /// What git said.
        message: String,
        /// Wall-clock time of the next attempt.
        retry_at: Timespec,
    },
}

/// Why two commits cannot become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflicting {
    /// Both sides changed these paths.
    Paths(Vec<ConflictPath>),
    /// Our commit has lost one that the remote has: the history here was rewritten (D9).
    Rewritten,
    /// They have no common ancestor.
    Unrelated,
}

/// The end of an attempt.
pub(super) enum Settled {
    /// The remote's ref stands here, and contains our commit.
    At(Oid),
    /// On a side branch.
    Aside { branch: String, theirs: Oid, why: Conflicting },
}

/// What the ledger keeps of an attempt with `record`.
pub(super) fn verdict(
    result: &Result<Settled, GitError>,
    record: &Record,
    remote: Known,
) -> Verdict {
    match result {
        Ok(Settled::At(tip)) => Verdict::Delivered { remote: *tip },
        Ok(Settled::Aside { branch, theirs, why }) => {
            let paths = match why {
                Conflicting::Paths(paths) => paths.iter().map(|path| path.path.clone()).collect(),
                Conflicting::Rewritten | Conflicting::Unrelated => Vec::new(),
            };
            let (record, branch, theirs) = (record.clone(), branch.clone(), *theirs);
            Verdict::Conflict(OpenConflict { record, branch, theirs, paths })
        }
        Err(error) => {
            Verdict::Failed { remote, patience: patience(error), message: error.to_string() }
        }
    }
}

/// What the caller is told, when `ledger` is what was remembered.
pub(super) fn outcome(result: Result<Settled, GitError>, ledger: &Ledger) -> PushOutcome {
    let retry_at = ledger.failure.as_ref().map(Failure::next).unwrap_or_default();
    match result {
        Ok(Settled::At(tip)) => PushOutcome::Pushed { tip },
        Ok(Settled::Aside { branch, theirs, why }) => PushOutcome::Conflict { branch, theirs, why },
        Err(GitError::Credentials(message)) => PushOutcome::Credentials { message, retry_at },
        Err(GitError::Refused(reason)) => PushOutcome::Refused { reason, retry_at },
        Err(error) => PushOutcome::Queued { error, retry_at },
    }
}

fn patience(error: &GitError) -> Patience {
    match error {
        GitError::Credentials(_)
        | GitError::Refused(_)
        | GitError::NoSuchRepository(_)
        | GitError::TooOld(_) => Patience::Human,
        _ => Patience::Network,
    }
}
