//! One method a request: call, reply.

use super::answers::{
    Answers, Count, Created, Entry, Filled, Listing, ListingPlus, Offset, Opened, Xattr,
};
use super::ask::{Adapter, UNOPENED, handle, ino, kills_suid};
use super::convert::{kind_of_mode, rename_mode, xattr_mode};
use super::count::Kind;
use super::late::guard;
use super::route::{View, same_workspace, slot};
use super::{kernel, reply};
use crate::types::{Attr, Fh, FileKind};
use crate::workspace::{Caller, FsError, FsStat, OpenMode, SetAttr, WriteMode};
use fuser::{Errno, FileHandle, INodeNo, OpenAccMode, OpenFlags, RenameFlags, WriteFlags};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The operations, whichever way a request came.
impl Adapter {
    pub fn lookup(&self, parent: INodeNo, name: &OsStr, reply: impl Answers<Entry>) {
        if let Some(house) = self.house_at(Kind::Lookup, parent) {
            return reply::found(reply, guard(|| house.find(name.as_bytes())));
        }
        let (parent, name) = (ino(parent), name.as_bytes().to_vec());
        let question = move |workspace: &View<'_>| workspace.lookup(parent, &name);
        self.answer(Kind::Lookup, parent, reply, question, reply::found);
    }

    pub fn forget(&self, inode: INodeNo, count: u64) {
        // Nobody waits for an answer.
        if let Some(house) = self.asker.house() {
            return house.forget(slot(ino(inode)), inode.0, count);
        }
        let _ = self.ask(Kind::Forget, inode, |workspace| {
            workspace.forget([(ino(inode), count)]);
            Ok(())
        });
    }

    pub fn getattr(&self, inode: INodeNo, reply: impl Answers<Attr>) {
        let question = move |workspace: &View<'_>| workspace.getattr(ino(inode));
        self.answer(Kind::Getattr, inode, reply, question, reply::attr);
    }

    pub fn setattr(&self, caller: Caller, inode: INodeNo, set: SetAttr, reply: impl Answers<Attr>) {
        let inode = ino(inode);
        let question = move |workspace: &View<'_>| workspace.setattr(caller, inode, &set);
        self.answer(Kind::Setattr, inode, reply, question, reply::attr);
    }

    pub fn readlink(&self, inode: INodeNo, reply: impl for<'a> Answers<&'a [u8]>) {
        let question = move |workspace: &View<'_>| workspace.readlink(ino(inode));
        self.answer(Kind::Readlink, inode, reply, question, reply::data);
    }

    pub fn mknod(
        &self,
        caller: Caller,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        rdev: u32,
        reply: impl Answers<Entry>,
    ) {
        let (parent, kind) = (ino(parent), kind_of_mode(mode));
        let perm = mode & 0o7777;
        let made = self.ask(Kind::Mknod, parent, |workspace| {
            workspace.mknod(caller, parent, name.as_bytes(), kind, perm, rdev)
        });
        reply::entry(reply, made);
    }

    pub fn mkdir(
        &self,
        caller: Caller,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        reply: impl Answers<Entry>,
    ) {
        if let Some(house) = self.house_at(Kind::Mkdir, parent) {
            return reply::entry(reply, guard(|| house.make(name.as_bytes())));
        }
        let (parent, perm) = (ino(parent), mode & 0o7777);
        let made = self.ask(Kind::Mkdir, parent, |workspace| {
            workspace.mkdir(caller, parent, name.as_bytes(), perm)
        });
        reply::entry(reply, made);
    }

    pub fn unlink(&self, parent: INodeNo, name: &OsStr, reply: impl Answers<()>) {
        reply::empty(
            reply,
            self.ask(Kind::Unlink, parent, |workspace| {
                workspace.unlink(ino(parent), name.as_bytes())
            }),
        );
    }

    pub fn rmdir(&self, parent: INodeNo, name: &OsStr, reply: impl Answers<()>) {
        if let Some(house) = self.house_at(Kind::Rmdir, parent) {
            // What it holds becomes a commit first: not on a thread that others wait for.
            let done = |done| reply::empty(reply, guard(|| done));
            return house.retire(name.as_bytes(), Box::new(done));
        }
        reply::empty(
            reply,
            self.ask(Kind::Rmdir, parent, |workspace| {
                workspace.rmdir(ino(parent), name.as_bytes())
            }),
        );
    }

    pub fn symlink(
        &self,
        caller: Caller,
        parent: INodeNo,
        name: &OsStr,
        target: &OsStr,
        reply: impl Answers<Entry>,
    ) {
        let parent = ino(parent);
        let target = target.as_bytes();
        let made = self.ask(Kind::Symlink, parent, |workspace| {
            workspace.symlink(caller, parent, name.as_bytes(), target)
        });
        reply::entry(reply, made);
    }

