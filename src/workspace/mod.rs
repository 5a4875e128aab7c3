//! POSIX meaning: the merged view of the overlay over the base, inodes, open files, one method a verb.
//!
//! Purpose: answer every file operation as ext4 would on one host, each change one transaction of
//! the overlay.
//! Must not know: FUSE, git commands, commits, the network.
//! Invariants:
//! - The overlay's index is the truth. The inode table only remembers where untouched base inodes
//!   come from and who refers to an inode; a whiteout of a base name is never taken back, so an
//!   inode number never stands for two files.
//! - Touching a base entry (giving it a node) changes nothing that stat shows.
//! - An inode without names lives as long as the kernel or a handle refers to it.
//!
//! Locks, outermost first, as an operation takes them:
//! ```text
//! content (one stripe an inode; two in stripe order)   whoever alters or replaces a file's bytes
//!   overlay bodies: writing                              a freeze waits for it
//!     overlay index (the namespace lock)                   shared to look, exclusive to edit
//!       inodes, undropped, subdirectories, listings, handles leaves
//! ```
//! Blobs and trees are loaded, bodies copied and synced with no index lock held. Nothing waits for
//! the network: an operation that needs what is on the remote only fails with [`FsError::Away`]
//! before it changed anything, and is asked again when that is here.
//! A crash leaves: what the overlay's journal and bodies hold. Lookups and handles are gone, and with
//! them the inodes that nothing names.

mod attr;
mod config;
mod content;
mod edit;
mod error;
mod handle;
mod inode;
mod listing;
mod look;
mod ops;
mod replace;
mod view;
mod write;

pub use crate::base::Unavailable;
pub use crate::overlay::Passage;
pub use config::{Caller, ViewConfig};
pub use error::FsError;
pub use handle::Handle;
pub use ops::{
    DirEntry, FsStat, Offer, OpenMode, RenameMode, SetAttr, SetTime, WriteMode, Written, XattrMode,
};
pub use replace::{Invalidation, PathEdit};
pub use view::Listed;

use crate::base::Base;
use crate::overlay::Overlay;
use crate::sys::Clock;
use crate::sys::locks::Mutex;
use crate::types::{Attr, Ino, Name, Oid};
use attr::SubdirectoryCounts;
use content::ContentLocks;
use handle::Handles;
use inode::InodeTable;
use listing::Listings;
use std::sync::Arc;

/// The file system of one workspace.
pub struct Workspace {
    overlay: Arc<Overlay>,
    base: Arc<Base>,
    clock: Arc<dyn Clock>,
    config: ViewConfig,
    inodes: Mutex<InodeTable>,
    /// Inodes without a name that the disk would not let us drop.
    undropped: Mutex<Vec<Ino>>,
    subdirectories: Mutex<SubdirectoryCounts>,
    listings: Mutex<Listings>,
    handles: Handles,
    content_locks: ContentLocks,
}

/// What the kernel has looked up in a workspace, while nobody shows it.
#[derive(Default)]
pub struct Lookups(InodeTable);

impl Lookups {
    /// Counts a lookup of the root.
    pub fn count_root(&mut self) {
        self.0.looked_up(Ino::ROOT);
    }

    /// Takes lookups back.
    pub fn forget(&mut self, ino: Ino, count: u64) {
        self.0.forget(ino, count);
    }

    /// Whether the kernel may ask for the inode.
    pub fn knows(&self, ino: Ino) -> bool {
        self.0.is_known(ino)
    }

    /// Whether it may ask for none.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
}

/// How much the workspace keeps in memory on behalf of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Inodes that somebody refers to.
    pub inodes: usize,
    /// Open files.
    pub handles: usize,
    /// Nodes of the overlay.
    pub nodes: usize,
}

impl Workspace {
    /// Shows `overlay` over `base`.
    pub fn new(
        overlay: Arc<Overlay>,
        base: Arc<Base>,
        clock: Arc<dyn Clock>,
        config: ViewConfig,
    ) -> Self {
        Self::resumed(overlay, base, clock, config, Lookups::default())
    }

