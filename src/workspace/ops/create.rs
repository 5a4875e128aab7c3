use super::io::OpenMode;
use super::lookup::TARGET_MAX;
use crate::overlay::{DirBase, Directory, FileData, Meta, Node, NodeData, Value};
use crate::types::{Attr, Fh, FileKind, Ino, Name};
use crate::workspace::edit::Edit;
use crate::workspace::look::Looked;
use crate::workspace::{Caller, FsError, Workspace};
use std::collections::BTreeMap;
use std::sync::Arc;

const SETGID: u32 = 0o2000;

/// What is made where.
pub(super) struct NewNode<'a> {
    pub caller: Caller,
    pub parent: Ino,
    pub name: &'a Name,
    pub perm: u32,
    pub rdev: u32,
}

/// Each counts a lookup of what it makes. The umask is the kernel's business.
impl Workspace {
    /// Makes and opens a regular file (open(2) with O_CREAT).
    pub fn create(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        perm: u32,
    ) -> Result<(Attr, Fh), FsError> {
        let ino = self.make_file(caller, parent, name, perm)?;
        let attr = self.getattr(ino)?;
        Ok((attr, self.open(ino, OpenMode { write: true, ..OpenMode::default() })?))
    }

    /// Makes a regular file, FIFO, socket or device (mknod(2)).
    pub fn mknod(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        kind: FileKind,
        perm: u32,
        rdev: u32,
    ) -> Result<Attr, FsError> {
        let ino = match kind {
            FileKind::Regular => self.make_file(caller, parent, name, perm)?,
            FileKind::Directory | FileKind::Symlink => {
                return Err(FsError::Invalid("mknod makes neither directories nor links"));
            }
            kind => {
                let name = &Name::new(name)?;
                let rdev = match kind {
                    FileKind::CharDevice | FileKind::BlockDevice => rdev,
                    _ => 0,
                };
                let new = NewNode { caller, parent, name, perm, rdev };
                self.edit(|edit| edit.make(&new, NodeData::Special(kind)))?
            }
        };
        self.getattr(ino)
    }

    /// Makes a directory.
    pub fn mkdir(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        perm: u32,
    ) -> Result<Attr, FsError> {
        let name = &Name::new(name)?;
        let new = NewNode { caller, parent, name, perm, rdev: 0 };
        let empty = Directory { parent, base: DirBase::Empty, delta: BTreeMap::new() };
        let data = NodeData::Directory(Arc::new(empty));
        let ino = self.edit(|edit| edit.make(&new, data.clone()))?;
        self.getattr(ino)
    }

    /// Makes a symbolic link.
    pub fn symlink(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        target: &[u8],
    ) -> Result<Attr, FsError> {
        if target.len() > TARGET_MAX {
            return Err(FsError::NameTooLong);
        }
        let name = &Name::new(name)?;
        let new = NewNode { caller, parent, name, perm: 0o777, rdev: 0 };
        let ino = self.edit(|edit| edit.make(&new, NodeData::Symlink(target.to_vec())))?;
        self.getattr(ino)
    }

    fn make_file(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        perm: u32,
    ) -> Result<Ino, FsError> {
        let name = &Name::new(name)?;
        let new = NewNode { caller, parent, name, perm, rdev: 0 };
        let data = NodeData::Regular(FileData::Value(Value::EMPTY));
        self.edit(|edit| edit.make(&new, data.clone()))
    }
}

impl Edit<'_> {
    /// Makes what the caller is told of.
    pub(super) fn make(&mut self, new: &NewNode<'_>, data: NodeData) -> Looked<Ino> {
        let ino = self.place(new, data)?;
        self.count_lookup(ino);
        Ok(ino)
    }

    /// Puts a new node where no name is taken.
    pub(super) fn place(&mut self, new: &NewNode<'_>, data: NodeData) -> Looked<Ino> {
        self.require_free(new.parent, new.name)?;
        self.touch_dir(new.parent)?;
        let above = self.view().meta(new.parent)?;
        let is_dir = matches!(data, NodeData::Directory(_));
        let inherits = above.perm & SETGID != 0;
        let meta = Meta {
            perm: (new.perm & 0o7777) | if inherits && is_dir { SETGID } else { 0 },
            uid: new.caller.uid,
            gid: if inherits { above.gid } else { new.caller.gid },
            nlink: 1,
            rdev: new.rdev,
            atime: self.now,
            mtime: self.now,
            ctime: self.now,
        };
        let ino = self.allocate_ino();
        self.put_new(new.parent, new.name, ino, Node { meta, data, xattrs: BTreeMap::new() });
        Ok(ino)
    }
}
