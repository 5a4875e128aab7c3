//! The merged view of base and frozen overlay, as far as a seal reads it.

use super::error::CommitError;
use crate::base::{Base, Blob, Entry};
use crate::overlay::{Body, DirBase, Directory, FileData, Freeze, Node, NodeData, OpenValue, Slot};
use crate::types::{Ino, Name, Oid, TreeMode};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The frozen view of one workspace.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) freeze: &'a Freeze,
    pub(super) base: &'a Base,
    /// Where it is mounted; absolute, and never touched.
    pub(super) mount_dir: &'a Path,
}

/// A directory of the view.
#[derive(Clone, Debug)]
pub(super) enum Dir {
    /// An untouched tree of the base, with all below it.
    Tree(Oid),
    /// One that differs, or something below it does.
    Touched(Arc<Directory>),
    /// An untouched gitlink of the base, which shows as an empty directory.
    Gitlink,
    /// Nothing: HEAD has a directory where the view has none.
    Empty,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A regular file.
    File {
        /// Whether the owner may execute it.
        exec: bool,
        /// Where its bytes are.
        data: FileData,
    },
    /// A symbolic link of the base.
    BaseLink(Oid),
    /// A symbolic link with its target.
    Link(Vec<u8>),
    /// A directory.
    Dir(Dir),
    /// FIFO, socket or device.
    Special,
}

/// The bytes of a file.
pub(super) enum Content {
    Blob(Blob),
    Value(OpenValue),
    Body(Arc<Body>),
}

impl View<'_> {
    /// The root.
    pub(super) fn root(self) -> Result<Dir, CommitError> {
        let root = self.freeze.node(Ino::ROOT).and_then(|node| node.directory());
        root.map(|root| Dir::Touched(root.clone())).ok_or_else(|| damaged(b""))
    }

    /// What the directory `dir` at `path` holds, in byte order of the names.
    pub(super) fn list(self, path: &[u8], dir: &Dir) -> Result<Vec<(Name, Item)>, CommitError> {
        let Some(base) = dir.base() else { return self.merge(path, dir, &[]) };
        self.merge(path, dir, &self.tree(path, base)?.entries)
    }

    /// What `name` stands for in the directory `dir` at `path`.
    pub(super) fn find(
        self,
        path: &[u8],
        dir: &Dir,
        name: &[u8],
    ) -> Result<Option<Item>, CommitError> {
        match dir.delta().and_then(|delta| delta.get(name)) {
            Some(Slot::Entry(ino)) => self.item(path, name, *ino).map(Some),
            Some(Slot::Whiteout) => Ok(None),
            None => match dir.base() {
                Some(base) => Ok(self.tree(path, base)?.find(name).map(Item::of_base)),
                None => Ok(None),
            },
        }
    }

    /// A tree of the base.
    pub(super) fn tree(self, path: &[u8], oid: Oid) -> Result<Arc<crate::base::Tree>, CommitError> {
        self.base.tree(oid).map_err(|source| CommitError::Base { path: path.to_vec(), source })
    }

    /// The bytes of the file at `path`.
    pub(super) fn open(self, path: &[u8], data: FileData) -> Result<Content, CommitError> {
        match data {
            FileData::Blob(oid) => self
                .base
                .blob_brought(oid)
                .map(Content::Blob)
                .map_err(|source| CommitError::Base { path: path.to_vec(), source }),
            FileData::Value(value) => {
                self.freeze.value(value).map(Content::Value).map_err(unread(path))
            }
            FileData::Body(id) => self.freeze.body(id).map(Content::Body).map_err(unread(path)),
        }
    }

    /// The bytes of the file at `path`; None when there are more than `limit`.
    pub(super) fn read(
        self,
        path: &[u8],
        data: FileData,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, CommitError> {
        let content = self.open(path, data)?;
        let len = content.len().map_err(unread(path))?;
        if len > limit {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(len).expect("limits fit into memory")];
        content.read_exact_at(&mut bytes, 0).map_err(unread(path))?;
        Ok(Some(bytes))
    }

    fn merge(
        self,
        path: &[u8],
        dir: &Dir,
        base: &[Entry],
    ) -> Result<Vec<(Name, Item)>, CommitError> {
        let mut items = Vec::with_capacity(base.len());
        let mut base = base.iter().peekable();
        for (name, slot) in dir.delta().into_iter().flatten() {
            while let Some(entry) = base.next_if(|entry| entry.name < *name) {
                items.push((entry.name.clone(), Item::of_base(entry)));
            }
            base.next_if(|entry| entry.name == *name);
            if let Slot::Entry(ino) = slot {
                items.push((name.clone(), self.item(path, name.as_bytes(), *ino)?));
            }
        }
        items.extend(base.map(|entry| (entry.name.clone(), Item::of_base(entry))));
        Ok(items)
    }

    fn item(self, dir: &[u8], name: &[u8], ino: Ino) -> Result<Item, CommitError> {
        let node = self.freeze.node(ino);
        node.map(|node| Item::of_node(node)).ok_or_else(|| damaged(&join(dir, name)))
    }
}

