use super::Holder;
use crate::types::WorkspaceId;
use std::io;
use std::path::{Path, PathBuf};

/// Result of this room.
pub type Result<T, E = RegistryError> = std::result::Result<T, E>;

/// What can go wrong with the list of workspaces.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record that cannot be understood.
    #[error("{}: {why}", path.display())]
    Corrupt {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such workspace.
    #[error("there is no workspace {0} here")]
    NoSuchWorkspace(WorkspaceId),
    /// Another live mount has it (exit code 75).
    #[error("the workspace is held by another mount ({0})")]
    Held(Holder),
    /// Others may write to a directory that must be ours alone.
    #[error("{}: {why}", path.display())]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// Who else gets in, and what to do.
        why: String,
    },
    /// There is no place for our files: neither a home directory nor an override.
    #[error("no home directory: set TOFT_STATE_DIR, TOFT_CACHE_DIR and TOFT_RUNTIME_DIR")]
    NoHome,
}

impl RegistryError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// For `map_err` of [`crate::sys::make_private_dir`]: its own refusals carry no system error.
    pub(super) fn private(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| match source.raw_os_error() {
            Some(_) => Self::Io { path: path.to_owned(), source },
            None => Self::Unsafe { path: path.to_owned(), why: source.to_string() },
        }
    }

    pub(super) fn corrupt(path: &Path, why: impl ToString) -> Self {
        Self::Corrupt { path: path.to_owned(), why: why.to_string() }
    }
}
