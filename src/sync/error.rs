use crate::git::GitError;
use std::io;
use std::path::{Path, PathBuf};

/// Result of this room.
pub type Result<T, E = SyncError> = std::result::Result<T, E>;

/// What goes wrong on this side of the network. What the remote does wrong is an outcome, see
/// [`PushOutcome`](super::PushOutcome).
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The queue's files.
    #[error("push queue {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The queue was written by a newer toft.
    #[error("push queue {}: its format {format} is newer than this toft", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        format: u32,
    },
    /// Another push of the same branch is running and did not end in time.
    #[error("another push of {refname} is still running")]
    Busy {
        /// Full name of the ref.
        refname: String,
    },
    /// The local repository.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl SyncError {
    /// For `map_err`: says which file it was.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> SyncError {
        let path = path.to_owned();
        move |source| SyncError::Io { path, source }
    }
}
