use std::io;
use std::path::PathBuf;

/// What can go wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A read or write failed; nothing was appended.
    #[error("{}: {source}", path.display())]
    Io {
        /// The segment or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Damage before the end of the log, where a crash cannot have made it.
    #[error("{}: damaged at byte {offset}: {why}", path.display())]
    Corrupt {
        /// The segment.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong there.
        why: &'static str,
    },
    /// The segment was written by a newer toft.
    #[error("{}: format {version} is newer than this toft understands", path.display())]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The payload is over [`super::FRAME_MAX`].
    #[error("record of {0} bytes is too large")]
    TooLarge(usize),
    /// An earlier fsync or repair failed; the log takes no more records.
    #[error("the journal is read-only since an earlier failure: {0}")]
    Latched(String),
}

impl JournalError {
    pub(super) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
