use super::guard::Refusal;
use crate::base::BaseError;
use crate::git::GitError;
use std::io;

/// Why no commit was made. Nothing is lost: the workspace is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Guards refuse.
    #[error("refused: {}", summary(.0))]
    Refused(Vec<Refusal>),
    /// A part of the base cannot be read, so nobody can tell what changed.
    #[error("cannot read the base at '{}': {source}", path.escape_ascii())]
    Base {
        /// Path in the repository.
        path: Vec<u8>,
        /// The cause.
        source: BaseError,
    },
    /// A file of the overlay cannot be read.
    #[error("cannot read '{}': {source}", path.escape_ascii())]
    Body {
        /// Path in the repository.
        path: Vec<u8>,
        /// The cause.
        source: io::Error,
    },
    /// Directories are nested deeper than git allows (core.maxTreeDepth).
    #[error("'{}...' is nested deeper than git allows (2048)", path[..path.len().min(80)].escape_ascii())]
    TooDeep {
        /// Path in the repository.
        path: Vec<u8>,
    },
    /// The branch moved again and again while we sealed.
    #[error("{name} keeps moving; try again")]
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