    /// The same where the kernel goes on with inodes that an earlier one showed.
    pub fn resumed(
        overlay: Arc<Overlay>,
        base: Arc<Base>,
        clock: Arc<dyn Clock>,
        config: ViewConfig,
        lookups: Lookups,
    ) -> Self {
        Self {
            overlay,
            base,
            clock,
            config,
            inodes: Mutex::new(lookups.0),
            undropped: Mutex::default(),
            subdirectories: Mutex::default(),
            listings: Mutex::default(),
            handles: Handles::default(),
            content_locks: ContentLocks::default(),
        }
    }

    /// Whether all that the kernel may ask of it again is in the overlay and in what it looked up:
    /// nothing is open here, nothing is without a name.
    pub fn can_rest(&self) -> bool {
        let index = self.overlay.read();
        self.handles.len() == 0 && index.iter().all(|(_, node)| node.meta.nlink > 0)
    }

    /// Ends it; with what the kernel has looked up another one can go on.
    pub fn rest(self) -> Lookups {
        Lookups(self.inodes.into_inner())
    }

    /// Counts a lookup of the root, by whoever shows it in a folder.
    pub fn count_root(&self) {
        self.inodes.lock().looked_up(Ino::ROOT);
    }

    /// The overlay below.
    pub fn overlay(&self) -> &Arc<Overlay> {
        &self.overlay
    }

    /// How it shows.
    pub fn config(&self) -> &ViewConfig {
        &self.config
    }

    /// How many files were closed that had been written through that handle.
    pub fn closed_after_write(&self) -> u64 {
        self.handles.closed_after_write()
    }

    /// What is kept in memory.
    pub fn counters(&self) -> Counters {
        Counters {
            inodes: self.inodes.lock().len(),
            handles: self.handles.len(),
            nodes: self.overlay.read().len(),
        }
    }

    /// The attributes of the file at `path` (from the root, `/` between names); counts no lookup.
    pub fn attr_at(&self, path: &[u8]) -> Result<Attr, FsError> {
        let mut ino = Ino::ROOT;
        let mut passed = Vec::new();
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let found = names.map(Name::new).try_fold((), |(), name| {
            let dir = ino;
            let name = name?;
            let attr = self.lookup(dir, name.as_bytes())?.ok_or(FsError::NotFound { dir, name })?;
            ino = attr.ino;
            passed.push(ino);
            Ok::<_, FsError>(())
        });
        let attr = found.and_then(|()| self.getattr(ino));
        self.forget(passed.into_iter().map(|ino| (ino, 1)));
        attr
    }

    /// Runs an operation; where it finds the disk full, once more if what was deleted made room.
    ///
    /// What is deleted goes from the disk at the next sync, which is done here when there is need:
    /// after the operation has failed, with no lock held.
    pub fn with_room<T>(
        &self,
        mut operation: impl FnMut(&Self) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        let before = self.overlay.freed();
        match operation(self) {
            Err(error) if error.is_no_room() && self.overlay.make_room(before) => operation(self),
            result => result,
        }
    }

    /// Runs `then` when the content is here that an operation said was [`FsError::Away`], or when it
    /// does not come: perhaps at once, perhaps on another thread.
    pub fn when_here(&self, oid: Oid, then: impl FnOnce(Result<(), FsError>) + Send + 'static) {
        self.base.call(oid, Box::new(|outcome| then(outcome.map_err(FsError::from))));
    }

    /// Whether operations may be told [`FsError::Away`].
    pub fn is_lazy(&self) -> bool {
        self.base.is_lazy()
    }

    fn check_writable(&self) -> Result<(), FsError> {
        if self.config.read_only {
            return Err(FsError::ReadOnly("mounted read-only".into()));
        }
        match self.overlay.read_only_reason() {
            Some(why) => Err(FsError::ReadOnly(why)),
            None => Ok(()),
        }
    }
}
