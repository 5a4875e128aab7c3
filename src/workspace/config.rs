use crate::overlay::{DirBase, Directory, FileData, Meta, Node, NodeData};
use crate::types::{Ino, Oid, Timespec, TreeMode};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How a workspace shows.
#[derive(Clone, Debug)]
pub struct ViewConfig {
    /// Owner of everything that comes from the base.
    pub uid: u32,
    /// Group of everything that comes from the base.
    pub gid: u32,
    /// All times of everything that comes from the base (D6).
    pub base_time: Timespec,
    /// What the file `.git` at the root holds.
    pub gitfile: Vec<u8>,
    /// Refuses all changes.
    pub read_only: bool,
    /// Whose disk statfs tells of.
    pub state_dir: PathBuf,
}

/// Who asks. Permissions are the kernel's business; this says who owns what is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// User, as file systems see it.
    pub uid: u32,
    /// Group, as file systems see it.
    pub gid: u32,
    /// Process; 0 when unknown.
    pub pid: u32,
}

impl ViewConfig {
    /// The root directory over the tree of the base commit; for [`crate::overlay::Overlay::create`].
    pub fn root(&self, tree: Oid) -> Node {
        self.base_node(Ino::ROOT, TreeMode::Tree, tree)
    }

    /// The attributes of an untouched base entry.
    pub(super) fn base_meta(&self, mode: TreeMode) -> Meta {
        Meta {
            perm: mode.permissions(),
            uid: self.uid,
            gid: self.gid,
            nlink: 1,
            rdev: 0,
            atime: self.base_time,
            mtime: self.base_time,
            ctime: self.base_time,
        }
    }

    /// The node that an untouched base entry gets when it is touched; shows the same.
    pub(super) fn base_node(&self, parent: Ino, mode: TreeMode, oid: Oid) -> Node {
        let directory = |base| {
            NodeData::Directory(Arc::new(Directory { parent, base, delta: BTreeMap::new() }))
        };
        let data = match mode {
            TreeMode::Tree => directory(DirBase::Tree(oid)),
            TreeMode::Commit => directory(DirBase::Gitlink(oid)),
            TreeMode::Blob | TreeMode::BlobExec => NodeData::Regular(FileData::Blob(oid)),
            TreeMode::Link => NodeData::BaseSymlink(oid),
        };
        Node { meta: self.base_meta(mode), data, xattrs: BTreeMap::new() }
    }
}
