//! Open files and directories.

use super::FsError;
use super::content::Content;
use super::view::Listed;
use crate::sys::locks::{AtomicBool, AtomicU64, Mutex, Ordering, RwLock};
use crate::types::{Fh, Ino};
use std::collections::HashMap;
use std::sync::Arc;

/// An open file. All handles of an inode show the same bytes.
pub(super) struct OpenFile {
    pub ino: Ino,
    /// Where the bytes were found last; believed only while the index still says so.
    pub content: Mutex<Option<Content>>,
    /// Whether it was written through this handle.
    pub wrote: AtomicBool,
}

/// An open directory.
pub(super) struct OpenDir {
    pub ino: Ino,
    /// What the directory held when reading began.
    pub listing: Mutex<Option<Arc<[Listed]>>>,
}

enum Handle {
    File(Arc<OpenFile>),
    Dir(Arc<OpenDir>),
}

/// All open handles.
#[derive(Default)]
pub(super) struct Handles {
    open: RwLock<HashMap<Fh, Handle>>,
    last: AtomicU64,
    closed_after_write: AtomicU64,
}

impl Handles {
    pub fn open_file(&self, ino: Ino) -> Fh {
        self.insert(Handle::File(Arc::new(OpenFile {
            ino,
            content: Mutex::new(None),
            wrote: AtomicBool::new(false),
        })))
    }

    pub fn open_dir(&self, ino: Ino) -> Fh {
        self.insert(Handle::Dir(Arc::new(OpenDir { ino, listing: Mutex::new(None) })))
    }

    pub fn file(&self, fh: Fh) -> Result<Arc<OpenFile>, FsError> {
        match self.open.read().get(&fh) {
            Some(Handle::File(file)) => Ok(file.clone()),
            Some(Handle::Dir(_)) | None => Err(FsError::BadHandle(fh.0)),
        }
    }

    pub fn dir(&self, fh: Fh) -> Result<Arc<OpenDir>, FsError> {
        match self.open.read().get(&fh) {
            Some(Handle::Dir(dir)) => Ok(dir.clone()),
            Some(Handle::File(_)) | None => Err(FsError::BadHandle(fh.0)),
        }
    }

    /// Closes the handle; returns whose it was.
    pub fn close(&self, fh: Fh) -> Option<Ino> {
        self.open.write().remove(&fh).map(|handle| match handle {
            Handle::File(file) => {
                if file.wrote.load(Ordering::Relaxed) {
                    self.closed_after_write.fetch_add(1, Ordering::Relaxed);
                }
                file.ino
            }
            Handle::Dir(dir) => dir.ino,
        })
    }

    /// How many files were closed that had been written.
    pub fn closed_after_write(&self) -> u64 {
        self.closed_after_write.load(Ordering::Relaxed)
    }

    pub fn len(&self) -> usize {
        self.open.read().len()
    }

    fn insert(&self, handle: Handle) -> Fh {
        let fh = Fh(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        self.open.write().insert(fh, handle);
        fh
    }
}
