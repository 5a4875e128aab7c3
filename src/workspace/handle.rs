//! Open files.

use super::FsError;
use super::content::Content;
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

/// All open handles.
#[derive(Default)]
pub(super) struct Handles {
    open: RwLock<HashMap<Fh, Arc<OpenFile>>>,
    last: AtomicU64,
    closed_after_write: AtomicU64,
}

impl Handles {
    pub fn open(&self, ino: Ino) -> Fh {
        let fh = Fh(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let file = OpenFile { ino, content: Mutex::new(None), wrote: AtomicBool::new(false) };
        self.open.write().insert(fh, Arc::new(file));
        fh
    }

    pub fn file(&self, fh: Fh) -> Result<Arc<OpenFile>, FsError> {
        self.open.read().get(&fh).cloned().ok_or(FsError::BadHandle(fh.0))
    }

    /// Closes the handle; returns whose it was.
    pub fn close(&self, fh: Fh) -> Option<Ino> {
        let file = self.open.write().remove(&fh)?;
        if file.wrote.load(Ordering::Relaxed) {
            self.closed_after_write.fetch_add(1, Ordering::Relaxed);
        }
        Some(file.ino)
    }

    /// How many files were closed that had been written.
    pub fn closed_after_write(&self) -> u64 {
        self.closed_after_write.load(Ordering::Relaxed)
    }

    pub fn len(&self) -> usize {
        self.open.read().len()
    }
}
