//! Big blobs: brought into a file once, however many ask for them.

use super::shelf::Shelf;
use super::{BaseError, Blob};
use crate::git::Repo;
use crate::sys::locks::{Condvar, Mutex};
use crate::types::Oid;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Brings blobs into files; a blob that is on its way already is waited for. (All of them are on
/// this host.)
pub(super) struct Spill {
    dir: PathBuf,
    /// Where other workspaces find them, too.
    shelf: Option<Shelf>,
    on_the_way: Mutex<HashSet<Oid>>,
    arrived: Condvar,
}

impl Spill {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, shelf: None, on_the_way: Mutex::default(), arrived: Condvar::new() }
    }

    pub(super) fn share(&mut self, dir: PathBuf) {
        self.shelf = Some(Shelf::new(dir));
    }

    /// The content of `oid`: from `cached` when it is there by now, else read and given to `keep`.
    pub(super) fn fetch(
        &self,
        repo: &Repo,
        oid: Oid,
        cached: impl Fn() -> Option<Blob>,
        keep: impl Fn(&Blob),
    ) -> Result<Blob, BaseError> {
        let mut on_the_way = self.on_the_way.lock();
        while on_the_way.contains(&oid) {
            self.arrived.wait(&mut on_the_way);
        }
        if let Some(blob) = cached() {
            return Ok(blob);
        }
        on_the_way.insert(oid);
        drop(on_the_way);
        let result = self.read(repo, oid);
        if let Ok(blob) = &result {
            keep(blob);
        }
        self.on_the_way.lock().remove(&oid);
        self.arrived.notify_all();
        result
    }

    fn read(&self, repo: &Repo, oid: Oid) -> Result<Blob, BaseError> {
        match self.shelf.as_ref().map(|shelf| from_shelf(shelf, repo, oid)) {
            Some(Ok(blob)) => return Ok(blob),
            // A cache that is full, read-only or gone is no reason to show nothing.
            Some(Err(error)) => tracing::debug!(%oid, %error, "not cached for others"),
            None => {}
        }
        let file = nameless_file(&self.dir).map_err(BaseError::io(format!(
            "make room for blob {oid} in {}",
            self.dir.display()
        )))?;
        let len = repo.blob_to_file(oid, &file)?;
        Ok(Blob::File(Arc::new(file), len))
    }
}

fn from_shelf(shelf: &Shelf, repo: &Repo, oid: Oid) -> Result<Blob, BaseError> {
    let (file, len) = match shelf.take(repo, oid) {
        Some(found) => found,
        None => shelf
            .put(oid, |file| repo.blob_to_file(oid, file))
            .map_err(BaseError::io(format!("keep blob {oid}")))??,
    };
    Ok(Blob::File(Arc::new(file), len))
}

fn nameless_file(dir: &Path) -> io::Result<File> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    std::fs::create_dir_all(dir)?;
    loop {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("blob-{}-{number}", std::process::id()));
        let mut options = OpenOptions::new();
        match options.read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
