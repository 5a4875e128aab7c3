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
            let view = edit.view();
            let others = xattrs(&view.inode(ino)?);
            match (mode, others.contains_key(name)) {
                (XattrMode::Create, true) => return Err(FsError::XattrExists.into()),
                (XattrMode::Replace, false) => return Err(FsError::NoXattr.into()),
                _ => {}
            }
            let others = others.iter().filter(|(other, _)| *other != name);
            let (mut names, mut values) = (name.len() + 1, value.len());
            for (other, value) in others {
                names += other.len() + 1;
                values += value.len();
            }
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

fn xattrs<'a>(inode: &Inode<'a>) -> &'a BTreeMap<Vec<u8>, Vec<u8>> {
    static NONE: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    match inode {
        Inode::Node(node) => &node.xattrs,
        Inode::Base { .. } | Inode::GitFile => &NONE,
    }
}

fn require_user(name: &[u8]) -> Result<(), FsError> {
    match name.strip_prefix(PREFIX) {
        Some([]) => Err(FsError::Invalid("an extended attribute needs a name")),
        Some(_) => Ok(()),
        None => Err(FsError::XattrUnsupported),
    }
}
