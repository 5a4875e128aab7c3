use crate::types::Oid;
use std::io;
use std::path::PathBuf;

/// Result of this room.
pub type Result<T, E = GitError> = std::result::Result<T, E>;

/// Everything that can go wrong with a repository or with the `git` program.
///
/// Messages that came from a remote or a child are redacted and free of terminal escapes before
/// they get here.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The object is not in the repository (nor in its alternates).
    #[error("object {0} is not in the repository")]
    NotFound(Oid),
    /// The object is there but cannot be read as what it should be.
    #[error("object {oid} is corrupt: {why}")]
    Corrupt {
        /// The object.
        oid: Oid,
        /// What is wrong with it.
        why: String,
    },
    /// A compare-and-swap lost: the ref has another value than expected.
    #[error("ref {name} moved to {}", actual.map_or("nothing".to_owned(), |oid| oid.to_string()))]
    RefMoved {
        /// Full name of the ref.
        name: String,
        /// What it points to now; None when it does not exist.
        actual: Option<Oid>,
    },
    /// A ref could not be read, or its name is none.
    #[error("ref {name}: {why}")]
    Ref {
        /// Full name of the ref.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no usable repository at this place on the local disk.
    #[error("cannot open the repository {}: {why}", gitdir.display())]
    Open {
        /// The git directory.
        gitdir: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A filter that git would run on a path cannot be run.
    #[error("cannot filter {}: {why}", path.escape_ascii())]
    Filter {
        /// Path in the repository.
        path: Vec<u8>,
        /// What is wrong with it.
        why: String,
    },
    /// Trees could not be merged, for another reason than a conflict.
    #[error("cannot merge: {0}")]
    Merge(String),
    /// The remote did not answer.
    #[error("{0}")]
    Unreachable(String),
    /// The remote wants other credentials.
    #[error("{0}")]
    Credentials(String),
    /// The remote is there but has no such repository.
    #[error("{0}")]
    NoSuchRepository(String),
    /// The remote has the repository, but no such branch or tag.
    #[error("{0}")]
    NoSuchBranch(String),
    /// The remote, or git, refused to do it.
    #[error("{0}")]
    Refused(String),
    /// The installed git is older than 2.39, or knows not what it was asked for.
    #[error("git is too old: {0}")]
    TooOld(String),
    /// A child did not finish in time, and was killed.
    #[error("git {what} took longer than {seconds} s")]
    Timeout {
        /// The subcommand.
        what: String,
        /// The deadline.
        seconds: u64,
    },
    /// A child was stopped because somebody asked for it.
    #[error("git {what} was stopped")]
    Cancelled {
        /// The subcommand.
        what: String,
    },
    /// A child failed in a way that no other kind describes.
    #[error("git {what} failed ({status}): {message}")]
    Process {
        /// The subcommand.
        what: String,
        /// How it ended: exit code or signal.
        status: String,
        /// What it said, shortened.
        message: String,
    },
    /// The local disk, or starting a child.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, and on what.
        what: String,
        /// The cause.
        source: io::Error,
    },
}

impl GitError {
    /// For `map_err`: says what was tried when an I/O error came.
    pub fn io<S: Into<String>>(what: S) -> impl FnOnce(io::Error) -> GitError {
        let what = what.into();
        move |source| GitError::Io { what, source }
    }
}
