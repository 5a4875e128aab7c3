//! The errno of every error. Exhaustive, so that a new error forces a decision.

use crate::workspace::{FsError, Unavailable};
use libc::c_int;
use std::io;

/// What the caller of the system call sees.
pub fn errno(error: &FsError) -> c_int {
    match error {
        FsError::NotFound { .. } => libc::ENOENT,
        FsError::Removed(_) => libc::ENOENT,
        FsError::Stale(_) => libc::ESTALE,
        FsError::BadHandle(_) => libc::EBADF,
        FsError::Exists { .. } => libc::EEXIST,
        // The name is not there to be seen, yet it is taken: making it would hide or replace an
        // entry that the base has.
        FsError::Hidden { .. } => libc::EEXIST,
        FsError::NotDirectory(_) => libc::ENOTDIR,
        FsError::IsDirectory(_) => libc::EISDIR,
        FsError::NotEmpty(_) => libc::ENOTEMPTY,
        FsError::NameTooLong => libc::ENAMETOOLONG,
        FsError::Invalid(_) => libc::EINVAL,
        FsError::NotPermitted(_) => libc::EPERM,
        FsError::ReadOnly(_) => libc::EROFS,
        FsError::TooManyLinks(_) => libc::EMLINK,
        FsError::BeyondEnd(_) => libc::ENXIO,
        FsError::NoXattr => libc::ENODATA,
        FsError::XattrUnsupported => libc::EOPNOTSUPP,
        FsError::XattrTooLarge => libc::E2BIG,
        FsError::XattrNoSpace(_) => libc::ENOSPC,
        FsError::XattrExists => libc::EEXIST,
        FsError::Collision(_) => libc::EIO,
        // Whoever asks again is answered when it is here.
        FsError::Away(_) => libc::EAGAIN,
        FsError::Unavailable { source, .. } => match source {
            Unavailable::Unreachable(_) => libc::EHOSTUNREACH,
            Unavailable::TimedOut(_) => libc::ETIMEDOUT,
            Unavailable::Denied(_) | Unavailable::Refused(_) => libc::EIO,
        },
        // Missing or damaged is not "no such file": nothing may take it for deleted.
        FsError::Base(_) => libc::EIO,
        FsError::Overlay(error) => error.io().map_or(libc::EIO, disk_errno),
        FsError::Disk(error) => disk_errno(error),
        FsError::Busy(_) => libc::EBUSY,
        // Only a merge sees it; no system call does.
        FsError::Changed { .. } => libc::EAGAIN,
    }
}

/// What the disk below said, where it means the same to the caller; all else is EIO.
fn disk_errno(error: &io::Error) -> c_int {
    match error.raw_os_error() {
        Some(
            code @ (libc::ENOSPC
            | libc::EDQUOT
            | libc::EFBIG
            | libc::EINVAL
            | libc::EOPNOTSUPP
            | libc::ENXIO
            | libc::EROFS
            | libc::ENOMEM
            | libc::ENFILE),
        ) => code,
        // Our own table of files is full, not the caller's.
        Some(libc::EMFILE) => libc::ENFILE,
        _ => libc::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_such_and_a_lost_body_is_not_a_missing_file() {
        let disk = |code| errno(&FsError::Disk(io::Error::from_raw_os_error(code)));
        assert_eq!(disk(libc::ENOSPC), libc::ENOSPC);
        assert_eq!(disk(libc::EDQUOT), libc::EDQUOT);
        assert_eq!(disk(libc::ENOENT), libc::EIO);
        assert_eq!(disk(libc::EMFILE), libc::ENFILE);
    }
}
