//! The walk: from the root of the frozen view to the id of its tree.
//!
//! Only differences are visited: an untouched subtree that HEAD's tree has too is taken by its id.

use super::change::{PathChange, Skipped};
use super::error::CommitError;
use super::guard::BIG_FILE;
use super::nested::{Nested, nested};
use super::sealer::Hashes;
use super::secret::{secret_content, secret_name};
use crate::base::{Base, BaseError, Entry, Tree, is_dotgit_disguise};
use crate::git::{Excludes, Filters, ObjectWriter, TreeItem};
use crate::overlay::{Body, DirBase, Directory, FileData, Freeze, Node, NodeData, Slot};
use crate::types::{BodyId, Name, Oid, TreeMode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// core.maxTreeDepth of git.
const DEPTH_MAX: usize = 2048;
/// Files up to this size are looked into for secrets.
const INSPECT_MAX: u64 = 1 << 20;

type Result<T, E = CommitError> = std::result::Result<T, E>;

/// Which paths git tracks, so that ignore rules do not concern them.
#[derive(Clone, Debug)]
pub enum TrackedPaths {
    /// Those of HEAD's tree: the index is as toft wrote it.
    Head,
    /// Those of the index, which the user changed.
    Index(BTreeSet<Vec<u8>>),
}

impl TrackedPaths {
    fn has(&self, path: &[u8], head: Option<&Entry>) -> bool {
        match self {
            Self::Head => head.is_some_and(|entry| entry.mode != TreeMode::Tree),
            Self::Index(paths) => paths.contains(path),
        }
    }

    fn has_below(&self, dir: &[u8], head: Option<&Entry>) -> bool {
        match self {
            Self::Head => head.is_some_and(|entry| entry.mode == TreeMode::Tree),
            Self::Index(paths) => {
                let prefix = [dir, b"/"].concat();
                paths.range(prefix.clone()..).next().is_some_and(|path| path.starts_with(&prefix))
            }
        }
    }
}

/// What a walk found on its way.
#[derive(Default)]
pub(super) struct Found {
    pub changes: Vec<PathChange>,
    pub skipped: Vec<Skipped>,
    pub big: Vec<(Vec<u8>, u64)>,
    pub secrets: Vec<(Vec<u8>, &'static str)>,
    pub hostile: Vec<Vec<u8>>,
}

/// One walk over one freeze.
pub(super) struct Walk<'a> {
    pub base: &'a Base,
    pub freeze: &'a Freeze,
    pub tracked: &'a TrackedPaths,
    pub writer: &'a mut ObjectWriter,
    pub excludes: Excludes,
    pub filters: Filters,
    pub hashes: &'a Hashes,
    pub mount_dir: &'a Path,
    /// A dry walk computes ids; a real one has to hand all new content to the writer.
    pub dry: bool,
    pub found: Found,
    pub path: Vec<u8>,
    pub depth: usize,
}

/// A directory of the view: a base tree and what differs from it.
#[derive(Clone, Copy)]
pub(super) struct ViewDir<'a> {
    tree: Option<Oid>,
    delta: Option<&'a BTreeMap<Name, Slot>>,
}

impl<'a> ViewDir<'a> {
    pub fn of(directory: &'a Directory) -> Self {
        Self { tree: directory.base.tree(), delta: Some(&directory.delta) }
    }

    fn slot(&self, name: &[u8]) -> Option<Slot> {
        self.delta.and_then(|delta| delta.get(name)).copied()
    }
}

/// One name of the view.
enum Seen {
    Base(Entry),
    Node(Arc<Node>),
}

impl Seen {
    fn is_dir(&self) -> bool {
        match self {
            Self::Base(entry) => entry.mode == TreeMode::Tree,
            Self::Node(node) => node.directory().is_some(),
        }
    }
}

