//! Reading and writing: the bytes of a request are copied only where its answer has to wait.

use super::answers::{Answers, Count, Filled};
use super::ask::{Adapter, handle, ino};
use super::count::Kind;
use super::late::Unanswered;
use super::reply;
use super::view::View;
use crate::workspace::{Invalidation, WriteMode, Written};
use fuser::{Errno, FileHandle, INodeNo};

impl Adapter {
    pub fn read_into(
        &self,
        reply: impl Filled,
        inode: INodeNo,
        fh: FileHandle,
        (offset, size): (u64, u32),
    ) {
        self.requests.count(Kind::Read);
        let file = handle(inode, fh);
        let read =
            |room: &mut [u8]| self.asker.ask(inode, |workspace| workspace.read(file, room, offset));
        match reply.fill(size, read) {
            Ok(()) => {}
            Err((reply, Unanswered::Errno(errno))) => reply.error(errno),
            Err((reply, Unanswered::Away(oid))) => {
                let question = move |workspace: &View<'_>| {
                    let mut bytes = vec![0; size as usize];
                    let count = workspace.read(file, &mut bytes, offset)?;
                    bytes.truncate(count);
                    Ok(bytes)
                };
                self.asker.answer_later(inode, oid, reply, question, reply::data);
            }
        }
    }

    pub fn write_from<R: Answers<Count>>(
        &self,
        reply: R,
        inode: INodeNo,
        fh: FileHandle,
        (data, offset): (&[u8], u64),
        mode: WriteMode,
    ) {
        let (file, stale) = (handle(inode, fh), self.stale.clone());
        let respond = move |reply: R, written: Result<Written, Errno>| {
            let elsewhere = written.as_ref().is_ok_and(|written| written.at != offset);
            reply::written(reply, written.map(|written| written.count as u64));
            if elsewhere {
                // The kernel took another place for the end, and cached the bytes there: a merge
                // changed the file. With the receiver gone the mount is gone too.
                let _ = stale.send(Invalidation::Inode(ino(inode)));
            }
        };
        self.requests.count(Kind::Write);
        match self.asker.ask(inode, |workspace| workspace.write(file, data, offset, mode)) {
            Err(Unanswered::Away(oid)) => {
                let data = data.to_vec();
                let question =
                    move |workspace: &View<'_>| workspace.write(file, &data, offset, mode);
                self.asker.answer_later(inode, oid, reply, question, respond);
            }
            written => respond(reply, written.map_err(Unanswered::errno)),
        }
    }
}
