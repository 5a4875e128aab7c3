use crate::types::{Ino, Name};
use crate::workspace::view::Child;
use crate::workspace::{FsError, Workspace};

impl Workspace {
    /// Removes a name of anything but a directory.
    pub fn unlink(&self, parent: Ino, name: &[u8]) -> Result<(), FsError> {
        let name = &Name::new(name)?;
        self.edit(|edit| {
            let view = edit.view();
            let child = view.require(&view.dir(parent)?, name)?;
            if child == Child::GitFile {
                return Err(FsError::gitfile().into());
            }
            if view.is_dir(child) {
                return Err(FsError::IsDirectory(child.ino()).into());
            }
            edit.touch_dir(parent)?;
            edit.drop_name(child)?;
            edit.take_slot(parent, name, false)
        })
    }

    /// Removes an empty directory.
    pub fn rmdir(&self, parent: Ino, name: &[u8]) -> Result<(), FsError> {
        let name = &Name::new(name)?;
        self.edit(|edit| {
            let view = edit.view();
            let child = view.require(&view.dir(parent)?, name)?;
            if !view.is_dir(child) {
                return Err(FsError::NotDirectory(child.ino()).into());
            }
            if !view.dir_of(parent, child)?.is_empty() {
                return Err(FsError::NotEmpty(child.ino()).into());
            }
            edit.touch_dir(parent)?;
            edit.drop_name(child)?;
            edit.take_slot(parent, name, true)
        })
    }
}
