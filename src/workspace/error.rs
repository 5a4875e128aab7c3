use crate::base::{BaseError, Unavailable};
use crate::overlay::OverlayError;
use crate::sys::is_disk_full;
use crate::types::{Ino, Name, NameError, Oid};
use std::io;

/// Why a file operation is refused or failed. Each has one errno, see `fuse::errno`.
#[derive(Debug, thiserror::Error)]
pub enum FsError {
    /// Nothing has this name.
    #[error("no entry '{name}' in inode {}", dir.0)]
    NotFound {
        /// The directory that was searched.
        dir: Ino,
        /// The name.
        name: Name,
    },
    /// The directory was removed; nothing can be made in it.
    #[error("directory {} was removed", .0.0)]
    Removed(Ino),
    /// The inode number is not one that this mount gave out, or it is forgotten.
    #[error("inode {} is not known", .0.0)]
    Stale(Ino),
    /// The file handle is not open.
    #[error("file handle {0} is not open")]
    BadHandle(u64),
    /// The name is taken.
    #[error("'{name}' exists in inode {}", dir.0)]
    Exists {
        /// The directory.
        dir: Ino,
        /// The name.
        name: Name,
    },
    /// The base has an entry of this name that is not shown because it is hostile or malformed.
    #[error("'{name}' is taken by a hidden entry of the base in inode {}", dir.0)]
    Hidden {
        /// The directory.
        dir: Ino,
        /// The name.
        name: Name,
    },
    /// A directory is needed.
    #[error("inode {} is not a directory", .0.0)]
    NotDirectory(Ino),
    /// Anything but a directory is needed.
    #[error("inode {} is a directory", .0.0)]
    IsDirectory(Ino),
    /// The directory holds entries.
    #[error("directory {} is not empty", .0.0)]
    NotEmpty(Ino),
    /// The name is longer than 255 bytes, or a symlink's target than a path may be.
    #[error("name too long")]
    NameTooLong,
    /// The arguments make no sense together.
    #[error("{0}")]
    Invalid(&'static str),
    /// The operation is not permitted on this inode, whoever asks.
    #[error("{0}")]
    NotPermitted(&'static str),
    /// The view is mounted read-only, or the overlay takes no changes any more.
    #[error("read-only: {0}")]
    ReadOnly(String),
    /// The file has as many names as it may have.
    #[error("inode {} has too many links", .0.0)]
    TooManyLinks(Ino),
    /// A seek for data or a hole beyond the end.
    #[error("no data or hole after offset {0}")]
    BeyondEnd(u64),
    /// The extended attribute is not there.
    #[error("no such extended attribute")]
    NoXattr,
    /// Extended attributes outside `user.` are not kept.
    #[error("extended attributes of this kind are not supported")]
    XattrUnsupported,
    /// The extended attribute's value is too large.
    #[error("extended attribute value is too large")]
    XattrTooLarge,
    /// All extended attributes of the inode together would be too large.
    #[error("no space for more extended attributes on inode {}", .0.0)]
    XattrNoSpace(Ino),
    /// The extended attribute exists, and it must not.
    #[error("extended attribute exists")]
    XattrExists,
    /// Two base entries have one inode number: this one cannot be shown.
    #[error("inode number {} stands for two entries of the base", .0.0)]
    Collision(Ino),
    /// The content is on the remote; [`super::Workspace::when_here`] tells when to try again.
    /// Nothing happened.
    #[error("content {0} is not here yet")]
    Away(Oid),
    /// The content is on the remote, and does not come.
    #[error("content {oid} is on the remote only: {source}")]
    Unavailable {
        /// The blob.
        oid: Oid,
        /// Why it does not come.
        source: Unavailable,
    },
    /// The base's object is missing or damaged.
    #[error(transparent)]
    Base(BaseError),
    /// The overlay could not record the change; nothing happened.
    #[error(transparent)]
    Overlay(OverlayError),
    /// The disk below refused.
    #[error("file body: {0}")]
    Disk(#[from] io::Error),
    /// Somebody still uses it.
    #[error("in use: {0}")]
    Busy(&'static str),
    /// A path of a merge is not what the merge was made from; nothing happened.
    #[error("'{}' changed meanwhile", path.escape_ascii())]
    Changed {
        /// The path, from the root of the mount.
        path: Vec<u8>,
    },
}

impl FsError {
    /// Whether the disk below, or a quota on it, is full.
    pub(super) fn is_no_room(&self) -> bool {
        let source = match self {
            Self::Disk(error) => Some(error),
            Self::Overlay(error) => error.io(),
            _ => None,
        };
        source.is_some_and(is_disk_full)
    }

    /// The file `.git` at the root is toft's own.
    pub(super) fn gitfile() -> Self {
        Self::NotPermitted("'.git' at the root belongs to toft")
    }
}

impl From<BaseError> for FsError {
    fn from(error: BaseError) -> Self {
        match error {
            BaseError::Away(oid) => Self::Away(oid),
            BaseError::Unavailable { oid, source } => Self::Unavailable { oid, source },
            other => Self::Base(other),
        }
    }
}

impl From<OverlayError> for FsError {
    fn from(error: OverlayError) -> Self {
        match error.latched() {
            Some(why) => Self::ReadOnly(why.to_owned()),
            None => Self::Overlay(error),
        }
    }
}

impl From<NameError> for FsError {
    fn from(error: NameError) -> Self {
        match error {
            NameError::TooLong => Self::NameTooLong,
            NameError::Invalid => Self::Invalid("not a file name"),
        }
    }
}

impl From<rustix::io::Errno> for FsError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Disk(errno.into())
    }
}
