//! One directory as it shows: the overlay's delta over the base's tree. Pure.

use crate::base::{Entry, Tree};
use crate::overlay::Slot;
use crate::types::{FileKind, Ino, Name, Oid, TreeMode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The name that is taken at the root of the mount.
pub(super) const GITFILE_NAME: &[u8] = b".git";

/// The delta of a directory that nobody touched.
pub(super) static UNTOUCHED: BTreeMap<Name, Slot> = BTreeMap::new();

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Child {
    /// An inode with a node in the overlay.
    Node(Ino),
    /// An untouched entry of the base, with its size where that is known.
    Base(Ino, TreeMode, Oid, Option<u64>),
    /// `.git` at the root.
    GitFile,
}

impl Child {
    pub fn ino(self) -> Ino {
        match self {
            Self::Node(ino) | Self::Base(ino, ..) => ino,
            Self::GitFile => Ino::GITFILE,
        }
    }
}

/// An entry of a directory listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where the next read goes on; grows from entry to entry, and a name keeps its place for the
    /// life of the directory, so that changes elsewhere neither skip nor repeat it.
    pub cookie: u64,
    /// Inode number.
    pub ino: Ino,
    /// Kind, for `d_type`.
    pub kind: FileKind,
    /// The name.
    pub name: Name,
}

/// A directory as it shows.
pub(super) struct DirView<'a> {
    pub ino: Ino,
    pub parent: Ino,
    pub tree: Option<Arc<Tree>>,
    pub delta: &'a BTreeMap<Name, Slot>,
}

/// Listing places: 1 and 2 are `.` and `..`, 3 is `.git` at the root, then the base's names in
/// their order, and far above them all names that only the overlay has, by hash.
const GITFILE_COOKIE: u64 = 3;
const BASE_COOKIE: u64 = 4;
const OVERLAY_COOKIE: u64 = 1 << 40;

impl DirView<'_> {
    /// What `name` stands for.
    pub fn child(&self, name: &[u8]) -> Option<Child> {
        if self.is_gitfile(name) {
            return Some(Child::GitFile);
        }
        match self.delta.get(name) {
            Some(Slot::Entry(ino)) => Some(Child::Node(*ino)),
            Some(Slot::Whiteout) => None,
            None => self.in_base(name).map(|entry| self.untouched(entry)),
        }
    }

    /// Whether the base has an entry of this name that is never shown.
    pub fn hides(&self, name: &[u8]) -> bool {
        let hidden = self.tree.as_ref().map_or(&[][..], |tree| &tree.hidden);
        hidden.iter().any(|(hidden, _)| hidden == name)
    }

    /// The base's entry of this name, touched or not.
    pub fn in_base(&self, name: &[u8]) -> Option<&Entry> {
        self.tree.as_ref()?.find(name)
    }

    pub fn is_gitfile(&self, name: &[u8]) -> bool {
        self.ino == Ino::ROOT && name == GITFILE_NAME
    }

    /// Whether nothing shows. The root never is: it has its `.git`.
    pub fn is_empty(&self) -> bool {
        let in_base = self.tree.as_ref().map_or(0, |tree| tree.entries.len());
        // Whiteouts stand only for names of the base, so counting them is enough.
        self.ino != Ino::ROOT
            && self.delta.len() == in_base
            && self.delta.values().all(|slot| *slot == Slot::Whiteout)
    }

    /// How many of the entries are directories.
    pub fn subdirectories(&self, is_directory: impl Fn(Ino) -> bool) -> u32 {
        let mut count = self.tree.as_ref().map_or(0, |tree| tree.subdirectories());
        for (name, slot) in self.delta {
            let was = self.in_base(name.as_bytes()).is_some_and(|entry| entry.mode.is_dir());
            count -= u32::from(was);
            count += u32::from(matches!(slot, Slot::Entry(ino) if is_directory(*ino)));
        }
        count
    }

    /// All entries without `.` and `..`, in listing order.
    pub fn list(&self, kind_of: impl Fn(Ino) -> FileKind) -> Vec<Listed> {
        let mut all = Vec::new();
        if self.ino == Ino::ROOT {
            let name = Name::new(GITFILE_NAME).expect("'.git' is a name");
            let (cookie, kind) = (GITFILE_COOKIE, FileKind::Regular);
            all.push(Listed { cookie, ino: Ino::GITFILE, kind, name });
        }
        let base = self.tree.as_ref().map_or(&[][..], |tree| &tree.entries);
        for (cookie, entry) in (BASE_COOKIE..).zip(base) {
            let (ino, kind) = match self.delta.get(&entry.name) {
                Some(Slot::Whiteout) => continue,
                Some(Slot::Entry(ino)) => (*ino, kind_of(*ino)),
                None => (Ino::of_base_child(self.ino, entry.name.as_bytes()), kind(entry.mode)),
            };
            all.push(Listed { cookie, ino, kind, name: entry.name.clone() });
        }
        let own = all.len();
        for (name, slot) in self.delta {
            if let Slot::Entry(ino) = slot
                && self.in_base(name.as_bytes()).is_none()
            {
                let (cookie, kind) = (overlay_cookie(name), kind_of(*ino));
                all.push(Listed { cookie, ino: *ino, kind, name: name.clone() });
            }
        }
        all[own..].sort_by_key(|entry| entry.cookie);
        make_strictly_growing(&mut all[own..]);
        all
    }

    fn untouched(&self, entry: &Entry) -> Child {
        let ino = Ino::of_base_child(self.ino, entry.name.as_bytes());
        Child::Base(ino, entry.mode, entry.oid, entry.size)
    }
}

/// A place far above the base's names that depends on the name alone.
fn overlay_cookie(name: &Name) -> u64 {
    let hash = Ino::of_base_child(Ino::ROOT, name.as_bytes()).0;
    OVERLAY_COOKIE + (hash & (u64::MAX >> 2))
}

/// Parts names with one hash (2^-62 for a pair).
fn make_strictly_growing(sorted: &mut [Listed]) {
    let mut least = 0;
    for entry in sorted {
        entry.cookie = entry.cookie.max(least);
        least = entry.cookie + 1;
    }
}

/// What kind of file a base entry shows as; a gitlink is an empty directory.
pub(super) fn kind(mode: TreeMode) -> FileKind {
    match mode {
        TreeMode::Tree | TreeMode::Commit => FileKind::Directory,
        TreeMode::Blob | TreeMode::BlobExec => FileKind::Regular,
        TreeMode::Link => FileKind::Symlink,
    }
}
