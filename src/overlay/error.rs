use crate::journal::JournalError;
use std::io;
use std::path::PathBuf;

/// What can go wrong with the overlay.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// The journal refused or failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file body or its folder failed.
    #[error("{}: {source}", path.display())]
    Content {
        /// The body or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The journal has no root directory: it was never created whole.
    #[error("the journal holds no root directory")]
    NoRoot,
}

impl OverlayError {
    /// Why the overlay takes no more changes, if that is the error.
    pub fn latched(&self) -> Option<&str> {
        match self {
            Self::Journal(JournalError::Latched(why)) => Some(why),
            _ => None,
        }
    }

    /// The system's error behind it, where there is one.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Journal(JournalError::Io { source, .. }) | Self::Content { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}
