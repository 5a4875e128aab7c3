//! From a request in an entry to the adapter's method, as fuser does it for the device.

use super::entry::Entry;
use super::reply::{InRoom, Names, Reply};
use crate::fuse::answers::Answers;
use crate::fuse::ask::Adapter;
use crate::fuse::wire::{Header, Malformed, Operation, Write};
use crate::workspace::Caller;
use fuser::{Errno, FileHandle, INodeNo, OpenFlags, RenameFlags, SessionACL, WriteFlags};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Who answers, and whom.
pub(super) struct Service<'a> {
    pub adapter: &'a Adapter,
    pub acl: SessionACL,
}

impl Service<'_> {
    /// Answers the request in `entry`, now or later.
    pub fn serve(&self, header: &Header, entry: &mut Entry, reply: Reply) {
        let decoded = Operation::decode(header.opcode, entry.structure(), entry.rest());
        let Ok(operation) = decoded else {
            let Err(Malformed) = decoded else { return };
            return reply.send(Err(Errno::EINVAL));
        };
        if !self.allows(header.uid, &operation) {
            return reply.send(Err(Errno::EACCES));
        }
        let (adapter, node) = (self.adapter, INodeNo(header.node));
        match operation {
            Operation::Read { fh, offset, size } => {
                let reply = InRoom { reply, room: entry.room() };
                adapter.read(node, FileHandle(fh), offset, size, reply);
            }
            Operation::Readdir { offset, size } => {
                adapter.readdir(node, offset, Names::new(reply, entry.room(), size));
            }
            Operation::Readdirplus { offset, size } => {
                adapter.readdirplus(node, offset, Names::new(reply, entry.room(), size));
            }
            operation => self.name_or_file(header, node, operation, reply),
        }
    }

    /// Whether this user may ask this. Those that the kernel sends for itself come from anybody.
    fn allows(&self, uid: u32, operation: &Operation<'_>) -> bool {
        let owner = rustix::process::geteuid().as_raw();
        let is_one_of_us = match self.acl {
            SessionACL::All => true,
            SessionACL::RootAndOwner => uid == owner || uid == 0,
            SessionACL::Owner => uid == owner,
        };
        is_one_of_us
            || matches!(
                operation,
                Operation::Read { .. }
                    | Operation::Write(_)
                    | Operation::Fsync { .. }
                    | Operation::Release { .. }
                    | Operation::Readdir { .. }
                    | Operation::Readdirplus { .. }
                    | Operation::Fsyncdir
                    | Operation::Releasedir
            )
    }

    fn name_or_file(&self, header: &Header, node: INodeNo, operation: Operation<'_>, reply: Reply) {
        let (adapter, caller) = (self.adapter, caller(header));
        match operation {
            Operation::Lookup { name } => adapter.lookup(node, os(name), reply),
            Operation::Symlink { name, target } => {
                adapter.symlink(caller, node, os(name), os(target), reply);
            }
            Operation::Mknod { name, mode, rdev } => {
                adapter.mknod(caller, node, os(name), mode, rdev, reply);
            }
            Operation::Mkdir { name, mode } => adapter.mkdir(caller, node, os(name), mode, reply),
            Operation::Unlink { name } => adapter.unlink(node, os(name), reply),
            Operation::Rmdir { name } => adapter.rmdir(node, os(name), reply),
            Operation::Rename { name, new_parent, new_name, flags } => {
                let (from, to) = ((node, os(name)), (INodeNo(new_parent), os(new_name)));
                let flags = RenameFlags::from_bits_retain(flags);
                adapter.rename(caller, from, to, flags, reply);
            }
            Operation::Link { node: inode, new_name } => {
                adapter.link(INodeNo(inode), node, os(new_name), reply);
            }
            Operation::Create { name, mode } => {
                adapter.create(caller, node, os(name), mode, reply);
            }
            Operation::Setxattr { name, value, flags } => {
                adapter.setxattr(node, os(name), value, flags, reply);
            }
            Operation::Getxattr { name, size } => adapter.getxattr(node, os(name), size, reply),
            Operation::Listxattr { size } => adapter.listxattr(node, size, reply),
            Operation::Removexattr { name } => adapter.removexattr(node, os(name), reply),
            operation => file(adapter, caller, node, operation, reply),
        }
    }
}

fn file(adapter: &Adapter, caller: Caller, node: INodeNo, operation: Operation<'_>, reply: Reply) {
    match operation {
        Operation::Getattr => adapter.getattr(node, reply),
        Operation::Setattr(set) => adapter.setattr(caller, node, set, reply),
        Operation::Readlink => adapter.readlink(node, reply),
        Operation::Open { flags } => adapter.open(node, OpenFlags(flags), reply),
        Operation::Write(Write { fh, offset, data, write_flags, flags }) => {
            let write_flags = WriteFlags::from_bits_retain(write_flags);
            let (bytes, flags) = ((data, offset), OpenFlags(flags));
            adapter.write(node, FileHandle(fh), bytes, write_flags, flags, reply);
        }
        Operation::Flush => adapter.flush(reply),
        Operation::Release { fh } => adapter.release(node, FileHandle(fh), reply),
        Operation::Fsync { fh } => adapter.fsync(node, FileHandle(fh), reply),
        Operation::Opendir => adapter.opendir(reply),
        Operation::Releasedir => reply.answer(Ok(())),
        Operation::Fsyncdir => adapter.fsyncdir(node, reply),
        Operation::Statfs => adapter.statfs(node, reply),
        Operation::Fallocate { fh, offset, len, mode } => {
            adapter.fallocate(caller, node, FileHandle(fh), (offset, len), mode, reply);
        }
        Operation::Lseek { fh, offset, whence } => {
            adapter.lseek(node, FileHandle(fh), offset, whence, reply);
        }
        Operation::CopyFileRange { from: (fh, offset), to: (to, to_fh, to_offset), len } => {
            let from = (node, FileHandle(fh), offset);
            let to = (INodeNo(to), FileHandle(to_fh), to_offset);
            adapter.copy_file_range(caller, from, to, len, reply);
        }
        _ => reply.send(Err(Errno::ENOSYS)),
    }
}

fn caller(header: &Header) -> Caller {
    Caller { uid: header.uid, gid: header.gid, pid: header.pid }
}

fn os(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}
