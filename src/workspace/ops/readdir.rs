use super::lookup::Found;
use crate::types::{Attr, Ino};
use crate::workspace::attr::shape_of;
use crate::workspace::view::Listed;
use crate::workspace::{FsError, Workspace};
use std::sync::Arc;

/// Listing places of `.` and `..`; the entries' own come after.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;
/// Entries that are looked up at a time: about a reply's worth.
const BATCH: usize = 128;

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
    /// An entry of the directory.
    Listed(&'a Listed),
}

impl Workspace {
    /// Hands the entries of `dir` after the place `offset` to `each` until it returns false.
    ///
    /// A place belongs to a name, not to a position: whatever is made or removed meanwhile, no other
    /// entry is lost or seen twice, even by a reader that goes on from a place of another one.
    pub fn readdir(
        &self,
        dir: Ino,
        offset: u64,
        mut each: impl FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError> {
        if !self.dots(dir, offset, &mut each)? {
            return Ok(());
        }
        let listing = self.listing(dir, offset)?;
        let start = listing.partition_point(|entry| entry.cookie <= offset);
        let _ = listing[start..].iter().all(|entry| each(DirEntry::Listed(entry)));
        Ok(())
    }

    /// The same with the inode of each entry as it is now, and its attributes where they can be
    /// known. A lookup is counted of each for which `each` returned true.
    pub fn readdir_plus(
        &self,
        dir: Ino,
        offset: u64,
        mut each: impl FnMut(DirEntry<'_>, Option<(Ino, Option<Attr>)>) -> bool,
    ) -> Result<(), FsError> {
        if !self.dots(dir, offset, &mut |dot| each(dot, None))? {
            return Ok(());
        }
        let listing = self.listing(dir, offset)?;
        let start = listing.partition_point(|entry| entry.cookie <= offset);
        for batch in listing[start..].chunks(BATCH) {
            let found = self.find_and_count_all(dir, batch)?;
            let mut rest = batch.iter().zip(&found);
            while let Some((entry, found)) = rest.next() {
                // What is gone since the listing was taken is left out.
                let Some(found) = found else { continue };
                let (ino, attr) = (found.0, self.attr_of_found(found));
                // It shows even where its object is damaged.
                if !each(DirEntry::Listed(entry), Some((ino, attr.ok()))) {
                    let unseen = rest.filter_map(|(_, found)| found.as_ref());
                    let inos = unseen.map(|(ino, _)| *ino).chain([ino]);
                    self.forget(inos.map(|ino| (ino, 1)));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Hands out `.` and `..`; false when `each` wants no more.
    fn dots(
        &self,
        dir: Ino,
        offset: u64,
        each: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<bool, FsError> {
        if offset < DOT && !each(DirEntry::Dot { cookie: DOT, ino: dir, name: b"." }) {
            return Ok(false);
        }
        if offset >= DOT_DOT {
            return Ok(true);
        }
        let ino = self.look(|view| Ok(view.dir(dir)?.parent))?;
        Ok(each(DirEntry::Dot { cookie: DOT_DOT, ino, name: b".." }))
    }

    /// Looks up `entries` of `dir` and counts it.
    fn find_and_count_all(
        &self,
        dir: Ino,
        entries: &[Listed],
    ) -> Result<Vec<Option<Found>>, FsError> {
        self.look(|view| {
            let view_of_dir = view.dir(dir)?;
            let mut table = self.inodes.lock();
            let find = |entry: &Listed| {
                let child = view.child(&view_of_dir, &entry.name).ok()??;
                table.count(dir, child, &entry.name).ok()?;
                Some((child.ino(), shape_of(view, child)))
            };
            Ok(entries.iter().map(find).collect())
        })
    }

    fn listing(&self, dir: Ino, offset: u64) -> Result<Arc<[Listed]>, FsError> {
        let (seq, now) = (self.overlay.seq(), self.clock.monotonic());
        if let Some(kept) = self.listings.lock().find(dir, offset, seq, now) {
            return Ok(kept);
        }
        let listing = self.list(dir)?;
        self.listings.lock().keep(dir, listing.clone(), seq, now);
        Ok(listing)
    }

    /// What the directory at `ino` holds now, without `.` and `..`.
    pub fn list(&self, ino: Ino) -> Result<Arc<[Listed]>, FsError> {
        self.look(|view| Ok(view.dir(ino)?.list(|child| view.node_kind(child)).into()))
    }
}