impl Walk<'_> {
    /// The id of the tree of `view`; None when git would not record it, being empty.
    ///
    /// `head` is HEAD's tree at the same path; `ignored` says that an ignore rule covers all of it.
    pub fn directory(
        &mut self,
        view: ViewDir<'_>,
        head: Option<Oid>,
        ignored: bool,
    ) -> Result<Option<Oid>> {
        if self.depth > DEPTH_MAX {
            return Err(CommitError::TooDeep { path: self.path.clone() });
        }
        let lower = self.tree(view.tree)?;
        let head = self.tree(head)?;
        if !lower.hidden.is_empty() && view.delta.is_some_and(|delta| !delta.is_empty()) {
            self.found.hostile.push(self.path.clone());
        }
        self.enter(view, &lower)?;
        let mut items = Vec::with_capacity(lower.entries.len());
        for (name, seen) in self.merged(view, &lower) {
            let before = head.find(name.as_bytes());
            let at = self.path.len();
            if at > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.as_bytes());
            self.depth += 1;
            let is_dir = seen.is_dir();
            let after = self.entry(&name, seen, before, ignored)?;
            self.compare(before, after, is_dir)?;
            self.depth -= 1;
            self.path.truncate(at);
            items.extend(after.map(|(mode, oid)| TreeItem { mode, name, oid }));
        }
        self.leave();
        self.vanished(&head, view, &lower)?;
        if items.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.writer.tree(items)?))
    }

    /// What the view holds, in byte order: the base's entries under the delta's.
    fn merged(&self, view: ViewDir<'_>, lower: &Tree) -> Vec<(Name, Seen)> {
        let untouched = lower
            .entries
            .iter()
            .filter(|entry| view.slot(entry.name.as_bytes()).is_none())
            .map(|entry| (entry.name.clone(), Seen::Base(entry.clone())));
        let touched = view.delta.into_iter().flatten().filter_map(|(name, slot)| match slot {
            Slot::Entry(ino) => Some((name.clone(), Seen::Node(self.freeze.node(*ino)?.clone()))),
            Slot::Whiteout => None,
        });
        let mut all: Vec<_> = untouched.chain(touched).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// What git would record for the entry at `self.path`.
    fn entry(
        &mut self,
        name: &Name,
        seen: Seen,
        before: Option<&Entry>,
        ignored: bool,
    ) -> Result<Option<(TreeMode, Oid)>> {
        match seen {
            Seen::Base(entry) => self.base_entry(&entry, before, ignored),
            Seen::Node(_) if name.as_bytes() == b".git" => Ok(None),
            Seen::Node(node) => {
                if is_dotgit_disguise(name.as_bytes()) {
                    self.skip("git refuses this name: it could be taken for .git");
                    return Ok(None);
                }
                self.node(name, &node, before, ignored)
            }
        }
    }

    fn base_entry(
        &mut self,
        entry: &Entry,
        before: Option<&Entry>,
        ignored: bool,
    ) -> Result<Option<(TreeMode, Oid)>> {
        let same =
            before.is_some_and(|before| (before.mode, before.oid) == (entry.mode, entry.oid));
        if same && (entry.mode != TreeMode::Tree || matches!(self.tracked, TrackedPaths::Head)) {
            return Ok(Some((entry.mode, entry.oid)));
        }
        match entry.mode {
            TreeMode::Tree => {
                let view = ViewDir { tree: Some(entry.oid), delta: None };
                self.subdirectory(view, before, ignored)
            }
            TreeMode::Blob | TreeMode::BlobExec => {
                self.blob(entry.oid, entry.mode, before, ignored)
            }
            mode @ (TreeMode::Link | TreeMode::Commit) => {
                let is_dir = mode == TreeMode::Commit;
                Ok((!self.left_out(before, ignored, is_dir)).then_some((mode, entry.oid)))
            }
        }
    }

    fn node(
        &mut self,
        name: &Name,
        node: &Node,
        before: Option<&Entry>,
        ignored: bool,
    ) -> Result<Option<(TreeMode, Oid)>> {
        let mode = if node.meta.perm & 0o100 == 0 { TreeMode::Blob } else { TreeMode::BlobExec };
        match &node.data {
            NodeData::Directory(directory) => self.node_directory(directory, before, ignored),
            NodeData::Special(_) => Ok(None),
            NodeData::Regular(FileData::Blob(oid)) => self.blob(*oid, mode, before, ignored),
            NodeData::Regular(FileData::Body(id)) => {
                if self.left_out(before, ignored, false) {
                    return Ok(None);
                }
                Ok(Some((mode, self.body(name, *id, before)?)))
            }
            NodeData::BaseSymlink(_) | NodeData::Symlink(_)
                if self.left_out(before, ignored, false) =>
            {
                Ok(None)
            }
            NodeData::BaseSymlink(oid) => Ok(Some((TreeMode::Link, *oid))),
            NodeData::Symlink(target) => Ok(Some((TreeMode::Link, self.writer.blob(target)?))),
        }
    }

    fn node_directory(
        &mut self,
        directory: &Directory,
        before: Option<&Entry>,
        ignored: bool,
    ) -> Result<Option<(TreeMode, Oid)>> {
        let hash = self.base.repo().hash_kind();
        let nested = nested(self.freeze, directory, &self.path, self.mount_dir, hash);
        let gitlink = match (nested, directory.base) {
            (Nested::At(oid), _) | (_, DirBase::Gitlink(oid)) => Some(oid),
            (Nested::Unborn, _) if !self.tracked.has_below(&self.path, before) => {
                self.skip("a repository in it has no commit yet");
                return Ok(None);
            }
            _ => None,
        };
        if let Some(oid) = gitlink {
            let left_out = self.left_out(before, ignored, true);
            return Ok((!left_out).then_some((TreeMode::Commit, oid)));
        }
        self.subdirectory(ViewDir::of(directory), before, ignored)
    }

    fn subdirectory(
        &mut self,
        view: ViewDir<'_>,
        before: Option<&Entry>,
        ignored: bool,
    ) -> Result<Option<(TreeMode, Oid)>> {
        let ignored = ignored || self.excludes.is_excluded(&self.path, true);
        let head = before.filter(|entry| entry.mode == TreeMode::Tree).map(|entry| entry.oid);
        if ignored && !self.tracked.has_below(&self.path, before) {
            head.map_or(Ok(()), |oid| self.deleted_below(oid))?;
            return Ok(None);
        }
        Ok(self.directory(view, head, ignored)?.map(|oid| (TreeMode::Tree, oid)))
    }

    /// Whether an ignore rule keeps the untracked entry at `self.path` out.
    fn left_out(&self, before: Option<&Entry>, ignored: bool, is_dir: bool) -> bool {
        !self.tracked.has(&self.path, before)
            && (ignored || self.excludes.is_excluded(&self.path, is_dir))
    }

    /// A file whose content is a blob of the base, at its old path or moved.
    fn blob(
        &mut self,
        oid: Oid,
        mode: TreeMode,
        before: Option<&Entry>,
        ignored: bool,
    ) -> Result<Option<(TreeMode, Oid)>> {
        if self.left_out(before, ignored, false) {
            return Ok(None);
        }
        let tracked = file_oid(before);
        if tracked == Some(oid) || !self.filters.applies(&self.path) {
            return Ok(Some((mode, oid)));
        }
        let bytes = self.blob_bytes(oid)?;
        let clean = self.filters.to_git(&self.path, &bytes, tracked)?;
        Ok(Some((mode, self.writer.blob(&clean)?)))
    }

    /// A file whose content is a body of the overlay.
    fn body(&mut self, name: &Name, id: BodyId, before: Option<&Entry>) -> Result<Oid> {
        let body = self.freeze.body(id).map_err(|source| self.unreadable(source))?;
        let len = body.stat().map_err(|source| self.unreadable(source))?.len;
        if len > BIG_FILE {
            self.found.big.push((self.path.clone(), len));
        }
        let untracked = !self.tracked.has(&self.path, before);
        let by_name = secret_name(name.as_bytes()).filter(|_| untracked);
        if let Some(why) = by_name {
            self.found.secrets.push((self.path.clone(), why));
        }
        if self.filters.applies(&self.path) {
            let bytes = self.body_bytes(&body, len)?;
            let clean = self.filters.to_git(&self.path, &bytes, file_oid(before))?;
            return Ok(self.writer.blob(&clean)?);
        }
        let version = body.version();
        if let Some(oid) = self.hashes.get(id, version)
            && (self.dry || self.base.repo().exists(oid))
        {
            return Ok(oid);
        }
        let oid = if len <= INSPECT_MAX {
            let bytes = self.body_bytes(&body, len)?;
            if untracked && by_name.is_none() {
                let why = secret_content(name.as_bytes(), &bytes);
                self.found.secrets.extend(why.map(|why| (self.path.clone(), why)));
            }
            self.writer.blob(&bytes)?
        } else {
            self.writer.blob_from_file(body.file(), len)?
        };
        self.hashes.put(id, version, oid);
        Ok(oid)
    }

    /// Notes what differs at `self.path`. Below a directory on both sides the walk has done so.
    fn compare(
        &mut self,
        before: Option<&Entry>,
        after: Option<(TreeMode, Oid)>,
        is_dir: bool,
    ) -> Result<()> {
        let is_file = |mode: TreeMode| mode != TreeMode::Tree;
        let old = before.map(|entry| (entry.mode, entry.oid));
        let (old_file, new_file) =
            (old.filter(|(mode, _)| is_file(*mode)), after.filter(|(mode, _)| is_file(*mode)));
        let change = PathChange::between(&self.path, old_file, new_file);
        self.found.changes.extend(change);
        match old {
            Some((TreeMode::Tree, oid)) if new_file.is_some() || !is_dir => self.deleted_below(oid),
            _ => Ok(()),
        }
    }

    /// Notes what HEAD's tree has and the view has not at all.
    fn vanished(&mut self, head: &Tree, view: ViewDir<'_>, lower: &Tree) -> Result<()> {
        for entry in &head.entries {
            let name = entry.name.as_bytes();
            let shown = match view.slot(name) {
                Some(Slot::Entry(_)) => true,
                Some(Slot::Whiteout) => false,
                None => lower.find(name).is_some(),
            };
            if shown {
                continue;
            }
            let at = self.path.len();
            if at > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name);
            if entry.mode == TreeMode::Tree {
                self.deleted_below(entry.oid)?;
            } else {
                let old = Some((entry.mode, entry.oid));
                self.found.changes.extend(PathChange::between(&self.path, old, None));
            }
            self.path.truncate(at);
        }
        Ok(())
    }

    fn deleted_below(&mut self, tree: Oid) -> Result<()> {
        let tree = self.tree(Some(tree))?;
        self.vanished(&tree, ViewDir { tree: None, delta: None }, &Tree::default())
    }

    fn enter(&mut self, view: ViewDir<'_>, lower: &Tree) -> Result<()> {
        let ignore = self.control_file(view, lower, b".gitignore")?;
        let attributes = self.control_file(view, lower, b".gitattributes")?;
        self.excludes.enter(&self.path, ignore.as_deref());
        self.filters.enter(&self.path, attributes.as_deref());
        Ok(())
    }

    fn leave(&mut self) {
        self.excludes.leave();
        self.filters.leave();
    }

    /// The content of a file of rules in the view. Links are not followed, as in git.
    fn control_file(
        &self,
        view: ViewDir<'_>,
        lower: &Tree,
        name: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let data = match view.slot(name) {
            Some(Slot::Whiteout) => return Ok(None),
            Some(Slot::Entry(ino)) => match self.freeze.node(ino).map(|node| &node.data) {
                Some(NodeData::Regular(data)) => *data,
                _ => return Ok(None),
            },
            None => match lower.find(name) {
                Some(entry) if matches!(entry.mode, TreeMode::Blob | TreeMode::BlobExec) => {
                    FileData::Blob(entry.oid)
                }
                _ => return Ok(None),
            },
        };
        match data {
            FileData::Blob(oid) => self.blob_bytes(oid).map(Some),
            FileData::Body(id) => {
                let body = self.freeze.body(id).map_err(|source| self.unreadable(source))?;
                let len = body.stat().map_err(|source| self.unreadable(source))?.len;
                self.body_bytes(&body, len).map(Some)
            }
        }
    }

    fn tree(&self, oid: Option<Oid>) -> Result<Arc<Tree>> {
        match oid {
            None => Ok(Arc::default()),
            Some(oid) => self.base.tree(oid).map_err(|source| self.damaged(source)),
        }
    }

    fn blob_bytes(&self, oid: Oid) -> Result<Vec<u8>> {
        Ok(self.base.repo().blob(oid).map_err(|error| self.damaged(error.into()))?)
    }

    fn body_bytes(&self, body: &Body, len: u64) -> Result<Vec<u8>> {
        let len = usize::try_from(len).map_err(|_| self.unreadable(too_large()))?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| self.unreadable(too_large()))?;
        bytes.resize(len, 0);
        let count = body.read_at(&mut bytes, 0).map_err(|source| self.unreadable(source))?;
        bytes.truncate(count);
        Ok(bytes)
    }

    fn skip(&mut self, why: &'static str) {
        self.found.skipped.push(Skipped { path: self.path.clone(), why });
    }

    fn damaged(&self, source: BaseError) -> CommitError {
        CommitError::Base { path: self.path.clone(), source }
    }

    fn unreadable(&self, source: std::io::Error) -> CommitError {
        CommitError::Body { path: self.path.clone(), source }
    }
}

fn file_oid(entry: Option<&Entry>) -> Option<Oid> {
    entry
        .filter(|entry| matches!(entry.mode, TreeMode::Blob | TreeMode::BlobExec))
        .map(|entry| entry.oid)
}

fn too_large() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::OutOfMemory)
}
