//! A workspace as one mount shows it: its operations, with inodes as the kernel calls them.

use super::route::{House, Numbers};
use crate::types::{Attr, Fh, FileKind, Ino};
use crate::workspace::{
    Caller, DirEntry, FsError, FsStat, Handle, Listed, Offer, OpenMode, RenameMode, SetAttr,
    Workspace, WriteMode, Written, XattrMode,
};

type Answer<T> = Result<T, FsError>;

/// A workspace while a request is asked of it.
pub(super) struct View<'a> {
    pub workspace: &'a Workspace,
    /// Where it is one of many.
    pub among: Option<(&'a dyn House, &'a Numbers)>,
}

/// Between the kernel's numbers and the workspace's own.
impl View<'_> {
    fn inside(&self, ino: Ino) -> Ino {
        self.among.map_or(ino, |(_, numbers)| numbers.inside(ino.0))
    }

    fn handle(&self, handle: Handle) -> Handle {
        match handle {
            Handle::Unopened(ino) => Handle::Unopened(self.inside(ino)),
            opened => opened,
        }
    }

    fn outside(&self, ino: Ino) -> Ino {
        self.among.map_or(ino, |(_, numbers)| numbers.outside(ino))
    }

    fn shown(&self, attr: Attr) -> Answer<Attr> {
        let Some((_, numbers)) = self.among else { return Ok(attr) };
        Ok(Attr { ino: numbers.give_out(attr.ino)?, ..attr })
    }

    /// Who reads `.git` goes on in the git directory, which may not be made yet.
    fn before_reading(&self, ino: Ino) -> Answer<()> {
        match self.among {
            Some((house, numbers)) if ino == Ino::GITFILE => house.shows_gitdir(numbers.slot()),
            _ => Ok(()),
        }
    }
}

/// Names.
impl View<'_> {
    pub fn lookup(&self, parent: Ino, name: &[u8]) -> Answer<Option<Attr>> {
        let found = self.workspace.lookup(self.inside(parent), name)?;
        found.map(|attr| self.shown(attr)).transpose()
    }

    pub fn forget(&self, inodes: impl IntoIterator<Item = (Ino, u64)>) {
        self.workspace.forget(inodes.into_iter().map(|(ino, count)| (self.inside(ino), count)));
    }

    pub fn mknod(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        kind: FileKind,
        perm: u32,
        rdev: u32,
    ) -> Answer<Attr> {
        let parent = self.inside(parent);
        self.shown(self.workspace.mknod(caller, parent, name, kind, perm, rdev)?)
    }

    pub fn mkdir(&self, caller: Caller, parent: Ino, name: &[u8], perm: u32) -> Answer<Attr> {
        self.shown(self.workspace.mkdir(caller, self.inside(parent), name, perm)?)
    }

    pub fn symlink(&self, caller: Caller, parent: Ino, name: &[u8], target: &[u8]) -> Answer<Attr> {
        self.shown(self.workspace.symlink(caller, self.inside(parent), name, target)?)
    }

    pub fn create(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        perm: u32,
    ) -> Answer<(Attr, Fh)> {
        let (attr, fh) = self.workspace.create(caller, self.inside(parent), name, perm)?;
        Ok((self.shown(attr)?, fh))
    }

    pub fn create_and_offer(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        perm: u32,
    ) -> Answer<(Attr, Fh, Offer)> {
        let parent = self.inside(parent);
        let (attr, fh, offer) = self.workspace.create_and_offer(caller, parent, name, perm)?;
        Ok((self.shown(attr)?, fh, offer))
    }

    pub fn open_and_offer(&self, ino: Ino, mode: OpenMode) -> Answer<(Fh, Offer)> {
        self.workspace.open_and_offer(self.inside(ino), mode)
    }

    pub fn link(&self, ino: Ino, new_parent: Ino, new_name: &[u8]) -> Answer<Attr> {
        let (ino, new_parent) = (self.inside(ino), self.inside(new_parent));
        self.shown(self.workspace.link(ino, new_parent, new_name)?)
    }

    pub fn unlink(&self, parent: Ino, name: &[u8]) -> Answer<()> {
        self.workspace.unlink(self.inside(parent), name)
    }

    pub fn rmdir(&self, parent: Ino, name: &[u8]) -> Answer<()> {
        self.workspace.rmdir(self.inside(parent), name)
    }

    pub fn rename(
        &self,
        parent: Ino,
        name: &[u8],
        new_parent: Ino,
        new_name: &[u8],
        mode: RenameMode,
        whiteout: Option<Caller>,
    ) -> Answer<()> {
        let (parent, new_parent) = (self.inside(parent), self.inside(new_parent));
        self.workspace.rename(parent, name, new_parent, new_name, mode, whiteout)
    }

    pub fn readlink(&self, ino: Ino) -> Answer<Vec<u8>> {
        self.workspace.readlink(self.inside(ino))
    }

    pub fn readdir(
        &self,
        dir: Ino,
        offset: u64,
        mut each: impl FnMut(DirEntry<'_>) -> bool,
    ) -> Answer<()> {
        self.workspace.readdir(self.inside(dir), offset, |entry| self.numbered(entry, &mut each))
    }

    pub fn readdir_plus(
        &self,
        dir: Ino,
        offset: u64,
        mut each: impl FnMut(DirEntry<'_>, Option<(Ino, Option<Attr>)>) -> bool,
    ) -> Answer<()> {
        self.workspace.readdir_plus(self.inside(dir), offset, |entry, found| {
            // What looks like another one is told without attributes; looking it up says why.
            let found = found
                .map(|(ino, attr)| (self.outside(ino), attr.and_then(|it| self.shown(it).ok())));
            self.numbered(entry, |entry| each(entry, found))
        })
    }

    fn numbered(&self, entry: DirEntry<'_>, each: impl FnOnce(DirEntry<'_>) -> bool) -> bool {
        if self.among.is_none() {
            return each(entry);
        }
        match entry {
            DirEntry::Dot { cookie, ino, name } => {
                each(DirEntry::Dot { cookie, ino: self.outside(ino), name })
            }
            DirEntry::Listed(listed) => {
                let listed = Listed { ino: self.outside(listed.ino), ..listed.clone() };
                each(DirEntry::Listed(&listed))
            }
        }
    }
}

