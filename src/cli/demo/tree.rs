//! What stands below a folder, for comparison: bytes, the executable bit, links.

use crate::daemon::{Failure, show_path};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// By path from the root; `.git` is not looked at.
pub struct Tree(BTreeMap<PathBuf, Entry>);

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    File { executable: bool, content: Vec<u8> },
    Link(PathBuf),
}

impl Tree {
    /// Reads everything below `root`.
    pub fn read(root: &Path) -> Result<Self, Failure> {
        let mut found = BTreeMap::new();
        let mut pending = vec![root.to_owned()];
        while let Some(dir) = pending.pop() {
            let failed = || Failure::io(format!("cannot read {}", dir.display()));
            for entry in std::fs::read_dir(&dir).map_err(failed())? {
                let path = entry.map_err(failed())?.path();
                let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
                if name == Path::new(".git") {
                    continue;
                }
                let entry = Entry::read(&path).map_err(failed())?;
                if entry == Entry::Directory {
                    pending.push(path);
                }
                found.insert(name, entry);
            }
        }
        Ok(Self(found))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What is not the same in `other`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differs = |name: &&PathBuf| self.0.get(*name) != other.0.get(*name);
        let show = |name: &PathBuf| show_path(name.as_os_str().as_bytes());
        names.into_iter().filter(differs).map(show).collect()
    }
}

impl Entry {
    fn read(path: &Path) -> std::io::Result<Self> {
        let meta = std::fs::symlink_metadata(path)?;
        if meta.is_dir() {
            return Ok(Self::Directory);
        }
        if meta.is_symlink() {
            return Ok(Self::Link(std::fs::read_link(path)?));
        }
        let executable = meta.permissions().mode() & 0o100 != 0;
        Ok(Self::File { executable, content: std::fs::read(path)? })
    }
}
