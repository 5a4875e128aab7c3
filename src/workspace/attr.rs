//! From an inode to what stat(2) shows.

use super::look::{Inode, Looked, View};
use super::view::kind;
use super::{FsError, Workspace};
use crate::overlay::{FileData, Meta, NodeData};
use crate::types::{Attr, BodyId, FileKind, Ino, Oid, TreeMode};
use std::collections::HashMap;

/// What a directory's size shows as: nothing depends on it.
const DIRECTORY_SIZE: u64 = 4096;
/// What stat counts blocks in.
const BLOCK: u64 = 512;

/// Subdirectories of touched directories that somebody asked about, so that stat of a large,
/// changing directory does not walk its delta each time.
#[derive(Default)]
pub(super) struct SubdirectoryCounts(HashMap<Ino, u32>);

impl SubdirectoryCounts {
    pub fn adjust(&mut self, changes: &[(Ino, i32)]) {
        for (dir, change) in changes {
            if let Some(count) = self.0.get_mut(dir) {
                *count = count.saturating_add_signed(*change);
            }
        }
    }

    pub fn remove(&mut self, dir: Ino) {
        self.0.remove(&dir);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// All that the namespace tells of an inode; the size may have to be asked of the base.
struct Shape {
    kind: FileKind,
    meta: Meta,
    nlink: u32,
    size: Size,
}

enum Size {
    Known(u64),
    Blob(Oid),
    Body(BodyId),
}

impl Workspace {
    /// The attributes of `ino`.
    pub fn getattr(&self, ino: Ino) -> Result<Attr, FsError> {
        let (shape, body) = self.look(|view| {
            let shape = shape(view, ino)?;
            // Under the lock: a body that the index names is there.
            let body = match shape.size {
                Size::Body(id) => Some(self.overlay.bodies().stat(id)?),
                _ => None,
            };
            Ok((shape, body))
        })?;
        let Shape { kind, meta, nlink, size } = shape;
        let size = match size {
            Size::Known(size) => size,
            Size::Blob(oid) => self.base.blob_size(oid)?,
            Size::Body(_) => body.map_or(0, |body| body.len),
        };
        let mut attr = Attr {
            ino,
            kind,
            perm: meta.perm,
            nlink,
            uid: meta.uid,
            gid: meta.gid,
            rdev: meta.rdev,
            size,
            blocks: size.div_ceil(BLOCK),
            atime: meta.atime,
            mtime: meta.mtime,
            ctime: meta.ctime,
        };
        if let Some(body) = body {
            attr.blocks = body.blocks;
            attr.mtime = body.mtime;
            attr.ctime = meta.ctime.max(body.ctime);
        }
        Ok(attr)
    }

    pub(super) fn gitfile_meta(&self) -> Meta {
        Meta { perm: 0o444, ..self.config.base_meta(TreeMode::Blob) }
    }
}

fn shape(view: &View<'_>, ino: Ino) -> Looked<Shape> {
    let meta = view.meta(ino)?;
    let (kind, size) = match view.inode(ino)? {
        Inode::Node(node) => (node.data.kind(), node_size(&node.data)),
        Inode::Base { mode, oid, .. } => match kind(mode) {
            FileKind::Directory => (FileKind::Directory, Size::Known(DIRECTORY_SIZE)),
            kind => (kind, Size::Blob(oid)),
        },
        Inode::GitFile => {
            let size = view.workspace.config.gitfile.len() as u64;
            (FileKind::Regular, Size::Known(size))
        }
    };
    let nlink = match kind {
        FileKind::Directory if meta.nlink > 0 => directory_nlink(view, ino)?,
        _ => meta.nlink,
    };
    Ok(Shape { kind, meta, nlink, size })
}

fn node_size(data: &NodeData) -> Size {
    match data {
        NodeData::Directory(_) => Size::Known(DIRECTORY_SIZE),
        NodeData::Regular(FileData::Blob(oid)) | NodeData::BaseSymlink(oid) => Size::Blob(*oid),
        NodeData::Regular(FileData::Body(id)) => Size::Body(*id),
        NodeData::Regular(FileData::Value(value)) => Size::Known(u64::from(value.len)),
        NodeData::Symlink(target) => Size::Known(target.len() as u64),
        NodeData::Special(_) => Size::Known(0),
    }
}

/// As ext4: its name, its `.`, and the `..` of each subdirectory.
fn directory_nlink(view: &View<'_>, ino: Ino) -> Looked<u32> {
    let known = view.workspace.subdirectories.lock().0.get(&ino).copied();
    if let Some(count) = known {
        return Ok(2 + count);
    }
    let dir = view.dir(ino)?;
    let count = dir.subdirectories(|child| view.node_kind(child) == FileKind::Directory);
    if !dir.delta.is_empty() {
        view.workspace.subdirectories.lock().0.insert(ino, count);
    }
    Ok(2 + count)
}
