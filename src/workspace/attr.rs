//! From an inode to what stat(2) shows.

use super::look::{Inode, Looked, View};
use super::view::{Child, kind};
use super::{FsError, Workspace};
use crate::overlay::{FileData, Meta, NodeData};
use crate::types::{Attr, BodyId, FileKind, Ino, InoMap, Oid, TreeMode};

/// What a directory's size shows as: nothing depends on it.
const DIRECTORY_SIZE: u64 = 4096;
/// What stat counts blocks in.
const BLOCK: u64 = 512;

/// Subdirectories of touched directories that somebody asked about, so that stat of a large,
/// changing directory does not walk its delta each time.
#[derive(Default)]
pub(super) struct SubdirectoryCounts(InoMap<u32>);

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

/// All that the namespace tells of an inode; the rest has to be asked of the base or the disk.
pub(super) struct Shape {
    kind: FileKind,
    meta: Meta,
    links: Links,
    size: Size,
}

enum Links {
    Known(u32),
    /// An untouched directory's: as many as this tree has subdirectories.
    Tree(Oid),
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
        let mut attr = self.attr_of(ino, &shape)?;
        if let Some(body) = body {
            (attr.size, attr.blocks, attr.mtime) = (body.len, body.blocks, body.mtime);
            attr.ctime = attr.ctime.max(body.ctime);
        }
        Ok(attr)
    }

    /// The attributes of what has this shape; a body is left out.
    pub(super) fn attr_of(&self, ino: Ino, shape: &Shape) -> Result<Attr, FsError> {
        let Shape { kind, meta, links, size } = shape;
        let nlink = match links {
            Links::Known(count) => *count,
            Links::Tree(oid) => nlink_with(self.base.tree(*oid)?.subdirectories()),
        };
        let size = match size {
            Size::Known(size) => *size,
            Size::Blob(oid) => self.base.blob_size(*oid)?,
            Size::Body(_) => 0,
        };
        Ok(Attr {
            ino,
            kind: *kind,
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
        })
    }

    pub(super) fn gitfile_meta(&self) -> Meta {
        Meta { perm: 0o444, ..self.config.base_meta(TreeMode::Blob) }
    }
}

fn shape(view: &View<'_>, ino: Ino) -> Looked<Shape> {
    let meta = view.meta(ino)?;
    Ok(match view.inode(ino)? {
        Inode::Node(node) => {
            let links = match node.data.kind() {
                FileKind::Directory if meta.nlink > 0 => directory_nlink(view, ino)?,
                _ => meta.nlink,
            };
            of_node(&node.data, meta, links)
        }
        Inode::Base { mode, oid, .. } => of_base(mode, oid, None, meta),
        Inode::GitFile => {
            let size = Size::Known(view.workspace.config.gitfile.len() as u64);
            Shape { kind: FileKind::Regular, meta, links: Links::Known(meta.nlink), size }
        }
    })
}

/// The shape of a child that was just found; None for what takes more than a look at its node.
pub(super) fn shape_of(view: &View<'_>, child: Child) -> Option<Shape> {
    match child {
        Child::Base(_, mode, oid, size) => {
            Some(of_base(mode, oid, size, view.workspace.config.base_meta(mode)))
        }
        Child::Node(ino) => {
            let node = view.index.node(ino)?;
            let takes_more =
                matches!(node.data, NodeData::Directory(_) | NodeData::Regular(FileData::Body(_)));
            (!takes_more).then(|| of_node(&node.data, node.meta, node.meta.nlink))
        }
        Child::GitFile => None,
    }
}

fn of_node(data: &NodeData, meta: Meta, links: u32) -> Shape {
    Shape { kind: data.kind(), meta, links: Links::Known(links), size: node_size(data) }
}

fn of_base(mode: TreeMode, oid: Oid, size: Option<u64>, meta: Meta) -> Shape {
    let kind = kind(mode);
    let size = size.map_or(Size::Blob(oid), Size::Known);
    let (links, size) = match (kind, mode) {
        (FileKind::Directory, TreeMode::Tree) if meta.nlink > 0 => {
            (Links::Tree(oid), Size::Known(DIRECTORY_SIZE))
        }
        (FileKind::Directory, _) => {
            let count = if meta.nlink > 0 { nlink_with(0) } else { 0 };
            (Links::Known(count), Size::Known(DIRECTORY_SIZE))
        }
        _ => (Links::Known(meta.nlink), size),
    };
    Shape { kind, meta, links, size }
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
fn nlink_with(subdirectories: u32) -> u32 {
    2 + subdirectories
}

fn directory_nlink(view: &View<'_>, ino: Ino) -> Looked<u32> {
    let known = view.workspace.subdirectories.lock().0.get(&ino).copied();
    if let Some(count) = known {
        return Ok(nlink_with(count));
    }
    let dir = view.dir(ino)?;
    let count = dir.subdirectories(|child| view.node_kind(child) == FileKind::Directory);
    if !dir.delta.is_empty() {
        view.workspace.subdirectories.lock().0.insert(ino, count);
    }
    Ok(nlink_with(count))
}
