use crate::sys::locks::Ordering;
use crate::types::{Fh, Ino};
use crate::workspace::{FsError, Handle, Workspace};

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenMode {
    /// For writing (O_WRONLY, O_RDWR).
    pub write: bool,
    /// Cut to nothing (O_TRUNC).
    pub truncate: bool,
    /// The caller may not keep the set-user-id and set-group-id bits when the file is cut.
    pub kill_suid: bool,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteMode {
    /// At the end of the file, whatever the offset says (O_APPEND).
    pub append: bool,
    /// The caller may not keep the set-user-id and set-group-id bits.
    pub kill_suid: bool,
    /// Durable before the call returns (O_SYNC, O_DSYNC).
    pub sync: bool,
    /// All or an error: nobody would look at how much it was.
    pub whole: bool,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where; not where it was told to when the bytes were appended.
    pub at: u64,
    /// How many bytes; fewer than there were when the disk had no more room.
    pub count: usize,
}

impl Workspace {
    /// Opens a regular file.
    pub fn open(&self, ino: Ino, mode: OpenMode) -> Result<Fh, FsError> {
        if mode.write || mode.truncate {
            self.check_writable()?;
            if ino == Ino::GITFILE {
                return Err(FsError::gitfile());
            }
        }
        self.look(|view| {
            view.file_data(ino)?;
            self.inodes.lock().opened(ino);
            Ok(())
        })?;
        if mode.truncate
            && let Err(error) = self.set_size(ino, 0, mode.kill_suid)
        {
            self.closed(ino);
            return Err(error);
        }
        Ok(self.handles.open(ino))
    }

    /// Closes a file; it goes if it has no name and nobody else uses it.
    pub fn release(&self, fh: Fh) {
        if let Some(ino) = self.handles.close(fh) {
            self.closed(ino);
        }
    }

    fn closed(&self, ino: Ino) {
        let gone = self.inodes.lock().closed(ino);
        self.drop_orphans(&gone);
    }

    /// Fills `buf` from `offset` as far as the file goes; returns how much that was.
    pub fn read(
        &self,
        file: impl Into<Handle>,
        buf: &mut [u8],
        offset: u64,
    ) -> Result<usize, FsError> {
        let file = self.handles.file(file.into())?;
        self.content(file.ino, &file.content)?.read_at(buf, offset)
    }

    /// Writes as much of `bytes` as there is room for; an error where that is nothing.
    pub fn write(
        &self,
        file: impl Into<Handle>,
        bytes: &[u8],
        offset: u64,
        mode: WriteMode,
    ) -> Result<Written, FsError> {
        let file = self.handles.file(file.into())?;
        file.wrote.store(true, Ordering::Relaxed);
        let written = {
            let _content = self.content_locks.lock(&[file.ino]);
            self.kill_suid_if(mode.kill_suid, file.ino)?;
            let at = (!mode.append).then_some(offset);
            self.write_content(file.ino, &file.content, at, bytes, mode.whole)?
        };
        if mode.sync {
            self.overlay.sync()?;
        }
        Ok(written)
    }

    /// Cuts or extends the file (truncate(2), O_TRUNC).
    pub(super) fn set_size(&self, ino: Ino, size: u64, kill_suid: bool) -> Result<(), FsError> {
        let _content = self.content_locks.lock(&[ino]);
        self.kill_suid_if(kill_suid, ino)?;
        self.truncate(ino, size)
    }

    /// Clears what must not survive a change of content by an ordinary user: the set-user-id bit,
    /// and the set-group-id bit where it means execution with that group.
    pub(super) fn kill_suid_if(&self, asked: bool, ino: Ino) -> Result<(), FsError> {
        let has_none = || {
            let perm = self.look(|view| Ok(view.meta(ino)?.perm))?;
            Ok::<_, FsError>(without_suid(perm) == perm)
        };
        if !asked || has_none()? {
            return Ok(());
        }
        self.edit(|edit| {
            edit.touch(ino)?;
            let now = edit.now;
            edit.alter(ino, |meta| {
                meta.perm = without_suid(meta.perm);
                meta.ctime = now;
            })
        })
    }

    /// Makes the file durable, and with it everything acknowledged before.
    pub fn fsync(&self, file: impl Into<Handle>) -> Result<(), FsError> {
        self.handles.file(file.into())?;
        Ok(self.overlay.sync()?)
    }

    /// Makes the directory's entries durable, and with them everything acknowledged before.
    pub fn fsyncdir(&self) -> Result<(), FsError> {
        Ok(self.overlay.sync()?)
    }
}

/// The permission bits without those that lend the owner's or the group's rights.
pub(super) fn without_suid(perm: u32) -> u32 {
    const SUID: u32 = 0o4000;
    const SGID: u32 = 0o2000;
    const GROUP_EXECUTE: u32 = 0o010;
    let perm = perm & !SUID;
    if perm & GROUP_EXECUTE != 0 { perm & !SGID } else { perm }
}
