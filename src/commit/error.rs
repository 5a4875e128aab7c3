use super::guard::Refusal;
use crate::base::BaseError;
use crate::git::GitError;
use std::io;

/// Why no commit was made. Nothing is lost with any of them: the workspace holds everything.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Guards refused; all their reasons.
    #[error("refused: {}", summary(.0))]
    Refused(Vec<Refusal>),
    /// The base could not be read, and what cannot be read is not deleted.
    #[error("cannot read the base at '{}': {source}", path.escape_ascii())]
    Base {
        /// Path in the repository; empty for the root.
        path: Vec<u8>,
        /// The cause.
        source: BaseError,
    },
    /// A file of the overlay could not be read.
    #[error("cannot read '{}': {source}", path.escape_ascii())]
    Body {
        /// Path in the repository.
        path: Vec<u8>,
        /// The cause.
        source: io::Error,
    },
    /// HEAD moved each time before the commit was in place.
    #[error("{name} keeps moving while a commit is made")]
    Busy {
        /// Full name of the ref.
        name: String,
    },
    /// The repository failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

fn summary(refusals: &[Refusal]) -> String {
    refusals.iter().map(|refusal| refusal.why.as_str()).collect::<Vec<_>>().join("; ")
}
