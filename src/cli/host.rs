//! What every command needs of this host: its directories and the list of workspaces.

use super::args::Global;
use crate::daemon::Failure;
use crate::registry::{Directories, Registry};
use crate::sys::{Disk, OsDisk};
use std::sync::Arc;

/// The directories, opened.
pub struct Host {
    /// Where things are.
    pub directories: Directories,
    /// Which workspaces there are.
    pub registry: Registry,
    /// How bytes become durable.
    pub disk: Arc<dyn Disk>,
}

impl Host {
    /// Finds the directories and opens the list.
    pub fn open(global: &Global) -> Result<Self, Failure> {
        let directories = Directories::of_process(global.directories())?;
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::default());
        let registry = Registry::open(&directories.state, disk.clone())?;
        Ok(Self { directories, registry, disk })
    }
}
