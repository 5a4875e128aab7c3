//! Changing the namespace: one operation, one transaction, all or nothing.

use super::inode::Origin;
use super::look::{Inode, Looked, Trees, View};
use super::view::Child;
use super::{FsError, Workspace};
use crate::overlay::{Change, DirBase, Directory, Meta, Node, NodeData, Slot, Transaction};
use crate::types::{Ino, Name, Oid, Timespec, TreeMode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A transaction in the making. Lives under the overlay's exclusive index lock.
pub(super) struct Edit<'a> {
    transaction: Transaction<'a>,
    workspace: &'a Workspace,
    trees: &'a Trees,
    /// The time of the operation.
    pub now: Timespec,
    /// What becomes of the counts of subdirectories.
    subdirectories: Vec<(Ino, i32)>,
    lookups: Vec<Ino>,
    /// Untouched inodes that lose their name.
    unlinked: Vec<Ino>,
}

impl Workspace {
    /// Runs `operation` under the namespace lock and commits what it made, or nothing.
    pub(super) fn edit<T>(
        &self,
        operation: impl Fn(&mut Edit<'_>) -> Looked<T>,
    ) -> Result<T, FsError> {
        self.edit_with(Trees::default(), operation)
    }

    /// The same, with trees that were loaded before.
    pub(super) fn edit_with<T>(
        &self,
        mut trees: Trees,
        operation: impl Fn(&mut Edit<'_>) -> Looked<T>,
    ) -> Result<T, FsError> {
        self.check_writable()?;
        let now = self.clock.now();
        loop {
            let stop = {
                let mut edit = Edit {
                    transaction: self.overlay.begin(),
                    workspace: self,
                    trees: &trees,
                    now,
                    subdirectories: Vec::new(),
                    lookups: Vec::new(),
                    unlinked: Vec::new(),
                };
                match operation(&mut edit) {
                    Ok(value) => return edit.commit().map(|()| value),
                    Err(stop) => stop,
                }
            };
            self.overcome(stop, &mut trees)?;
        }
    }
}

impl Edit<'_> {
    /// The namespace with the changes so far.
    pub fn view(&self) -> View<'_> {
        View { index: &self.transaction, workspace: self.workspace, trees: self.trees }
    }

    pub fn push(&mut self, change: Change) {
        self.transaction.push(change);
    }

    pub fn allocate_ino(&mut self) -> Ino {
        self.transaction.allocate_ino()
    }

    /// Gives an untouched base entry a node, and its directories up to the root.
    pub fn touch(&mut self, ino: Ino) -> Looked<()> {
        if ino == Ino::GITFILE {
            return Err(FsError::gitfile().into());
        }
        let mut chain: Vec<(Ino, Origin, bool)> = Vec::new();
        let mut next = ino;
        while let Inode::Base { linked, .. } = self.view().inode(next)? {
            let table = self.workspace.inodes.lock();
            let origin = table.origin(next).cloned().ok_or(FsError::Stale(next))?;
            let parent = origin.parent;
            chain.push((next, origin, linked));
            if !linked {
                break;
            }
            next = parent;
        }
        for (ino, origin, linked) in chain.into_iter().rev() {
            let config = &self.workspace.config;
            let mut node = config.base_node(origin.parent, origin.mode, origin.oid);
            node.meta.nlink = u32::from(linked);
            node.meta.ctime = self.view().base_ctime(ino, node.meta.ctime);
            self.push(Change::PutNode(ino, node));
            if linked {
                self.push(Change::SetSlot(origin.parent, origin.name, Some(Slot::Entry(ino))));
            }
        }
        Ok(())
    }

    /// Gives `child`, which stands as `name` in the touched directory `dir`, a node.
    pub fn adopt(&mut self, dir: Ino, name: &Name, child: Child) {
        if let Child::Base(ino, mode, oid, _) = child {
            let node = self.workspace.config.base_node(dir, mode, oid);
            self.push(Change::PutNode(ino, node));
            self.push(Change::SetSlot(dir, name.clone(), Some(Slot::Entry(ino))));
        }
    }

    /// Touches the directory `dir`, whose entries are about to change, and stamps it.
    pub fn touch_dir(&mut self, dir: Ino) -> Looked<()> {
        self.touch(dir)?;
        let now = self.now;
        let meta = self.view().meta(dir)?;
        if meta.nlink == 0 {
            return Err(FsError::Removed(dir).into());
        }
        self.push(Change::SetMeta(dir, Meta { mtime: now, ctime: now, ..meta }));
        Ok(())
    }

    /// Alters the attributes of a touched inode.
    pub fn alter(&mut self, ino: Ino, alter: impl FnOnce(&mut Meta)) -> Looked<()> {
        let mut meta = self.view().meta(ino)?;
        alter(&mut meta);
        self.push(Change::SetMeta(ino, meta));
        Ok(())
    }