/// Attributes.
impl View<'_> {
    pub fn getattr(&self, ino: Ino) -> Answer<Attr> {
        self.shown(self.workspace.getattr(self.inside(ino))?)
    }

    pub fn setattr(&self, caller: Caller, ino: Ino, set: &SetAttr) -> Answer<Attr> {
        self.shown(self.workspace.setattr(caller, self.inside(ino), set)?)
    }

    pub fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Answer<()> {
        self.workspace.setxattr(self.inside(ino), name, value, mode)
    }

    pub fn getxattr(&self, ino: Ino, name: &[u8]) -> Answer<Vec<u8>> {
        self.workspace.getxattr(self.inside(ino), name)
    }

    pub fn listxattr(&self, ino: Ino) -> Answer<Vec<u8>> {
        self.workspace.listxattr(self.inside(ino))
    }

    pub fn removexattr(&self, ino: Ino, name: &[u8]) -> Answer<()> {
        self.workspace.removexattr(self.inside(ino), name)
    }

    pub fn statfs(&self) -> Answer<FsStat> {
        self.workspace.statfs()
    }
}

/// Bytes.
impl View<'_> {
    pub fn open(&self, ino: Ino, mode: OpenMode) -> Answer<Fh> {
        self.before_reading(self.inside(ino))?;
        self.workspace.open(self.inside(ino), mode)
    }

    pub fn release(&self, fh: Fh) {
        self.workspace.release(fh);
    }

    pub fn read(&self, file: Handle, buf: &mut [u8], offset: u64) -> Answer<usize> {
        let file = self.handle(file);
        if let Handle::Unopened(ino) = file {
            self.before_reading(ino)?;
        }
        self.workspace.read(file, buf, offset)
    }

    pub fn write(
        &self,
        file: Handle,
        bytes: &[u8],
        offset: u64,
        mode: WriteMode,
    ) -> Answer<Written> {
        self.workspace.write(self.handle(file), bytes, offset, mode)
    }

    pub fn fsync(&self, file: Handle) -> Answer<()> {
        self.workspace.fsync(self.handle(file))
    }

    pub fn fsyncdir(&self) -> Answer<()> {
        self.workspace.fsyncdir()
    }

    pub fn fallocate(&self, file: Handle, mode: i32, range: (u64, u64), kill: bool) -> Answer<()> {
        self.workspace.fallocate(self.handle(file), mode, range, kill)
    }

    pub fn seek_data(&self, file: Handle, offset: u64) -> Answer<u64> {
        self.workspace.seek_data(self.handle(file), offset)
    }

    pub fn seek_hole(&self, file: Handle, offset: u64) -> Answer<u64> {
        self.workspace.seek_hole(self.handle(file), offset)
    }

    pub fn copy_file_range(
        &self,
        from: (Handle, u64),
        to: (Handle, u64),
        len: u64,
        kill: bool,
    ) -> Answer<u64> {
        let (from, to) = ((self.handle(from.0), from.1), (self.handle(to.0), to.1));
        self.workspace.copy_file_range(from, to, len, kill)
    }
}
