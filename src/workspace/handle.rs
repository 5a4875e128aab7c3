//! Open files: those that were opened here, and those that the kernel opened without asking.
//!
//! What nobody told us of is known by its inode. The few such files that were used last are kept,
//! so that not every request opens a body again; they go when the inode is forgotten or gets another
//! body, so that no space stays in use for them.

use super::FsError;
use super::content::Content;
use crate::sys::locks::{AtomicBool, AtomicU64, Mutex, Ordering, RwLock};
use crate::types::{Fh, Ino};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// So many files that were not opened here stay at hand.
const RECENT: usize = 16;

/// An open file, as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// What [`super::Workspace::open`] gave.
    Opened(Fh),
    /// The kernel opened it without asking.
    Unopened(Ino),
}

impl From<Fh> for Handle {
    fn from(fh: Fh) -> Self {
        Self::Opened(fh)
    }
}

/// An open file. All handles of an inode show the same bytes.
pub(super) struct OpenFile {
    pub ino: Ino,
    /// Where the bytes were found last; believed only while the index still says so.
    pub content: Mutex<Option<Content>>,
    /// Whether it was written through this handle.
    pub wrote: AtomicBool,
}

impl OpenFile {
    fn new(ino: Ino) -> Self {
        Self { ino, content: Mutex::new(None), wrote: AtomicBool::new(false) }
    }
}

/// All open handles.
#[derive(Default)]
pub(super) struct Handles {
    open: RwLock<HashMap<Fh, Arc<OpenFile>>>,
    /// Used last: at the front.
    recent: Mutex<VecDeque<Arc<OpenFile>>>,
    last: AtomicU64,
    closed_after_write: AtomicU64,
}

impl Handles {
    pub fn open(&self, ino: Ino) -> Fh {
        let fh = Fh(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        self.open.write().insert(fh, Arc::new(OpenFile::new(ino)));
        fh
    }

    pub fn file(&self, handle: Handle) -> Result<Arc<OpenFile>, FsError> {
        match handle {
            Handle::Opened(fh) => {
                self.open.read().get(&fh).cloned().ok_or(FsError::BadHandle(fh.0))
            }
            Handle::Unopened(ino) => Ok(self.unopened(ino)),
        }
    }

    fn unopened(&self, ino: Ino) -> Arc<OpenFile> {
        let mut recent = self.recent.lock();
        let found = recent.iter().position(|file| file.ino == ino);
        let file = found.and_then(|at| recent.remove(at));
        let file = file.unwrap_or_else(|| Arc::new(OpenFile::new(ino)));
        recent.truncate(RECENT - 1);
        recent.push_front(file.clone());
        file
    }

    /// What is kept of these inodes without a handle goes.
    pub fn let_go(&self, inos: &[Ino]) {
        if !inos.is_empty() {
            self.recent.lock().retain(|file| !inos.contains(&file.ino));
        }
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
