use crate::types::{Fh, Ino};
use crate::workspace::view::Listed;
use crate::workspace::{FsError, Workspace};
use std::sync::Arc;

/// Listing places of `.` and `..`; the entries' own come after.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;

/// What [`Workspace::readdir`] hands out, one at a time.
pub enum DirEntry<'a> {
    /// `.` or `..`
    Dot {
        /// Where reading goes on after it.
        cookie: u64,
        /// The directory that it stands for.
        ino: Ino,
        /// `.` or `..`
        name: &'static [u8],
    },
    /// An entry of this directory.
    Listed(Ino, &'a Listed),
}

impl Workspace {
    /// Opens a directory for reading.
    pub fn opendir(&self, ino: Ino) -> Result<Fh, FsError> {
        self.look(|view| {
            view.dir(ino)?;
            self.inodes.lock().opened(ino);
            Ok(())
        })?;
        Ok(self.handles.open_dir(ino))
    }

    /// Hands the entries after the place `offset` to `each` until it returns false.
    ///
    /// A handle sees the directory as it was when it last read from the start. A place belongs to a
    /// name, not to a position: whatever is made or removed meanwhile, no other entry is lost or
    /// seen twice, even by a reader that goes on from a place of another handle.
    pub fn readdir(
        &self,
        fh: Fh,
        offset: u64,
        mut each: impl FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError> {
        let dir = self.handles.dir(fh)?;
        let kept = dir.listing.lock().clone().filter(|_| offset > 0);
        let listing = match kept {
            Some(listing) => listing,
            None => {
                let listing = self.list(dir.ino)?;
                *dir.listing.lock() = Some(listing.clone());
                listing
            }
        };
        if offset < DOT && !each(DirEntry::Dot { cookie: DOT, ino: dir.ino, name: b"." }) {
            return Ok(());
        }
        if offset < DOT_DOT {
            let ino = self.look(|view| Ok(view.dir(dir.ino)?.parent))?;
            if !each(DirEntry::Dot { cookie: DOT_DOT, ino, name: b".." }) {
                return Ok(());
            }
        }
        let start = listing.partition_point(|entry| entry.cookie <= offset);
        for entry in &listing[start..] {
            if !each(DirEntry::Listed(dir.ino, entry)) {
                break;
            }
        }
        Ok(())
    }

    /// Closes a directory.
    pub fn releasedir(&self, fh: Fh) {
        self.release(fh);
    }

    /// What the directory at `ino` holds now, without `.` and `..`.
    pub fn list(&self, ino: Ino) -> Result<Arc<[Listed]>, FsError> {
        self.look(|view| Ok(view.dir(ino)?.list(|child| view.node_kind(child)).into()))
    }
}
