//! Requests as fuser reads them from the device.

mod linger;
mod passages;
mod reply;

pub(super) use linger::Linger;
pub(super) use passages::Passages;

use super::ask::{Adapter, caller};
use super::convert::set_time;
use super::kernel::Wanted;
use crate::workspace::SetAttr;
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, INodeNo, KernelConfig, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request,
    TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// The adapter as fuser calls it.
pub(super) struct Device {
    pub adapter: Arc<Adapter>,
    /// Whether there is a ring that the kernel could use.
    pub has_ring: bool,
    /// Files that the kernel reads and writes by itself.
    pub passages: Option<Passages>,
    /// Between two requests.
    pub linger: Linger,
}

impl Filesystem for Device {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = Wanted { ring: self.has_ring, passthrough: self.passages.is_some() };
        self.adapter.begin(config, wanted);
        self.passages = self.passages.take().filter(|_| self.adapter.passes_through());
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let _next = self.linger.begin();
        self.adapter.lookup(parent, name, reply);
    }

    fn forget(&self, _request: &Request, inode: INodeNo, count: u64) {
        // They come in batches that nobody waits for.
        self.adapter.forget(inode, count);
    }

    fn getattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        _fh: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        let _next = self.linger.begin();
        self.adapter.getattr(inode, reply);
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
        let _next = self.linger.begin();
        let set = SetAttr {
            perm: mode.map(|mode| mode & 0o7777),
            uid,
            gid,
            size,
            atime: atime.map(set_time),
            mtime: mtime.map(set_time),
        };
        self.adapter.setattr(caller(request), inode, set, reply);
    }

    fn readlink(&self, _request: &Request, inode: INodeNo, reply: ReplyData) {
        let _next = self.linger.begin();
        self.adapter.readlink(inode, reply);
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
        let _next = self.linger.begin();
        self.adapter.mknod(caller(request), parent, name, mode, rdev, reply);
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
        let _next = self.linger.begin();
        self.adapter.mkdir(caller(request), parent, name, mode, reply);
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let _next = self.linger.begin();
        self.adapter.unlink(parent, name, reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let _next = self.linger.begin();
        self.adapter.rmdir(parent, name, reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let _next = self.linger.begin();
        self.adapter.symlink(caller(request), parent, name, target.as_os_str(), reply);
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
        let _next = self.linger.begin();
        self.adapter.rename(caller(request), (parent, name), (new_parent, new_name), flags, reply);
    }

    fn link(
        &self,
        _request: &Request,
        inode: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        let _next = self.linger.begin();
        self.adapter.link(inode, new_parent, new_name, reply);
    }

    fn open(&self, _request: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let _next = self.linger.begin();
        match &self.passages {
            Some(passages) => self.open_and_pass(passages, inode, flags, reply),
            None => self.adapter.open(inode, flags, reply),
        }
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
        let _next = self.linger.begin();
        let caller = caller(request);
        match &self.passages {
            Some(passages) => {
                let new = (caller, parent, name, mode);
                self.create_and_pass(passages, new, flags, reply);
            }
            None => self.adapter.create(caller, parent, name, mode, reply),
        }
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
        let _next = self.linger.begin();
        self.adapter.read(inode, fh, offset, size, reply);
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
        let _next = self.linger.begin();
        self.adapter.write(inode, fh, (data, offset), write_flags, flags, reply);
    }

    fn flush(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        let _next = self.linger.begin();
        self.adapter.flush(reply);
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
        let _next = self.linger.begin();
        self.passage_ended(inode, fh);
        self.adapter.release(inode, fh, reply);
    }

    fn fsync(
        &self,
        _request: &Request,
        inode: INodeNo,
        fh: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        let _next = self.linger.begin_long();
        self.adapter.fsync(inode, fh, reply);
        self.attributes_moved(inode, fh);
    }

    fn opendir(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let _next = self.linger.begin();
        self.adapter.opendir(reply);
    }

    fn readdir(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        let _next = self.linger.begin();
        self.adapter.readdir(inode, offset, reply);
    }

    fn readdirplus(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        reply: ReplyDirectoryPlus,
    ) {
        let _next = self.linger.begin();
        self.adapter.readdirplus(inode, offset, reply);
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        let _next = self.linger.begin_long();
        self.adapter.fsyncdir(inode, reply);
    }

    fn statfs(&self, _request: &Request, inode: INodeNo, reply: ReplyStatfs) {
        let _next = self.linger.begin();
        self.adapter.statfs(inode, reply);
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
        let _next = self.linger.begin();
        self.adapter.setxattr(inode, name, value, flags, reply);
    }

    fn getxattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        let _next = self.linger.begin();
        self.adapter.getxattr(inode, name, size, reply);
    }

    fn listxattr(&self, _request: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        let _next = self.linger.begin();
        self.adapter.listxattr(inode, size, reply);
    }

    fn removexattr(&self, _request: &Request, inode: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let _next = self.linger.begin();
        self.adapter.removexattr(inode, name, reply);
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
        let _next = self.linger.begin();
        self.adapter.fallocate(caller(request), inode, fh, (offset, len), mode, reply);
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
        let _next = self.linger.begin();
        self.adapter.lseek(inode, fh, offset, whence, reply);
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
        let _next = self.linger.begin();
        self.adapter.copy_file_range(
            caller(request),
            (from_inode, from, from_offset),
            (to_inode, to, to_offset),
            len,
            reply,
        );
    }
}