impl Dir {
    /// The tree below it.
    pub(super) fn base(&self) -> Option<Oid> {
        match self {
            Dir::Tree(oid) => Some(*oid),
            Dir::Touched(directory) => directory.base.tree(),
            Dir::Gitlink | Dir::Empty => None,
        }
    }

    /// Whether it stands for a gitlink of the base.
    pub(super) fn is_gitlink(&self) -> bool {
        match self {
            Dir::Gitlink => true,
            Dir::Touched(directory) => matches!(directory.base, DirBase::Gitlink(_)),
            Dir::Tree(_) | Dir::Empty => false,
        }
    }

    /// The tree that it is, as it is.
    pub(super) fn untouched(&self) -> Option<Oid> {
        self.base().filter(|_| self.delta().is_none_or(|delta| delta.is_empty()))
    }

    fn delta(&self) -> Option<&std::collections::BTreeMap<Name, Slot>> {
        match self {
            Dir::Touched(directory) => Some(&directory.delta),
            Dir::Tree(_) | Dir::Gitlink | Dir::Empty => None,
        }
    }
}

impl Item {
    fn of_base(entry: &Entry) -> Item {
        let file = |exec| Item::File { exec, data: FileData::Blob(entry.oid) };
        match entry.mode {
            TreeMode::Tree => Item::Dir(Dir::Tree(entry.oid)),
            TreeMode::Commit => Item::Dir(Dir::Gitlink),
            TreeMode::Link => Item::BaseLink(entry.oid),
            TreeMode::Blob => file(false),
            TreeMode::BlobExec => file(true),
        }
    }

    fn of_node(node: &Node) -> Item {
        match &node.data {
            NodeData::Directory(directory) => Item::Dir(Dir::Touched(directory.clone())),
            NodeData::Regular(data) => {
                Item::File { exec: node.meta.perm & 0o100 != 0, data: *data }
            }
            NodeData::BaseSymlink(oid) => Item::BaseLink(*oid),
            NodeData::Symlink(target) => Item::Link(target.clone()),
            NodeData::Special(_) => Item::Special,
        }
    }
}

impl Content {
    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Content::Blob(blob) => Ok(blob.len()),
            Content::Value(open) => Ok(u64::from(open.value.len)),
            Content::Body(body) => Ok(body.stat()?.len),
        }
    }

    /// Fills `buf`; an earlier end is an error.
    pub(super) fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let count = match self {
            Content::Blob(blob) => blob.read_at(buf, offset)?,
            Content::Value(open) => open.read_at(buf, offset)?,
            Content::Body(body) => body.read_at(buf, offset)?,
        };
        if count < buf.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// `dir/name`, or `name` in the root.
pub(super) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

pub(super) fn unread(path: &[u8]) -> impl FnOnce(io::Error) -> CommitError {
    move |source| CommitError::Body { path: path.to_vec(), source }
}

/// A directory names an inode that the overlay does not hold.
fn damaged(path: &[u8]) -> CommitError {
    unread(path)(io::Error::other("the overlay is damaged: it holds no such inode"))
}
