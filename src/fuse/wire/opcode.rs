//! Numbers of linux/fuse.h. Pure.

macro_rules! numbers {
    ($($name:ident = $number:literal),* $(,)?) => {
        $(pub(in crate::fuse::wire) const $name: u32 = $number;)*
    };
}

numbers! {
    LOOKUP = 1, GETATTR = 3, SETATTR = 4, READLINK = 5, SYMLINK = 6, MKNOD = 8, MKDIR = 9,
    UNLINK = 10, RMDIR = 11, RENAME = 12, LINK = 13, OPEN = 14, READ = 15, WRITE = 16, STATFS = 17,
    RELEASE = 18, FSYNC = 20, SETXATTR = 21, GETXATTR = 22, LISTXATTR = 23, REMOVEXATTR = 24,
    FLUSH = 25, OPENDIR = 27, READDIR = 28, RELEASEDIR = 29, FSYNCDIR = 30, CREATE = 35,
    FALLOCATE = 43, READDIRPLUS = 44, RENAME2 = 45, LSEEK = 46, COPY_FILE_RANGE = 47,
}

/// What SETATTR changes.
pub(super) mod fattr {
    numbers! {
        MODE = 1, UID = 2, GID = 4, SIZE = 8, ATIME = 16, MTIME = 32, ATIME_NOW = 128,
        MTIME_NOW = 256,
    }
}