    pub fn rename(
        &self,
        caller: Caller,
        (parent, name): (INodeNo, &OsStr),
        (new_parent, new_name): (INodeNo, &OsStr),
        flags: RenameFlags,
        reply: impl Answers<()>,
    ) {
        let whiteout = flags.contains(RenameFlags::RENAME_WHITEOUT).then_some(caller);
        let Some(mode) = rename_mode(flags) else { return reply.error(Errno::EINVAL) };
        if !same_workspace(ino(parent), ino(new_parent)) {
            return reply.error(Errno::EXDEV);
        }
        let (from, to) = ((ino(parent), name.as_bytes()), (ino(new_parent), new_name.as_bytes()));
        let done = self.ask(Kind::Rename, parent, |workspace| {
            workspace.rename(from.0, from.1, to.0, to.1, mode, whiteout)
        });
        reply::empty(reply, done);
    }

    pub fn link(
        &self,
        inode: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: impl Answers<Entry>,
    ) {
        if !same_workspace(ino(inode), ino(new_parent)) {
            return reply.error(Errno::EXDEV);
        }
        let (inode, parent) = (ino(inode), ino(new_parent));
        let name = new_name.as_bytes().to_vec();
        let question = move |workspace: &View<'_>| workspace.link(inode, parent, &name);
        self.answer(Kind::Link, inode, reply, question, reply::entry);
    }

    pub fn open(&self, inode: INodeNo, flags: OpenFlags, reply: impl Answers<Opened>) {
        if !self.opens_files() {
            self.requests.count(Kind::Open);
            return reply.error(Errno::ENOSYS);
        }
        // O_TRUNC comes as a SETATTR once the file is open, see `kernel`.
        let write = flags.acc_mode() != OpenAccMode::O_RDONLY;
        let mode = OpenMode { write, ..OpenMode::default() };
        let opened = self.ask(Kind::Open, inode, |workspace| workspace.open(ino(inode), mode));
        reply::opened(reply, opened, kernel::FILE);
    }

    pub fn create(
        &self,
        caller: Caller,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        reply: impl Answers<Created>,
    ) {
        let (parent, perm) = (ino(parent), mode & 0o7777);
        let made = self.ask(Kind::Create, parent, |workspace| match self.opens_files() {
            true => workspace.create(caller, parent, name.as_bytes(), perm),
            false => {
                let made =
                    workspace.mknod(caller, parent, name.as_bytes(), FileKind::Regular, perm, 0);
                made.map(|attr| (attr, UNOPENED))
            }
        });
        reply::created(reply, made);
    }

    pub fn read(&self, inode: INodeNo, fh: FileHandle, offset: u64, size: u32, reply: impl Filled) {
        self.read_into(reply, inode, fh, (offset, size));
    }

