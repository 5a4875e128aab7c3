use crate::overlay::{Change, NodeData};
use crate::types::{Attr, Ino, Name, TreeMode};
use crate::workspace::attr::{Shape, shape_of};
use crate::workspace::look::Inode;
use crate::workspace::{FsError, Workspace};

/// What readlink(2) can return; a longer target could never be followed.
pub(super) const TARGET_MAX: usize = 4095;

/// An entry that was looked up, with its shape where that takes no more than a look.
pub(super) type Found = (Ino, Option<Shape>);

impl Workspace {
    /// Finds `name` in `parent` and counts a lookup of what it is; None when there is no such name.
    pub fn lookup(&self, parent: Ino, name: &[u8]) -> Result<Option<Attr>, FsError> {
        let name = Name::new(name)?;
        let Some(found) = self.find_and_count(parent, &name)? else { return Ok(None) };
        let attr = self.attr_of_found(&found);
        if attr.is_err() {
            self.forget([(found.0, 1)]);
        }
        attr.map(Some)
    }

    fn find_and_count(&self, parent: Ino, name: &Name) -> Result<Option<Found>, FsError> {
        self.look(|view| {
            let dir = view.dir(parent)?;
            let Some(child) = view.child(&dir, name)? else { return Ok(None) };
            self.inodes.lock().count(parent, child, name)?;
            Ok(Some((child.ino(), shape_of(view, child))))
        })
    }

    /// The attributes of what was looked up.
    pub(super) fn attr_of_found(&self, (ino, shape): &Found) -> Result<Attr, FsError> {
        match shape {
            Some(shape) => self.attr_of(*ino, shape),
            None => self.getattr(*ino),
        }
    }

    /// Takes back lookups that were counted. Inodes without a name go with the last one.
    pub fn forget(&self, inodes: impl IntoIterator<Item = (Ino, u64)>) {
        let gone: Vec<Ino> = {
            let mut table = self.inodes.lock();
            inodes.into_iter().flat_map(|(ino, count)| table.forget(ino, count)).collect()
        };
        self.handles.let_go(&gone);
        self.drop_orphans(&gone);
    }

    /// Drops those of the inodes that have no name and that nobody refers to, and those that could
    /// not be dropped before.
    pub(super) fn drop_orphans(&self, inodes: &[Ino]) {
        let mut all = std::mem::take(&mut *self.undropped.lock());
        all.extend(inodes);
        let inodes = all;
        let has_orphan = {
            let index = self.overlay.read();
            let orphan = |ino| index.node(ino).is_some_and(|node| node.meta.nlink == 0);
            inodes.iter().any(|ino| orphan(*ino))
        };
        if !has_orphan {
            return;
        }
        let dropped = self.edit(|edit| {
            for ino in &inodes {
                let view = edit.view();
                let orphan = view.index.node(*ino).is_some_and(|node| node.meta.nlink == 0);
                if orphan && !self.inodes.lock().is_known(*ino) {
                    edit.push(Change::DropNode(*ino));
                    self.subdirectories.lock().remove(*ino);
                }
            }
            Ok(())
        });
        if let Err(error) = dropped {
            // A full disk: their bytes are space that it waits for. Opening the overlay again drops
            // them too.
            tracing::debug!(%error, "inodes without a name stay for now");
            self.undropped.lock().extend(inodes);
        }
    }

    /// The target of a symbolic link.
    pub fn readlink(&self, ino: Ino) -> Result<Vec<u8>, FsError> {
        let target = self.look(|view| match view.inode(ino)? {
            Inode::Node(node) => match &node.data {
                NodeData::Symlink(target) => Ok(Ok(target.clone())),
                NodeData::BaseSymlink(oid) => Ok(Err(*oid)),
                _ => Err(FsError::Invalid("not a symbolic link").into()),
            },
            Inode::Base { mode: TreeMode::Link, oid, .. } => Ok(Err(oid)),
            _ => Err(FsError::Invalid("not a symbolic link").into()),
        })?;
        let oid = match target {
            Ok(target) => return Ok(target),
            Err(oid) => oid,
        };
        if self.base.blob_size(oid)? > TARGET_MAX as u64 {
            return Err(FsError::NameTooLong);
        }
        let blob = self.base.blob(oid)?;
        let mut target = vec![0; usize::try_from(blob.len()).unwrap_or(TARGET_MAX)];
        blob.read_at(&mut target, 0)?;
        Ok(target)
    }
}
