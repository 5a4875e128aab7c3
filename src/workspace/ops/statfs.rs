use crate::types::NAME_MAX;
use crate::workspace::{FsError, Workspace};

/// What statfs(2) tells: the disk that the workspace's state is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FsStat {
    /// Size in units of `fragment`.
    pub blocks: u64,
    /// Free for root.
    pub free: u64,
    /// Free for anybody.
    pub available: u64,
    /// Inodes.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// Good size for transfers.
    pub block_size: u32,
    /// Unit of the counts.
    pub fragment: u32,
    /// Longest name.
    pub name_max: u32,
}

impl Workspace {
    /// The state of the disk below.
    pub fn statfs(&self) -> Result<FsStat, FsError> {
        let below = rustix::fs::statvfs(&self.config.state_dir)?;
        let size = |bytes| u32::try_from(bytes).unwrap_or(4096);
        Ok(FsStat {
            blocks: below.f_blocks,
            free: below.f_bfree,
            available: below.f_bavail,
            files: below.f_files,
            files_free: below.f_ffree,
            block_size: size(below.f_bsize),
            fragment: size(below.f_frsize),
            name_max: u32::try_from(NAME_MAX).unwrap_or(255),
        })
    }
}
