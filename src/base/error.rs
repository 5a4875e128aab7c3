use crate::git::GitError;
use crate::types::Oid;
use std::io;

/// Why something of the base cannot be read. All are EIO to a program: unreadable is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
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
