use crate::git::GitError;
use crate::types::Oid;
use std::io;

/// Why something of the base cannot be read. None is ENOENT to a program: unreadable is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The content is on the remote, and can be called from there (`Base::call`).
    #[error("blob {0} is not here yet")]
    Away(Oid),
    /// The content is on the remote, and does not come.
    #[error("blob {oid} is on the remote only: {source}")]
    Unavailable {
        /// The blob.
        oid: Oid,
        /// Why it does not come.
        source: Unavailable,
    },
    /// The object is not on this host.
    #[error("object {0} is missing")]
    Missing(Oid),
    /// The object is here but damaged.
    #[error("object {oid} is corrupt: {why}")]
    Corrupt {
        /// The object.
        oid: Oid,
        /// What is wrong with it.
        why: String,
    },
    /// It could not be read this time.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, and on what.
        what: String,
        /// The cause.
        source: io::Error,
    },
}

/// Why the remote does not give what it keeps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// It began to answer and fell silent.
    #[error("{0}")]
    TimedOut(String),
    /// It lets us do nothing.
    #[error("{0}")]
    Denied(String),
    /// It says no to this.
    #[error("{0}")]
    Refused(String),
}

impl From<GitError> for Unavailable {
    fn from(error: GitError) -> Self {
        match error {
            GitError::Unreachable(why) => Self::Unreachable(why),
            GitError::Timeout { .. } | GitError::Cancelled { .. } => {
                Self::TimedOut(error.to_string())
            }
            GitError::Credentials(why) | GitError::NoSuchRepository(why) => Self::Denied(why),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl BaseError {
    pub(super) fn io<S: Into<String>>(what: S) -> impl FnOnce(io::Error) -> BaseError {
        let what = what.into();
        move |source| BaseError::Io { what, source }
    }
}

impl From<GitError> for BaseError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::NotFound(oid) => BaseError::Missing(oid),
            GitError::Corrupt { oid, why } => BaseError::Corrupt { oid, why },
            GitError::Io { what, source } => BaseError::Io { what, source },
            other => {
                BaseError::Io { what: "read the base".into(), source: io::Error::other(other) }
            }
        }
    }
}