    pub fn write(
        &self,
        inode: INodeNo,
        fh: FileHandle,
        (data, offset): (&[u8], u64),
        write_flags: WriteFlags,
        flags: OpenFlags,
        reply: impl Answers<Count>,
    ) {
        let from_cache = write_flags.contains(WriteFlags::FUSE_WRITE_CACHE);
        let mode = WriteMode {
            // Pages of a shared mapping go where they are mapped.
            append: flags.0 & libc::O_APPEND != 0 && !from_cache,
            kill_suid: write_flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID),
            sync: flags.0 & (libc::O_SYNC | libc::O_DSYNC) != 0,
            // The kernel would take such a page for written.
            whole: from_cache,
        };
        self.write_from(reply, inode, fh, (data, offset), mode);
    }

    pub fn flush(&self, reply: impl Answers<()>) {
        // It would tell nothing: writes are with the workspace when they return. Asked once.
        self.requests.count(Kind::Flush);
        reply.error(Errno::ENOSYS);
    }

    pub fn release(&self, inode: INodeNo, fh: FileHandle, reply: impl Answers<()>) {
        let done = self.ask(Kind::Release, inode, |workspace| {
            workspace.release(Fh(fh.0));
            Ok(())
        });
        reply::empty(reply, done);
    }

    pub fn fsync(&self, inode: INodeNo, fh: FileHandle, reply: impl Answers<()>) {
        reply::empty(
            reply,
            self.ask(Kind::Fsync, inode, |workspace| workspace.fsync(handle(inode, fh))),
        );
    }

    pub fn opendir(&self, reply: impl Answers<Opened>) {
        self.requests.count(Kind::Opendir);
        // Directories are read without handles: the kernel need not ask again, if it can that.
        match self.opens_directories() {
            true => reply::opened(reply, Ok(UNOPENED), kernel::DIRECTORY),
            false => reply.error(Errno::ENOSYS),
        }
    }

    pub fn readdir(&self, inode: INodeNo, offset: u64, mut reply: impl Listing) {
        let each = |next, ino, name: &[u8]| reply::add_folder(&mut reply, next, ino, name);
        if self.list_house(Kind::Readdir, inode, offset, each) {
            return reply.end(Ok(()));
        }
        let read = self.ask(Kind::Readdir, inode, |workspace| {
            workspace.readdir(ino(inode), offset, |entry| reply::add(&mut reply, &entry))
        });
        reply.end(read);
    }

    pub fn readdirplus(&self, inode: INodeNo, offset: u64, mut reply: impl ListingPlus) {
        let each = |next, ino, name: &[u8]| reply::add_folder_plus(&mut reply, next, ino, name);
        if self.list_house(Kind::Readdirplus, inode, offset, each) {
            return reply.end(Ok(()));
        }
        let read = self.ask(Kind::Readdirplus, inode, |workspace| {
            workspace.readdir_plus(ino(inode), offset, |entry, found| {
                reply::add_plus(&mut reply, &entry, found)
            })
        });
        reply.end(read);
    }

    pub fn fsyncdir(&self, inode: INodeNo, reply: impl Answers<()>) {
        reply::empty(reply, self.ask(Kind::Fsyncdir, inode, |workspace| workspace.fsyncdir()));
    }

    pub fn statfs(&self, inode: INodeNo, reply: impl Answers<FsStat>) {
        reply::statfs(reply, self.ask(Kind::Statfs, inode, |workspace| workspace.statfs()));
    }

    pub fn setxattr(
        &self,
        inode: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        reply: impl Answers<()>,
    ) {
        let Some(mode) = xattr_mode(flags) else { return reply.error(Errno::EINVAL) };
        let done = self.ask(Kind::Setxattr, inode, |workspace| {
            workspace.setxattr(ino(inode), name.as_bytes(), value, mode)
        });
        reply::empty(reply, done);
    }

    pub fn getxattr(&self, inode: INodeNo, name: &OsStr, size: u32, reply: impl Answers<Xattr>) {
        let value = self.ask(Kind::Getxattr, inode, |workspace| {
            workspace.getxattr(ino(inode), name.as_bytes())
        });
        reply::xattr(reply, size, value);
    }

    pub fn listxattr(&self, inode: INodeNo, size: u32, reply: impl Answers<Xattr>) {
        reply::xattr(
            reply,
            size,
            self.ask(Kind::Listxattr, inode, |workspace| workspace.listxattr(ino(inode))),
        );
    }

    pub fn removexattr(&self, inode: INodeNo, name: &OsStr, reply: impl Answers<()>) {
        let done = self.ask(Kind::Removexattr, inode, |workspace| {
            workspace.removexattr(ino(inode), name.as_bytes())
        });
        reply::empty(reply, done);
    }

    pub fn fallocate(
        &self,
        caller: Caller,
        inode: INodeNo,
        fh: FileHandle,
        range: (u64, u64),
        mode: i32,
        reply: impl Answers<()>,
    ) {
        let kill = kills_suid(caller);
        let question =
            move |workspace: &View<'_>| workspace.fallocate(handle(inode, fh), mode, range, kill);
        self.answer(Kind::Fallocate, inode, reply, question, reply::empty);
    }

    pub fn lseek(
        &self,
        inode: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: impl Answers<Offset>,
    ) {
        let question = move |workspace: &View<'_>| match (whence, u64::try_from(offset)) {
            (_, Err(_)) => Err(FsError::BeyondEnd(0)),
            (libc::SEEK_DATA, Ok(offset)) => workspace.seek_data(handle(inode, fh), offset),
            (libc::SEEK_HOLE, Ok(offset)) => workspace.seek_hole(handle(inode, fh), offset),
            _ => Err(FsError::Invalid("only data and holes are sought here")),
        };
        self.answer(Kind::Lseek, inode, reply, question, reply::offset);
    }

    pub fn copy_file_range(
        &self,
        caller: Caller,
        (from_inode, from, from_offset): (INodeNo, FileHandle, u64),
        (to_inode, to, to_offset): (INodeNo, FileHandle, u64),
        len: u64,
        reply: impl Answers<Count>,
    ) {
        if !same_workspace(ino(from_inode), ino(to_inode)) {
            return reply.error(Errno::EXDEV);
        }
        let from = (handle(from_inode, from), from_offset);
        let to = (handle(to_inode, to), to_offset);
        let kill = kills_suid(caller);
        let question = move |workspace: &View<'_>| workspace.copy_file_range(from, to, len, kill);
        self.answer(Kind::CopyFileRange, from_inode, reply, question, reply::written);
    }
}
