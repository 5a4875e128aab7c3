use crate::git::GitError;
use crate::types::HashKind;
use std::io;
use std::path::{Path, PathBuf};

/// Result of this room.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a source cannot be mounted, or its store not be made.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The text is no source.
    #[error("{0}")]
    Source(String),
    /// A secret stands in the URL, where it would get into lists, logs and configuration.
    #[error(
        "there is a password or token in the URL: use a git credential helper, or --credential file:PATH"
    )]
    SecretInUrl,
    /// The part behind the colon of `URL#ref:subdir`.
    #[error("mounting only the folder '{0}' of a repository is not supported yet")]
    Subdirectory(String),
    /// A local path where nothing is.
    #[error("there is no repository at {}", .0.display())]
    NoSuchPath(PathBuf),
    /// The remote has no such branch or tag.
    #[error("the remote has no branch '{name}'{}", listed(near))]
    NoSuchBranch {
        /// What was asked for.
        name: String,
        /// Branches that it has.
        near: Vec<String>,
    },
    /// The remote does not say which of its branches is the one.
    #[error(
        "the remote names no branch that exists as its default; choose one by -b{}",
        listed(near)
    )]
    NoDefaultBranch {
        /// Branches that it has.
        near: Vec<String>,
    },
    /// The remote has no such commit, or does not give it.
    #[error("the remote has no commit '{0}'")]
    NoSuchCommit(String),
    /// The remote was made anew with another hash.
    #[error("{} holds {have} objects and the remote now has {want}; remove that folder", path.display())]
    HashChanged {
        /// The store.
        path: PathBuf,
        /// The store's hash.
        have: HashKind,
        /// The remote's hash.
        want: HashKind,
    },
    /// The disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The remote, the network, or the objects.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl StoreError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; it has: {}", names.join(", ")) }
}
