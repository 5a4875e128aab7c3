//! Refs that power loss left without a value, or without the object that they name.

use crate::git::{GitError, Repo, Result};
use crate::types::Oid;
use std::path::{Path, PathBuf};

impl Repo {
    /// Removes the files of refs below `dir` (`refs/remotes`) that lead nowhere: where there is one,
    /// git fetches nothing. For refs that only repeat what a remote has.
    pub fn remove_dangling_refs(&self, dir: &str) -> Result<()> {
        let failed = || GitError::io(format!("look through {dir}"));
        for path in files_below(&self.gitdir().join(dir)).map_err(failed())? {
            if !self.leads_somewhere(&path) {
                tracing::info!(path = %path.display(), "removed a ref without its commit");
                std::fs::remove_file(&path).map_err(failed())?;
            }
        }
        Ok(())
    }

    /// Whether a ref is symbolic, or its object is here. Locks are somebody else's business.
    fn leads_somewhere(&self, path: &Path) -> bool {
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        let Ok(text) = std::fs::read(path) else { return true };
        let object = Oid::from_hex(text.trim_ascii_end());
        is_lock || text.starts_with(b"ref: ") || object.is_ok_and(|oid| self.exists(oid))
    }
}

/// All files below `dir`; none when it is missing.
pub fn files_below(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut files, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let found = if entry.file_type()?.is_dir() { &mut dirs } else { &mut files };
            found.push(entry.path());
        }
    }
    Ok(files)
}
