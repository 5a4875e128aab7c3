use std::path::{Path, PathBuf};

/// Where the files of one workspace are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspacePaths(PathBuf);

impl WorkspacePaths {
    pub(super) fn new(root: PathBuf) -> Self {
        Self(root)
    }

    /// The directory that holds all of them, and the overlay's `journal/` and `bodies/`.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The record.
    pub fn record(&self) -> PathBuf {
        self.0.join("workspace.json")
    }

    /// The file that whoever serves the workspace holds locked.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The workspace's own git directory.
    pub fn gitdir(&self) -> PathBuf {
        self.0.join("gitdir")
    }

    /// The push queue.
    pub fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }

    /// What the daemon logs.
    pub fn log(&self) -> PathBuf {
        self.0.join("daemon.log")
    }
}
