//! Replies that fuser writes to the device.

use crate::fuse::answers::{
    Answer, Answers, Count, Created, Entry, Filled, Listing, ListingPlus, Offset, Opened, Xattr,
};
use crate::fuse::convert::{file_attr, file_type, unknown_attr};
use crate::fuse::kernel::FOREVER;
use crate::types::{Attr, FileKind, Ino};
use crate::workspace::FsStat;
use fuser::{
    FileHandle, Generation, INodeNo, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr,
};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Inode numbers are never used twice.
pub(super) const GENERATION: Generation = Generation(0);

thread_local! {
    /// Each request thread reads into one buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Who waits for what, and how fuser is told it.
macro_rules! answers {
    ($($reply:ident, $answer:ty: |$it:pat_param| $told:ident($($value:expr),*);)*) => {
        $(impl Answers<$answer> for $reply {
            fn answer(self, answer: Answer<$answer>) {
                match answer {
                    Ok($it) => self.$told($($value),*),
                    Err(error) => self.error(error),
                }
            }
        })*
    };
}

answers! {
    ReplyAttr, Attr: |attr| attr(&FOREVER, &file_attr(&attr));
    ReplyEmpty, (): |()| ok();
    ReplyWrite, Count: |Count(count)| written(count);
    ReplyOpen, Opened: |Opened(fh, flags)| opened(FileHandle(fh.0), flags);
    ReplyCreate, Created: |Created(attr, Opened(fh, flags))|
        created(&FOREVER, &file_attr(&attr), GENERATION, FileHandle(fh.0), flags);
    ReplyData, &[u8]: |bytes| data(bytes);
    ReplyLseek, Offset: |Offset(offset)| offset(offset);
    ReplyStatfs, FsStat: |stat| statfs(
        stat.blocks, stat.free, stat.available, stat.files, stat.files_free,
        stat.block_size, stat.name_max, stat.fragment
    );
    ReplyEntry, Entry: |Entry(found)| entry(
        &FOREVER,
        &file_attr(&found.unwrap_or_else(|| unknown_attr(Ino(0), FileKind::Regular))),
        GENERATION
    );
}

impl Answers<Xattr> for ReplyXattr {
    fn answer(self, answer: Answer<Xattr>) {
        match answer {
            Ok(Xattr::Size(size)) => self.size(size),
            Ok(Xattr::Bytes(bytes)) => self.data(&bytes),
            Err(error) => self.error(error),
        }
    }
}

impl Filled for ReplyData {
    type Owed = Self;

    fn fill<E>(
        self,
        size: u32,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), (Self, E)> {
        BUFFER.with_borrow_mut(|buffer| {
            let size = size as usize;
            buffer.resize(buffer.len().max(size), 0);
            match read(&mut buffer[..size]) {
                Ok(count) => {
                    self.data(&buffer[..count]);
                    Ok(())
                }
                Err(error) => Err((self, error)),
            }
        })
    }
}

impl Listing for ReplyDirectory {
    fn add(&mut self, next: u64, ino: Ino, kind: FileKind, name: &[u8]) -> bool {
        !ReplyDirectory::add(self, INodeNo(ino.0), next, file_type(kind), OsStr::from_bytes(name))
    }

    fn end(self, read: Answer<()>) {
        match read {
            Ok(()) => self.ok(),
            Err(error) => self.error(error),
        }
    }
}

impl ListingPlus for ReplyDirectoryPlus {
    fn add(&mut self, next: u64, name: &[u8], attr: &Attr, ttl: Duration) -> bool {
        let (attr, name) = (file_attr(attr), OsStr::from_bytes(name));
        !ReplyDirectoryPlus::add(self, attr.ino, next, name, &ttl, &attr, GENERATION)
    }

    fn end(self, read: Answer<()>) {
        match read {
            Ok(()) => self.ok(),
            Err(error) => self.error(error),
        }
    }
}
