//! Looking at the namespace: one consistent state of overlay, inode table and base trees.
//!
//! Trees are loaded outside the lock: an operation runs on what is loaded, and where a tree is
//! missing it stops, the lock is dropped, the tree is loaded, and the operation runs again.

use super::view::{Child, DirView, UNTOUCHED, kind};
use super::{FsError, Workspace};
use crate::base::Tree;
use crate::overlay::{DirBase, FileData, Index, Meta, Node, NodeData};
use crate::types::{FileKind, Ino, Name, Oid, Timespec, TreeMode};
use std::collections::HashMap;
use std::sync::Arc;

/// Why a look or an edit did not come to its end.
pub(super) enum Stop {
    /// This tree has to be loaded first.
    Need(Oid),
    /// The operation fails.
    Fail(FsError),
}

impl<E> From<E> for Stop
where
    FsError: From<E>,
{
    fn from(error: E) -> Self {
        Self::Fail(error.into())
    }
}

pub(super) type Looked<T> = Result<T, Stop>;

/// The trees loaded for one operation.
#[derive(Default)]
pub(super) struct Trees(HashMap<Oid, Arc<Tree>>);

/// One state of the namespace. Lives under the overlay's index lock.
pub(super) struct View<'a> {
    pub index: &'a Index,
    pub workspace: &'a Workspace,
    pub trees: &'a Trees,
}

/// An inode, wherever it is kept.
pub(super) enum Inode<'a> {
    Node(&'a Arc<Node>),
    /// Untouched; not linked when its name was removed while it was open.
    Base {
        mode: TreeMode,
        oid: Oid,
        linked: bool,
    },
    GitFile,
}

impl Workspace {
    /// Runs `operation` on the namespace as it is.
    pub(super) fn look<T>(&self, operation: impl Fn(&View<'_>) -> Looked<T>) -> Result<T, FsError> {
        self.look_with(&mut Trees::default(), operation)
    }

    /// The same; leaves in `trees` what had to be loaded.
    pub(super) fn look_with<T>(
        &self,
        trees: &mut Trees,
        operation: impl Fn(&View<'_>) -> Looked<T>,
    ) -> Result<T, FsError> {
        loop {
            let stop = {
                let index = self.overlay.read();
                match operation(&View { index: &index, workspace: self, trees }) {
                    Ok(value) => return Ok(value),
                    Err(stop) => stop,
                }
            };
            self.overcome(stop, trees)?;
        }
    }

    /// Loads the tree that was missing, or gives up.
    pub(super) fn overcome(&self, stop: Stop, trees: &mut Trees) -> Result<(), FsError> {
        match stop {
            Stop::Fail(error) => Err(error),
            Stop::Need(oid) => {
                trees.0.insert(oid, self.base.tree(oid)?);
                Ok(())
            }
        }
    }
}

impl<'a> View<'a> {
    /// The inode `ino`; an error when it is not known.
    pub fn inode(&self, ino: Ino) -> Result<Inode<'a>, FsError> {
        if let Some(node) = self.index.node(ino) {
            return Ok(Inode::Node(node));
        }
        if ino == Ino::GITFILE {
            return Ok(Inode::GitFile);
        }
        let table = self.workspace.inodes.lock();
        let origin = table.origin(ino).ok_or(FsError::Stale(ino))?;
        let linked = match self.index.node(origin.parent).and_then(|node| node.directory()) {
            Some(parent) => !parent.delta.contains_key(&origin.name),
            None => table.origin(origin.parent).is_some(),
        };
        Ok(Inode::Base { mode: origin.mode, oid: origin.oid, linked })
    }

    /// The directory `ino`.
    pub fn dir(&self, ino: Ino) -> Looked<DirView<'a>> {
        let (parent, base, delta) = match self.inode(ino)? {
            Inode::Node(node) => match &node.data {
                NodeData::Directory(directory) => {
                    (directory.parent, directory.base, &directory.delta)
                }
                _ => return Err(FsError::NotDirectory(ino).into()),
            },
            Inode::Base { mode: TreeMode::Tree, oid, .. } => {
                (self.origin_parent(ino)?, DirBase::Tree(oid), &UNTOUCHED)
            }
            Inode::Base { mode: TreeMode::Commit, .. } => {
                (self.origin_parent(ino)?, DirBase::Empty, &UNTOUCHED)
            }
            Inode::Base { .. } | Inode::GitFile => return Err(FsError::NotDirectory(ino).into()),
        };
        let tree = base.tree().map(|oid| self.tree(oid)).transpose()?;
        Ok(DirView { ino, parent, tree, delta })
    }

