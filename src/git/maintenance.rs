use super::process::Call;
use super::{Git, GitError, Result};
use std::ffi::OsString;
use std::fs::read_dir;
use std::io::ErrorKind;
use std::path::Path;

/// From so many packs on they are put together. Each one costs every reader a look, and gix has
/// room for a fixed number of them.
const PACKS_MAX: usize = 50;

/// Maintenance
impl Git {
    /// Puts small packs together when there are many; alternates are left alone, and so is every
    /// object, reachable or not. True when something was done.
    ///
    /// Git fsyncs the new pack before it removes the old ones. Handles that have the old ones open
    /// go on reading them.
    pub fn consolidate(&self) -> Result<bool> {
        let dir = self.gitdir().join("objects/pack");
        if count_packs(&dir).map_err(GitError::io(format!("list {}", dir.display())))? < PACKS_MAX {
            return Ok(false);
        }
        let args = ["repack", "--geometric=2", "-d", "-l", "-q", "--no-write-bitmap-index"];
        let args = args.into_iter().map(OsString::from).collect();
        self.run(&Call { args, ..Call::default() })?.success()?;
        Ok(true)
    }
}

/// Removes indexes of packs that are not there, which power loss may leave: what they list would count
/// as stored.
pub fn remove_orphan_indexes(gitdir: &Path) -> Result<()> {
    let dir = gitdir.join("objects/pack");
    let failed = || GitError::io(format!("look through {}", dir.display()));
    let entries = match read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed())?,
    };
    for entry in entries {
        let path = entry.map_err(failed())?.path();
        let is_index = path.extension().is_some_and(|extension| extension == "idx");
        if is_index && !path.with_extension("pack").exists() {
            tracing::info!(path = %path.display(), "removed the index of a pack that is gone");
            std::fs::remove_file(&path).map_err(failed())?;
        }
    }
    Ok(())
}

fn count_packs(dir: &Path) -> std::io::Result<usize> {
    let entries = match read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let is_pack = |name: OsString| name.to_string_lossy().ends_with(".pack");
    Ok(entries.flatten().filter(|entry| is_pack(entry.file_name())).count())
}
