//! One method a request: decode, call, reply.

use super::ask::{Adapter, caller, handle, ino, kills_suid};
use super::convert::{kind_of_mode, rename_mode, set_time, xattr_mode};
use super::count::Kind;
use super::late::guard;
use super::route::{View, same_workspace, slot};
use super::{kernel, reply};
use crate::types::Fh;
use crate::workspace::{FsError, SetAttr, WriteMode};
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, INodeNo, KernelConfig,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

impl Filesystem for Adapter {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let able = kernel::configure(config, self.passages.is_some());
        self.passages = self.passages.take().filter(|_| able.passes_through);
        self.opens_directories = !able.opens_directories;
        self.opens_files |= !able.opens_files;
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if let Some(house) = self.house_at(Kind::Lookup, parent) {
            return reply::found(reply, guard(|| house.find(name.as_bytes())));
        }
        let (parent, name) = (ino(parent), name.as_bytes().to_vec());
        let question = move |workspace: &View<'_>| workspace.lookup(parent, &name);
        self.answer(Kind::Lookup, parent, reply, question, reply::found);
    }

    fn forget(&self, _request: &Request, inode: INodeNo, count: u64) {
        // Nobody waits for an answer.
        if let Some(house) = self.asker.house() {
            return house.forget(slot(ino(inode)), inode.0, count);
        }
        let _ = self.ask(Kind::Forget, inode, |workspace| {
            workspace.forget([(ino(inode), count)]);
            Ok(())
        });
    }

    fn getattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        _fh: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        let question = move |workspace: &View<'_>| workspace.getattr(ino(inode));
        self.answer(Kind::Getattr, inode, reply, question, reply::attr);
    }

    fn setattr(
        &self,
        request: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = SetAttr {
            perm: mode.map(|mode| mode & 0o7777),
            uid,
            gid,
            size,
            atime: atime.map(set_time),
            mtime: mtime.map(set_time),
        };
        let (caller, inode) = (caller(request), ino(inode));
        let question = move |workspace: &View<'_>| workspace.setattr(caller, inode, &set);
        self.answer(Kind::Setattr, inode, reply, question, reply::attr);
    }

    fn readlink(&self, _request: &Request, inode: INodeNo, reply: ReplyData) {
        let question = move |workspace: &View<'_>| workspace.readlink(ino(inode));
        self.answer(Kind::Readlink, inode, reply, question, reply::data);
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let (caller, parent, kind) = (caller(request), ino(parent), kind_of_mode(mode));
        let perm = mode & 0o7777;
        let made = self.ask(Kind::Mknod, parent, |workspace| {
            workspace.mknod(caller, parent, name.as_bytes(), kind, perm, rdev)
        });
        reply::entry(reply, made);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        if let Some(house) = self.house_at(Kind::Mkdir, parent) {
            return reply::entry(reply, guard(|| house.make(name.as_bytes())));
        }
        let (caller, parent, perm) = (caller(request), ino(parent), mode & 0o7777);
        let made = self.ask(Kind::Mkdir, parent, |workspace| {
            workspace.mkdir(caller, parent, name.as_bytes(), perm)
        });
        reply::entry(reply, made);
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply::empty(
            reply,
            self.ask(Kind::Unlink, parent, |workspace| {
                workspace.unlink(ino(parent), name.as_bytes())
            }),
        );
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
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

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let (caller, parent) = (caller(request), ino(parent));
        let target = target.as_os_str().as_bytes();
        let made = self.ask(Kind::Symlink, parent, |workspace| {
            workspace.symlink(caller, parent, name.as_bytes(), target)
        });
        reply::entry(reply, made);
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let whiteout = flags.contains(RenameFlags::RENAME_WHITEOUT).then(|| caller(request));
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

    fn link(
        &self,
        _request: &Request,
        inode: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        if !same_workspace(ino(inode), ino(new_parent)) {
            return reply.error(Errno::EXDEV);
        }
        let (inode, parent) = (ino(inode), ino(new_parent));
        let name = new_name.as_bytes().to_vec();
        let question = move |workspace: &View<'_>| workspace.link(inode, parent, &name);
        self.answer(Kind::Link, inode, reply, question, reply::entry);
    }

    fn open(&self, _request: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.open_file(inode, flags, reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let new = (caller(request), ino(parent), name.as_bytes(), mode & 0o7777);
        self.create_file(new, flags, reply);
    }

    fn read(
        &self,
        _request: &Request,
        inode: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.read_into(reply, inode, fh, (offset, size));
    }

    fn write(
        &self,
        _request: &Request,
        inode: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
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

    fn flush(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        // It would tell nothing: writes are with the workspace when they return. Asked once.
        self.requests.count(Kind::Flush);
        reply.error(Errno::ENOSYS);
    }

    fn release(
        &self,
        _request: &Request,
        inode: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        let done = self.ask(Kind::Release, inode, |workspace| {
            workspace.release(Fh(fh.0));
            Ok(())
        });
        self.passage_ended(inode, fh);
        reply::empty(reply, done);
    }

    fn fsync(
        &self,
        _request: &Request,
        inode: INodeNo,
        fh: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        reply::empty(
            reply,
            self.ask(Kind::Fsync, inode, |workspace| workspace.fsync(handle(inode, fh))),
        );
        self.attributes_moved(inode, fh);
    }

    fn opendir(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        self.requests.count(Kind::Opendir);
        // Directories are read without handles: the kernel need not ask again, if it can that.
        match self.opens_directories {
            true => reply.opened(FileHandle(0), kernel::DIRECTORY),
            false => reply.error(Errno::ENOSYS),
        }
    }

    fn readdir(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let each = |next, ino, name: &[u8]| reply::add_folder(&mut reply, next, ino, name);
        if self.list_house(Kind::Readdir, inode, offset, each) {
            return reply.ok();
        }
        let read = self.ask(Kind::Readdir, inode, |workspace| {
            workspace.readdir(ino(inode), offset, |entry| reply::add(&mut reply, &entry))
        });
        match read {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn readdirplus(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let each = |next, ino, name: &[u8]| reply::add_folder_plus(&mut reply, next, ino, name);
        if self.list_house(Kind::Readdirplus, inode, offset, each) {
            return reply.ok();
        }
        let read = self.ask(Kind::Readdirplus, inode, |workspace| {
            workspace.readdir_plus(ino(inode), offset, |entry, found| {
                reply::add_plus(&mut reply, &entry, found)
            })
        });
        match read {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        reply::empty(reply, self.ask(Kind::Fsyncdir, inode, |workspace| workspace.fsyncdir()));
    }

    fn statfs(&self, _request: &Request, inode: INodeNo, reply: ReplyStatfs) {
        reply::statfs(reply, self.ask(Kind::Statfs, inode, |workspace| workspace.statfs()));
    }

    fn setxattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        let Some(mode) = xattr_mode(flags) else { return reply.error(Errno::EINVAL) };
        let done = self.ask(Kind::Setxattr, inode, |workspace| {
            workspace.setxattr(ino(inode), name.as_bytes(), value, mode)
        });
        reply::empty(reply, done);
    }

    fn getxattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        let value = self.ask(Kind::Getxattr, inode, |workspace| {
            workspace.getxattr(ino(inode), name.as_bytes())
        });
        reply::xattr(reply, size, value);
    }

    fn listxattr(&self, _request: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        reply::xattr(
            reply,
            size,
            self.ask(Kind::Listxattr, inode, |workspace| workspace.listxattr(ino(inode))),
        );
    }

    fn removexattr(&self, _request: &Request, inode: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self.ask(Kind::Removexattr, inode, |workspace| {
            workspace.removexattr(ino(inode), name.as_bytes())
        });
        reply::empty(reply, done);
    }

    fn fallocate(
        &self,
        request: &Request,
        inode: INodeNo,
        fh: FileHandle,
        offset: u64,
        len: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let (range, kill) = ((offset, len), kills_suid(request));
        let question =
            move |workspace: &View<'_>| workspace.fallocate(handle(inode, fh), mode, range, kill);
        self.answer(Kind::Fallocate, inode, reply, question, reply::empty);
    }

    fn lseek(
        &self,
        _request: &Request,
        inode: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let question = move |workspace: &View<'_>| match (whence, u64::try_from(offset)) {
            (_, Err(_)) => Err(FsError::BeyondEnd(0)),
            (libc::SEEK_DATA, Ok(offset)) => workspace.seek_data(handle(inode, fh), offset),
            (libc::SEEK_HOLE, Ok(offset)) => workspace.seek_hole(handle(inode, fh), offset),
            _ => Err(FsError::Invalid("only data and holes are sought here")),
        };
        self.answer(Kind::Lseek, inode, reply, question, reply::offset);
    }

    fn copy_file_range(
        &self,
        request: &Request,
        from_inode: INodeNo,
        from: FileHandle,
        from_offset: u64,
        to_inode: INodeNo,
        to: FileHandle,
        to_offset: u64,
        len: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        if !same_workspace(ino(from_inode), ino(to_inode)) {
            return reply.error(Errno::EXDEV);
        }
        let from = (handle(from_inode, from), from_offset);
        let to = (handle(to_inode, to), to_offset);
        let kill = kills_suid(request);
        let question = move |workspace: &View<'_>| workspace.copy_file_range(from, to, len, kill);
        self.answer(Kind::CopyFileRange, from_inode, reply, question, reply::written);
    }
}
