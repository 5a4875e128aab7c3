//! What everything here needs of this host: its directories, the list of workspaces, disk, clock.

use super::failure::Failure;
use crate::registry::{Directories, DirectoryOverrides, Registry};
use crate::sys::{Clock, Disk, OsClock, OsDisk, make_private_dir};
use std::sync::Arc;

/// The directories, opened.
#[derive(Clone)]
pub struct Host {
    /// Where things are.
    pub directories: Directories,
    /// Which workspaces there are.
    pub registry: Registry,
    /// How bytes become durable.
    pub disk: Arc<dyn Disk>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Host {
    /// Finds the directories of this process and opens the list.
    pub fn open(overrides: DirectoryOverrides) -> Result<Self, Failure> {
        Self::at(Directories::of_process(overrides)?)
    }

    /// Opens the list in known directories.
    pub fn at(directories: Directories) -> Result<Self, Failure> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::default());
        let registry = Registry::open(&directories.state, disk.clone())?;
        let runtime = &directories.runtime;
        make_private_dir(runtime)
            .map_err(Failure::io(format!("cannot use the directory {}", runtime.display())))?;
        Ok(Self { directories, registry, disk, clock: Arc::new(OsClock::new()) })
    }

    /// The control socket of a workspace.
    pub fn socket(&self, id: &crate::types::WorkspaceId) -> std::path::PathBuf {
        self.directories.runtime.join(format!("{id}.sock"))
    }
}