    /// Puts a new inode into the touched directory `dir`.
    pub fn put_new(&mut self, dir: Ino, name: &Name, ino: Ino, node: Node) {
        let is_dir = node.directory().is_some();
        self.push(Change::PutNode(ino, node));
        self.put_slot(dir, name, ino, is_dir);
    }

    /// Names the touched inode `ino` in the touched directory `dir`.
    pub fn put_slot(&mut self, dir: Ino, name: &Name, ino: Ino, is_dir: bool) {
        self.push(Change::SetSlot(dir, name.clone(), Some(Slot::Entry(ino))));
        if is_dir {
            self.subdirectories.push((dir, 1));
        }
    }

    /// Takes a name out of the touched directory `dir`; what it stood for is not altered.
    pub fn take_slot(&mut self, dir: Ino, name: &Name, is_dir: bool) -> Looked<()> {
        let in_base = self.view().dir(dir)?.in_base(name.as_bytes()).is_some();
        // The whiteout of a base name stays for ever: its inode number may be in use elsewhere.
        let slot = in_base.then_some(Slot::Whiteout);
        self.push(Change::SetSlot(dir, name.clone(), slot));
        if is_dir {
            self.subdirectories.push((dir, -1));
        }
        Ok(())
    }

    /// Takes one name off what `child` is; the inode goes with its last name unless it is in use.
    ///
    /// To be called while the name is still there.
    pub fn drop_name(&mut self, child: Child) -> Looked<()> {
        let ino = child.ino();
        if let Child::Base(..) = child {
            // Whoever has it open goes on reading the base.
            self.unlinked.push(ino);
            return Ok(());
        }
        let meta = self.view().meta(ino)?;
        let nlink = meta.nlink.saturating_sub(1);
        if nlink == 0 && !self.workspace.inodes.lock().is_known(ino) {
            self.push(Change::DropNode(ino));
        } else {
            self.push(Change::SetMeta(ino, Meta { nlink, ctime: self.now, ..meta }));
        }
        Ok(())
    }

    /// Fails when `name` cannot be made in `dir`: it was removed, or something has the name.
    pub fn require_free(&self, dir: Ino, name: &Name) -> Looked<()> {
        let view = self.view();
        let listing = view.dir(dir)?;
        if view.meta(dir)?.nlink == 0 {
            return Err(FsError::Removed(dir).into());
        }
        if view.child(&listing, name)?.is_some() {
            return Err(FsError::Exists { dir, name: name.clone() }.into());
        }
        if listing.hides(name.as_bytes()) {
            return Err(FsError::Hidden { dir, name: name.clone() }.into());
        }
        Ok(())
    }

    /// A node for what a merge brings: times are now, the rest as of the base.
    pub fn fresh_node(&self, parent: Ino, (mode, oid): (TreeMode, Oid)) -> Node {
        self.stamped(self.workspace.config.base_node(parent, mode, oid))
    }

    /// A node for a new, empty directory that nobody in particular made.
    pub fn fresh_dir(&self, parent: Ino) -> Node {
        let meta = self.workspace.config.base_meta(TreeMode::Tree);
        let empty = Directory { parent, base: DirBase::Empty, delta: BTreeMap::new() };
        let data = NodeData::Directory(Arc::new(empty));
        self.stamped(Node { meta, data, xattrs: BTreeMap::new() })
    }

    fn stamped(&self, mut node: Node) -> Node {
        let (atime, mtime, ctime) = (self.now, self.now, self.now);
        node.meta = Meta { atime, mtime, ctime, ..node.meta };
        node
    }

    /// Counts a lookup of `ino` once this is committed.
    pub fn count_lookup(&mut self, ino: Ino) {
        self.lookups.push(ino);
    }

    /// Records the batch. The counts are altered before, under the same lock, so that no other
    /// operation sees one without the other.
    fn commit(self) -> Result<(), FsError> {
        let Self { transaction, workspace, subdirectories, lookups, unlinked, now, .. } = self;
        workspace.subdirectories.lock().adjust(&subdirectories);
        lookups.iter().for_each(|ino| workspace.inodes.lock().looked_up(*ino));
        unlinked.iter().for_each(|ino| workspace.inodes.lock().unlinked(*ino, now));
        if let Err(error) = transaction.commit() {
            workspace.subdirectories.lock().clear();
            lookups.iter().for_each(|ino| drop(workspace.inodes.lock().forget(*ino, 1)));
            unlinked.iter().for_each(|ino| workspace.inodes.lock().linked_again(*ino));
            return Err(error.into());
        }
        Ok(())
    }
}
