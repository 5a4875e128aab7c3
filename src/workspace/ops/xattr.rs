use crate::overlay::Change;
use crate::types::Ino;
use crate::workspace::look::Inode;
use crate::workspace::{FsError, Workspace};
use std::collections::BTreeMap;

/// The largest value (XATTR_SIZE_MAX of Linux).
const VALUE_MAX: usize = 65_536;
/// The longest list of names (XATTR_LIST_MAX of Linux): longer could not be read back.
const LIST_MAX: usize = 65_536;
/// All values of one inode together.
const TOTAL_MAX: usize = 1 << 20;
const PREFIX: &[u8] = b"user.";

/// What setxattr(2) expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrMode {
    /// Either.
    Any,
    /// Nothing (XATTR_CREATE).
    Create,
    /// A value (XATTR_REPLACE).
    Replace,
}

impl Workspace {
    /// Sets an extended attribute.
    pub fn setxattr(
        &self,
        ino: Ino,
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
    ) -> Result<(), FsError> {
        if value.len() > VALUE_MAX {
            return Err(FsError::XattrTooLarge);
        }
        require_user(name)?;
        self.edit(|edit| {
            edit.touch(ino)?;
            let mut now_set = xattrs(&edit.view().inode(ino)?);
            match (mode, now_set.contains_key(name)) {
                (XattrMode::Create, true) => return Err(FsError::XattrExists.into()),
                (XattrMode::Replace, false) => return Err(FsError::NoXattr.into()),
                _ => {}
            }
            now_set.insert(name.to_vec(), value.to_vec());
            let names: usize = now_set.keys().map(|name| name.len() + 1).sum();
            let values: usize = now_set.values().map(Vec::len).sum();
            if names > LIST_MAX || values > TOTAL_MAX {
                return Err(FsError::XattrNoSpace(ino).into());
            }
            edit.push(Change::SetXattr(ino, name.to_vec(), Some(value.to_vec())));
            let now = edit.now;
            edit.alter(ino, |meta| meta.ctime = now)
        })
    }

    /// The value of an extended attribute.
    pub fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>, FsError> {
        require_user(name)?;
        self.look(|view| match view.inode(ino)? {
            Inode::Node(node) => Ok(node.xattrs.get(name).cloned().ok_or(FsError::NoXattr)?),
            Inode::Base { .. } | Inode::GitFile => Err(FsError::NoXattr.into()),
        })
    }

    /// The names of all extended attributes, each ended by NUL.
    pub fn listxattr(&self, ino: Ino) -> Result<Vec<u8>, FsError> {
        self.look(|view| {
            let xattrs = xattrs(&view.inode(ino)?);
            Ok(xattrs.keys().flat_map(|name| name.iter().copied().chain([0])).collect())
        })
    }

    /// Removes an extended attribute.
    pub fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<(), FsError> {
        require_user(name)?;
        self.edit(|edit| {
            edit.touch(ino)?;
            if !xattrs(&edit.view().inode(ino)?).contains_key(name) {
                return Err(FsError::NoXattr.into());
            }
            edit.push(Change::SetXattr(ino, name.to_vec(), None));
            let now = edit.now;
            edit.alter(ino, |meta| meta.ctime = now)
        })
    }
}

fn xattrs(inode: &Inode<'_>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    match inode {
        Inode::Node(node) => node.xattrs.clone(),
        Inode::Base { .. } | Inode::GitFile => BTreeMap::new(),
    }
}

fn require_user(name: &[u8]) -> Result<(), FsError> {
    match name.strip_prefix(PREFIX) {
        Some([]) => Err(FsError::Invalid("an extended attribute needs a name")),
        Some(_) => Ok(()),
        None => Err(FsError::XattrUnsupported),
    }
}
