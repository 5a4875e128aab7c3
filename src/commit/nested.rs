//! Repositories inside the view: what commit their HEAD names, read out of the frozen overlay.
//!
//! git add records such a directory as a gitlink. Nothing is read through the mount: that would
//! wait for ourselves.

use crate::git::Repo;
use crate::overlay::{DirBase, Directory, FileData, Freeze, Node, NodeData, Slot};
use crate::types::{HashKind, Ino, Oid};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Largest file of a `.git` that is looked at.
const FILE_MAX: u64 = 16 << 20;
/// Symbolic refs followed (git: SYMREF_MAXDEPTH).
const SYMBOLIC_MAX: usize = 5;

/// What a directory's `.git` makes of it.
pub(super) enum Nested {
    /// No repository: an ordinary directory.
    No,
    /// A repository whose HEAD is at this commit.
    At(Oid),
    /// A repository without a commit; git add refuses it.
    Unborn,
}

/// Looks at the `.git` of `directory`, which lies at `path` in the view mounted at `mount_dir`.
pub(super) fn nested(
    freeze: &Freeze,
    directory: &Directory,
    path: &[u8],
    mount_dir: &Path,
    hash: HashKind,
) -> Nested {
    let Some(git) = entry(freeze, directory, b".git") else { return Nested::No };
    let found = match &git.data {
        NodeData::Directory(gitdir) => {
            let is_repository = entry(freeze, gitdir, b"HEAD").is_some()
                && entry(freeze, gitdir, b"objects").is_some()
                && entry(freeze, gitdir, b"refs").is_some();
            if !is_repository {
                return Nested::No;
            }
            head(freeze, gitdir, hash)
        }
        NodeData::Regular(_) => {
            let Some(target) = gitfile_target(freeze, &git, path, mount_dir) else {
                return Nested::No;
            };
            match target.strip_prefix(mount_dir) {
                Ok(inside) => {
                    resolve(freeze, inside).and_then(|gitdir| head(freeze, &gitdir, hash))
                }
                Err(_) => Repo::open(&target).ok().and_then(|repo| repo.head().ok()?.tip()),
            }
        }
        _ => return Nested::No,
    };
    found.map_or(Nested::Unborn, Nested::At)
}

fn entry(freeze: &Freeze, directory: &Directory, name: &[u8]) -> Option<Arc<Node>> {
    match directory.delta.get(name)? {
        Slot::Entry(ino) => freeze.node(*ino).cloned(),
        Slot::Whiteout => None,
    }
}

fn as_directory(node: &Node) -> Option<Arc<Directory>> {
    node.directory().cloned()
}

/// The commit of HEAD in a git directory of the overlay: loose refs, then packed ones.
fn head(freeze: &Freeze, gitdir: &Directory, hash: HashKind) -> Option<Oid> {
    let mut name = b"HEAD".to_vec();
    for _ in 0..=SYMBOLIC_MAX {
        let value = match file_below(freeze, gitdir, &name) {
            Some(bytes) => bytes.trim_ascii().to_vec(),
            None => return packed(freeze, gitdir, &name),
        };
        match value.strip_prefix(b"ref:") {
            Some(next) => name = next.trim_ascii().to_vec(),
            None => return oid(&value, hash),
        }
    }
    None
}

fn packed(freeze: &Freeze, gitdir: &Directory, name: &[u8]) -> Option<Oid> {
    let refs = file_below(freeze, gitdir, b"packed-refs")?;
    refs.split(|byte| *byte == b'\n').find_map(|line| {
        let (id, rest) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
        (&rest[1..] == name).then(|| Oid::from_hex(id).ok())?
    })
}

fn oid(hex: &[u8], hash: HashKind) -> Option<Oid> {
    Oid::from_hex(hex).ok().filter(|oid| oid.kind() == hash)
}

fn file_below(freeze: &Freeze, directory: &Directory, path: &[u8]) -> Option<Vec<u8>> {
    let mut parts = path.split(|byte| *byte == b'/').peekable();
    let mut at = Arc::new(directory.clone());
    while let Some(part) = parts.next() {
        let node = entry(freeze, &at, part)?;
        if parts.peek().is_none() {
            return read(freeze, &node);
        }
        at = as_directory(&node)?;
    }
    None
}

fn read(freeze: &Freeze, node: &Node) -> Option<Vec<u8>> {
    let NodeData::Regular(FileData::Body(id)) = node.data else { return None };
    let body = freeze.body(id).ok()?;
    let len = body.stat().ok().map(|stat| stat.len).filter(|len| *len <= FILE_MAX)?;
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    let count = body.read_at(&mut bytes, 0).ok()?;
    bytes.truncate(count);
    Some(bytes)
}

/// Where a `.git` file points, as an absolute path without `..`.
fn gitfile_target(freeze: &Freeze, git: &Node, path: &[u8], mount_dir: &Path) -> Option<PathBuf> {
    let bytes = read(freeze, git)?;
    let target = bytes.strip_prefix(b"gitdir:")?.trim_ascii();
    let here = mount_dir.join(std::ffi::OsStr::from_bytes(path));
    let mut absolute = PathBuf::new();
    for component in here.join(std::ffi::OsStr::from_bytes(target)).components() {
        match component {
            Component::ParentDir => {
                absolute.pop();
            }
            Component::CurDir => {}
            other => absolute.push(other),
        }
    }
    Some(absolute)
}

fn resolve(freeze: &Freeze, inside: &Path) -> Option<Arc<Directory>> {
    let mut at = as_directory(freeze.node(Ino::ROOT)?)?;
    for component in inside.components() {
        at = as_directory(&*entry(freeze, &at, component.as_os_str().as_bytes())?)?;
    }
    (at.base == DirBase::Empty).then_some(at)
}
