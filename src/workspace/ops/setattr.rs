use super::io::without_suid;
use crate::overlay::{FileData, Meta};
use crate::sys::locks::Mutex;
use crate::types::{Attr, FileKind, Ino, Timespec};
use crate::workspace::{Caller, FsError, Workspace};

/// A time to be set (utimensat(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// The time of the operation.
    Now,
    /// This time.
    At(Timespec),
}

/// What is to be changed; None stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttr {
    /// Permission bits, 07777.
    pub perm: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Bytes.
    pub size: Option<u64>,
    /// Last access.
    pub atime: Option<SetTime>,
    /// Last change of content.
    pub mtime: Option<SetTime>,
}

impl Workspace {
    /// Changes attributes; returns them as they are then.
    pub fn setattr(&self, caller: Caller, ino: Ino, set: &SetAttr) -> Result<Attr, FsError> {
        self.check_writable()?;
        if ino == Ino::GITFILE {
            return Err(FsError::gitfile());
        }
        if let Some(size) = set.size {
            // Only a privileged caller keeps the bits; CAP_FSETID without being root is not seen.
            self.set_size(ino, size, caller.uid != 0)?;
        }
        if set.size.is_none() || !set.is_size_only() {
            self.set_meta(caller, ino, set)?;
        }
        self.getattr(ino)
    }

    fn set_meta(&self, caller: Caller, ino: Ino, set: &SetAttr) -> Result<(), FsError> {
        let _content = self.content_locks.lock(&[ino]);
        self.edit(|edit| {
            edit.touch(ino)?;
            let now = edit.now;
            let is_dir = edit.view().node_kind(ino) == FileKind::Directory;
            edit.alter(ino, |meta| {
                if set.clears_suid(caller, meta.uid) && !is_dir {
                    meta.perm = without_suid(meta.perm);
                }
                set.apply(meta, now);
            })
        })?;
        // Last: it takes no room, so that where there is none, nothing has changed.
        set.mtime.map_or(Ok(()), |time| self.set_body_mtime(ino, time))
    }

    /// A body's own mtime is the truth (D4); a file that is still the base's blob has none.
    fn set_body_mtime(&self, ino: Ino, time: SetTime) -> Result<(), FsError> {
        let body = self.look(|view| match view.file_data(ino) {
            Ok(Some(FileData::Body(id))) => Ok(Some(self.overlay.bodies().open(id)?)),
            Ok(_) | Err(FsError::IsDirectory(_) | FsError::Invalid(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })?;
        let Some(body) = body else { return Ok(()) };
        let (bodies, time) = (self.overlay.bodies(), time.at(self.clock.now()));
        let writing = bodies.writing();
        if bodies.is_shared(&body) {
            drop((writing, body));
            return self.alter_body(ino, &Mutex::new(None), |body| body.set_mtime(time));
        }
        Ok(body.set_mtime(time)?)
    }
}

impl SetTime {
    fn at(self, now: Timespec) -> Timespec {
        match self {
            Self::Now => now,
            Self::At(time) => time,
        }
    }
}

impl SetAttr {
    /// Whether nothing is left to do once the size is set; that sets the mtime to now by itself.
    fn is_size_only(&self) -> bool {
        let mtime = self.mtime.filter(|time| *time != SetTime::Now);
        Self { size: None, mtime, ..*self } == Self::default()
    }

    /// Whether this takes the set-user-id bits along: chown(2) does. One with neither user nor group
    /// changes nothing, and looks as what Linux asks of us before a write. A write takes the bits by
    /// itself, so they go for those only who may chown.
    fn clears_suid(&self, caller: Caller, owner: u32) -> bool {
        let may = caller.uid == 0 || caller.uid == owner;
        self.uid.is_some() || self.gid.is_some() || (*self == Self::default() && may)
    }

    fn apply(&self, meta: &mut Meta, now: Timespec) {
        meta.perm = self.perm.map_or(meta.perm, |perm| perm & 0o7777);
        meta.uid = self.uid.unwrap_or(meta.uid);
        meta.gid = self.gid.unwrap_or(meta.gid);
        meta.atime = self.atime.map_or(meta.atime, |time| time.at(now));
        meta.mtime = self.mtime.map_or(meta.mtime, |time| time.at(now));
        meta.ctime = now;
    }
}
