//! OPEN and CREATE: by the kernel alone, by us, or by handing the file over.

use super::ask::{Adapter, UNOPENED, ino};
use super::convert::file_attr;
use super::count::Kind;
use super::kernel::{FILE, FILE_ANEW, FOREVER};
use super::passages::Passages;
use super::reply;
use super::view::View;
use crate::types::{Fh, FileKind, Ino};
use crate::workspace::{Caller, FsError, OpenMode};
use fuser::{
    Errno, FileHandle, FopenFlags, INodeNo, OpenAccMode, OpenFlags, ReplyCreate, ReplyOpen,
};

/// A file to be made: by whom, in which directory, its name and its permissions.
pub(super) type New<'a> = (Caller, Ino, &'a [u8], u32);

impl Adapter {
    /// Answers OPEN.
    pub fn open_file(&self, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if !self.opens_files {
            self.requests.count(Kind::Open);
            return reply.error(Errno::ENOSYS);
        }
        // O_TRUNC comes as a SETATTR once the file is open, see `kernel`.
        let write = flags.acc_mode() != OpenAccMode::O_RDONLY;
        let mode = OpenMode { write, ..OpenMode::default() };
        if let Some(passages) = &self.passages {
            return self.open_and_pass(passages, (inode, mode), flags, reply);
        }
        let opened = self.ask(Kind::Open, inode, |workspace| workspace.open(ino(inode), mode));
        reply::opened(reply, opened, FILE);
    }

    /// Answers CREATE.
    pub fn create_file(&self, new: New<'_>, flags: i32, reply: ReplyCreate) {
        if let Some(passages) = &self.passages {
            return self.create_and_pass(passages, new, flags, reply);
        }
        let (caller, parent, name, perm) = new;
        let made = self.ask(Kind::Create, parent, |workspace| match self.opens_files {
            true => workspace.create(caller, parent, name, perm),
            false => {
                let made = workspace.mknod(caller, parent, name, FileKind::Regular, perm, 0);
                made.map(|attr| (attr, UNOPENED))
            }
        });
        reply::created(reply, made);
    }

    fn create_and_pass(
        &self,
        passages: &Passages,
        (caller, parent, name, perm): New<'_>,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let made = self.ask(Kind::Create, parent, |workspace| {
            let made = workspace.create_and_offer(caller, parent, name, perm)?;
            name_durably(workspace, made.1, flags)?;
            Ok(made)
        });
        let (attr, fh, offer) = match made {
            Ok(made) => made,
            Err(error) => return reply.error(error),
        };
        let inode = INodeNo(attr.ino.0);
        let backing = passages.open(inode, fh, offer, |passage| reply.open_backing(passage));
        let Some(backing) = backing else {
            return reply::created(reply, Ok((attr, fh)));
        };
        let (attr, fh) = (file_attr(&attr), FileHandle(fh.0));
        let flags = FopenFlags::FOPEN_NOFLUSH;
        reply.created_passthrough(&FOREVER, &attr, reply::GENERATION, fh, flags, &backing);
    }

    fn open_and_pass(
        &self,
        passages: &Passages,
        (inode, mode): (INodeNo, OpenMode),
        flags: OpenFlags,
        reply: ReplyOpen,
    ) {
        let opened = self.ask(Kind::Open, inode, |workspace| {
            let offer = workspace.offer(ino(inode), mode.write)?;
            let fh = workspace.open(ino(inode), mode)?;
            if offer.passage.is_some() {
                name_durably(workspace, fh, flags.0)?;
            }
            Ok((fh, offer))
        });
        let (fh, offer) = match opened {
            Ok(opened) => opened,
            Err(error) => return reply.error(error),
        };
        let flags = if offer.keeps_pages { FILE } else { FILE_ANEW };
        match passages.open(inode, fh, offer, |passage| reply.open_backing(passage)) {
            Some(backing) => {
                reply.opened_passthrough(FileHandle(fh.0), FopenFlags::FOPEN_NOFLUSH, &backing);
            }
            None => reply::opened(reply, Ok(fh), flags),
        }
    }
}

/// Each write through a file that was opened with O_SYNC is durable by itself, if the record is that
/// says whose body it is.
fn name_durably(workspace: &View<'_>, fh: Fh, flags: i32) -> Result<(), FsError> {
    if flags & (libc::O_SYNC | libc::O_DSYNC) == 0 {
        return Ok(());
    }
    workspace.fsync(fh.into()).inspect_err(|_| workspace.release(fh))
}
