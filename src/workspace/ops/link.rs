use crate::types::{Attr, FileKind, Ino, Name};
use crate::workspace::{FsError, Workspace};

/// Names that a file may have, as ext4.
pub const LINK_MAX: u32 = 65_000;

impl Workspace {
    /// Gives a file one more name (link(2)); counts a lookup of it.
    pub fn link(&self, ino: Ino, new_parent: Ino, new_name: &[u8]) -> Result<Attr, FsError> {
        let name = &Name::new(new_name)?;
        // What is away is found out before the name is there.
        self.getattr(ino)?;
        self.edit(|edit| {
            edit.require_free(new_parent, name)?;
            let meta = edit.view().meta(ino)?;
            if ino == Ino::GITFILE {
                return Err(FsError::gitfile().into());
            }
            if meta.nlink == 0 {
                let name = name.clone();
                return Err(FsError::NotFound { dir: new_parent, name }.into());
            }
            if meta.nlink >= LINK_MAX {
                return Err(FsError::TooManyLinks(ino).into());
            }
            edit.touch(ino)?;
            if edit.view().node_kind(ino) == FileKind::Directory {
                return Err(FsError::NotPermitted("a directory has one name only").into());
            }
            edit.touch_dir(new_parent)?;
            edit.put_slot(new_parent, name, ino, false);
            let now = edit.now;
            edit.alter(ino, |meta| {
                meta.nlink += 1;
                meta.ctime = now;
            })?;
            edit.count_lookup(ino);
            Ok(())
        })?;
        self.getattr(ino)
    }
}