    /// The directory that `child` of the directory `parent` is.
    pub fn dir_of(&self, parent: Ino, child: Child) -> Looked<DirView<'a>> {
        let (ino, tree) = match child {
            Child::Base(ino, TreeMode::Tree, oid, _) => (ino, Some(self.tree(oid)?)),
            Child::Base(ino, TreeMode::Commit, ..) => (ino, None),
            child => return self.dir(child.ino()),
        };
        Ok(DirView { ino, parent, tree, delta: &UNTOUCHED })
    }

    /// What `name` in the directory `dir` stands for.
    pub fn child(&self, dir: &DirView<'_>, name: &Name) -> Result<Option<Child>, FsError> {
        let child = dir.child(name.as_bytes());
        match child {
            Some(Child::Base(ino, ..)) if self.index.node(ino).is_some() => {
                Err(FsError::Collision(ino))
            }
            _ => Ok(child),
        }
    }

    /// The child, or ENOENT.
    pub fn require(&self, dir: &DirView<'_>, name: &Name) -> Result<Child, FsError> {
        self.child(dir, name)?.ok_or_else(|| FsError::NotFound { dir: dir.ino, name: name.clone() })
    }

    pub fn kind(&self, child: Child) -> FileKind {
        match child {
            Child::Node(ino) => self.node_kind(ino),
            Child::Base(_, mode, ..) => kind(mode),
            Child::GitFile => FileKind::Regular,
        }
    }

    pub fn is_dir(&self, child: Child) -> bool {
        self.kind(child) == FileKind::Directory
    }

    /// The kind of an inode that a slot names; such an inode always has a node.
    pub fn node_kind(&self, ino: Ino) -> FileKind {
        self.index.node(ino).map_or(FileKind::Regular, |node| node.data.kind())
    }

    /// Attributes as kept: of the node, or those that every base entry has.
    pub fn meta(&self, ino: Ino) -> Result<Meta, FsError> {
        Ok(match self.inode(ino)? {
            Inode::Node(node) => node.meta,
            Inode::Base { mode, linked, .. } => {
                let meta = self.workspace.config.base_meta(mode);
                let ctime = self.base_ctime(ino, meta.ctime);
                Meta { nlink: u32::from(linked), ctime, ..meta }
            }
            Inode::GitFile => self.workspace.gitfile_meta(),
        })
    }

    /// When the untouched inode `ino` lost its name; `base` for one that has it.
    pub fn base_ctime(&self, ino: Ino, base: Timespec) -> Timespec {
        self.workspace.inodes.lock().unlinked_at(ino).unwrap_or(base)
    }

    /// Where the bytes of a regular file are; None for `.git`.
    pub fn file_data(&self, ino: Ino) -> Result<Option<FileData>, FsError> {
        match self.inode(ino)? {
            Inode::Node(node) => match &node.data {
                NodeData::Regular(data) => Ok(Some(*data)),
                NodeData::Directory(_) => Err(FsError::IsDirectory(ino)),
                _ => Err(FsError::Invalid("not a regular file")),
            },
            Inode::Base { mode: TreeMode::Blob | TreeMode::BlobExec, oid, .. } => {
                Ok(Some(FileData::Blob(oid)))
            }
            Inode::Base { mode, .. } if mode.is_dir() => Err(FsError::IsDirectory(ino)),
            Inode::Base { .. } => Err(FsError::Invalid("not a regular file")),
            Inode::GitFile => Ok(None),
        }
    }

    /// Whether the directory `ino` is `top` or stands somewhere below it.
    pub fn is_within(&self, mut ino: Ino, top: Ino) -> Result<bool, FsError> {
        loop {
            if ino == top {
                return Ok(true);
            }
            if ino == Ino::ROOT {
                return Ok(false);
            }
            ino = match self.index.node(ino).and_then(|node| node.directory()) {
                Some(directory) => directory.parent,
                None => self.origin_parent(ino)?,
            };
        }
    }

    fn origin_parent(&self, ino: Ino) -> Result<Ino, FsError> {
        let table = self.workspace.inodes.lock();
        table.origin(ino).map(|origin| origin.parent).ok_or(FsError::Stale(ino))
    }

    fn tree(&self, oid: Oid) -> Looked<Arc<Tree>> {
        self.trees.0.get(&oid).cloned().ok_or(Stop::Need(oid))
    }
}
