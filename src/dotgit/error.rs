use crate::git::GitError;
use std::io;
use std::path::{Path, PathBuf};

/// Result of this room.
pub type Result<T, E = DotgitError> = std::result::Result<T, E>;

/// What can go wrong with a workspace's git directory.
#[derive(Debug, thiserror::Error)]
pub enum DotgitError {
    /// The disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An index file that cannot be understood.
    #[error("{}: {why}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: IndexError,
    },
    /// More files than an index is made for.
    #[error("the commit holds more than {limit} files or folders")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The object database or the refs.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Why bytes are no index that we read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It ends too early.
    #[error("the index is cut off")]
    CutOff,
    /// No index at all.
    #[error("this is no index")]
    Magic,
    /// A version that git does not have yet.
    #[error("index version {0} is not known")]
    Version(u32),
    /// The hash at its end is not that of its bytes.
    #[error("the index is damaged: its checksum is wrong")]
    Checksum,
    /// An entry or extension that no git writes.
    #[error("the index is damaged: {0}")]
    Malformed(&'static str),
    /// Split and sparse indexes.
    #[error("the index uses '{0}', which toft does not read")]
    Unsupported(String),
}

impl DotgitError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
