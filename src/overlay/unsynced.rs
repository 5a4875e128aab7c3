//! Which bodies are not durable yet, and what makes them so.

use super::content::Bodies;
use crate::sys::Reason;
use crate::sys::locks::Ordering;
use crate::types::BodyId;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Weak;

/// Above so many bodies to sync, one syncfs(2) is cheaper than an fsync each.
const SYNC_ONE_BY_ONE: usize = 64;

/// What was altered since the last sync; what is passed may be altered at any time, and is not here.
#[derive(Default)]
pub(super) struct Unsynced {
    pub bodies: BTreeSet<BodyId>,
    pub dirs: BTreeSet<PathBuf>,
}

impl Bodies {
    /// Bytes in bodies that were altered since they were last synced.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        let mut bodies = self.unsynced.lock().bodies.clone();
        bodies.extend(self.passages.written());
        bodies.into_iter().filter_map(|id| Some(self.stat(id).ok()?.len)).sum()
    }

    /// Makes durable what was written to bodies so far. A failure is final for the caller, but where
    /// no file could be opened (`sys::is_out_of_files`).
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut taken = std::mem::take(&mut *self.unsynced.lock());
        taken.bodies.extend(self.passages.written());
        self.sync_each(&taken).inspect_err(|_| {
            let mut unsynced = self.unsynced.lock();
            unsynced.bodies.extend(taken.bodies);
            unsynced.dirs.extend(taken.dirs);
        })
    }

    fn sync_each(&self, Unsynced { bodies, dirs }: &Unsynced) -> io::Result<()> {
        bodies.iter().for_each(|id| self.mark_clean(*id));
        if bodies.len() > SYNC_ONE_BY_ONE {
            return self.sync_whole();
        }
        for id in bodies {
            match File::open(self.path(*id)) {
                Ok(file) => self.disk.fsync_file(&file, Reason::Content)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        dirs.iter().try_for_each(|dir| self.disk.fsync_dir(dir, Reason::Content))
    }

    /// Makes everything durable that any process wrote to the store.
    pub(super) fn sync_whole(&self) -> io::Result<()> {
        self.disk.sync_fs(&self.dir, Reason::Content)
    }

    /// Whether nothing was written since the last sync.
    pub(super) fn is_synced(&self) -> bool {
        let unsynced = self.unsynced.lock();
        unsynced.bodies.is_empty() && unsynced.dirs.is_empty() && self.passages.written().is_empty()
    }

    /// From here on the next alteration puts the body on the list again.
    fn mark_clean(&self, id: BodyId) {
        if let Some(body) = self.open.lock().get(&id).and_then(Weak::upgrade) {
            body.dirty.store(false, Ordering::Release);
        }
    }
}
