//! Brings the outcome of a merge into the live view: many paths, all or nothing.
//!
//! The lower tree never moves (D2): what the merge changed becomes overlay entries whose bytes are
//! still blobs.

use super::edit::Edit;
use super::look::{Looked, Trees, View};
use super::view::Child;
use super::{FsError, Workspace};
use crate::overlay::{Change, FileData, Freeze, Meta, Node, NodeData, Slot};
use crate::types::{FileKind, Ino, Name, Oid, TreeMode};
use std::collections::BTreeSet;

const EXECUTE: u32 = 0o111;
const OWNER_EXECUTE: u32 = 0o100;

/// One path that a merge changed. Directories are not named: they come and go with what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathEdit {
    /// From the root, `/` between names.
    pub path: Vec<u8>,
    /// What the merge took to be there; None: nothing.
    pub expected: Option<(TreeMode, Oid)>,
    /// What is to be there; None: nothing.
    pub new: Option<(TreeMode, Oid)>,
}

/// What the kernel must forget because the view changed without it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invalidation {
    /// What `name` in the directory stands for, or that it stands for nothing.
    Entry(Ino, Name),
    /// Attributes and bytes (of a directory: its listing).
    Inode(Ino),
}

/// An edit with its path taken apart.
struct Step {
    path: Vec<u8>,
    names: Vec<Name>,
    expected: Option<(TreeMode, Oid)>,
    new: Option<(TreeMode, Oid)>,
}

impl Workspace {
    /// Applies `edits` in one transaction, or nothing when a path is not what the merge was made
    /// from ([`FsError::Changed`]).
    ///
    /// The merge's own side was sealed from `freeze`: a file with a body counts as expected when it
    /// was not altered since. Regular files keep their inode when only content or mode change.
    pub fn replace_paths(
        &self,
        freeze: &Freeze,
        edits: &[PathEdit],
    ) -> Result<Vec<Invalidation>, FsError> {
        let steps: Vec<Step> = edits.iter().map(Step::new).collect::<Result<_, _>>()?;
        let trees = self.load_trees(&steps)?;
        let _all_content = self.content_locks.lock_all();
        self.edit_with(trees, |edit| {
            let mut invalid = BTreeSet::new();
            for step in &steps {
                edit.view().require_expected(step, freeze)?;
            }
            for step in steps.iter().filter(|step| step.new.is_none()) {
                edit.remove_path(step, &mut invalid)?;
            }
            for step in &steps {
                if let Some(new) = step.new {
                    edit.put_path(step, new, &mut invalid)?;
                }
            }
            for step in steps.iter().filter(|step| step.new.is_none()) {
                edit.prune_above(step, &mut invalid)?;
            }
            Ok(invalid.into_iter().collect())
        })
    }

    /// Loads what the transaction will need, so that it does not start over for each tree.
    fn load_trees(&self, steps: &[Step]) -> Result<Trees, FsError> {
        let mut trees = Trees::default();
        for step in steps {
            self.look_with(&mut trees, |view| view.walk(&step.names).map(drop))?;
        }
        Ok(trees)
    }
}

impl Step {
    fn new(edit: &PathEdit) -> Result<Self, FsError> {
        let names = edit.path.split(|byte| *byte == b'/').map(Name::new);
        let names: Vec<Name> = names.collect::<Result<_, _>>()?;
        let is_tree = |side: Option<(TreeMode, Oid)>| matches!(side, Some((TreeMode::Tree, _)));
        if is_tree(edit.expected) || is_tree(edit.new) {
            return Err(FsError::Invalid("a merge is brought in file by file"));
        }
        Ok(Self { path: edit.path.clone(), names, expected: edit.expected, new: edit.new })
    }

    fn changed(&self) -> FsError {
        FsError::Changed { path: self.path.clone() }
    }

    fn last(&self) -> &Name {
        self.names.last().expect("a path has at least one name")
    }

    fn above(&self) -> &[Name] {
        &self.names[..self.names.len() - 1]
    }
}

impl View<'_> {
    /// What stands at the end of `names`, and in which directory; None where there is no such path.
    fn walk(&self, names: &[Name]) -> Looked<Option<(Ino, Child)>> {
        let mut dir = self.dir(Ino::ROOT)?;
        let mut names = names.iter().peekable();
        while let Some(name) = names.next() {
            let Some(child) = self.child(&dir, name)? else { return Ok(None) };
            if names.peek().is_none() {
                return Ok(Some((dir.ino, child)));
            }
            if !self.is_dir(child) {
                return Ok(None);
            }
            dir = self.dir_of(dir.ino, child)?;
        }
        Ok(None)
    }

    fn require_expected(&self, step: &Step, freeze: &Freeze) -> Looked<()> {
        let found = self.walk(&step.names)?.map(|(_, child)| child);
        let as_expected = match (step.expected, found) {
            // A directory may be in the way: it goes if the merge empties it, see `put_path`.
            (None, Some(child)) => self.is_dir(child) && step.new.is_some(),
            (None, None) => true,
            (Some(_), None | Some(Child::GitFile)) => false,
            (Some(expected), Some(Child::Base(_, mode, oid, _))) => (mode, oid) == expected,
            (Some(expected), Some(Child::Node(ino))) => {
                let frozen = frozen_ino(freeze, &step.names) == Some(ino);
                let node = self.index.node(ino).ok_or(FsError::Stale(ino))?;
                let before = freeze.node(ino).filter(|_| frozen);
                is_held(node, freeze) && is_unaltered(node, before.map(AsRef::as_ref), expected)
            }
        };
        if as_expected { Ok(()) } else { Err(step.changed().into()) }
    }
}

/// Whether the freeze has the file's bytes, so that they cannot have changed without a trace.
fn is_held(node: &Node, freeze: &Freeze) -> bool {
    !matches!(node.data, NodeData::Regular(data) if freeze.is_passed(data))
}

/// Where `names` led when the overlay was frozen. Base entries are not checked to exist.
fn frozen_ino(freeze: &Freeze, names: &[Name]) -> Option<Ino> {
    names.iter().try_fold(Ino::ROOT, |dir, name| {
        let slot = freeze.node(dir).and_then(|node| node.directory()?.delta.get(name));
        match slot {
            Some(Slot::Entry(ino)) => Some(*ino),
            Some(Slot::Whiteout) => None,
            None => Some(Ino::of_base_child(dir, name.as_bytes())),
        }
    })
}

/// Whether `node` still is what was sealed as `expected`; `before` is the node at the freeze. A
/// body that was written since the freeze is another body.
fn is_unaltered(node: &Node, before: Option<&Node>, expected: (TreeMode, Oid)) -> bool {
    let (mode, oid) = expected;
    let executable = node.meta.perm & OWNER_EXECUTE != 0;
    let same_as_before = before.is_some_and(|before| before.data == node.data);
    match &node.data {
        NodeData::Regular(data) => {
            let as_sealed = if executable { TreeMode::BlobExec } else { TreeMode::Blob };
            mode == as_sealed && (*data == FileData::Blob(oid) || same_as_before)
        }
        NodeData::BaseSymlink(target) => mode == TreeMode::Link && *target == oid,
        NodeData::Symlink(_) => mode == TreeMode::Link && same_as_before,
        NodeData::Directory(directory) => {
            mode == TreeMode::Commit && directory.base == crate::overlay::DirBase::Gitlink(oid)
        }
        NodeData::Special(_) => false,
    }
}

impl Edit<'_> {
    fn remove_path(&mut self, step: &Step, invalid: &mut BTreeSet<Invalidation>) -> Looked<()> {
        let Some(dir) = self.enter(step.above(), false, invalid)? else { return Ok(()) };
        let view = self.view();
        let listing = view.dir(dir)?;
        let Some(child) = view.child(&listing, step.last())? else { return Ok(()) };
        self.remove_child(dir, step.last(), child, invalid)
    }

    fn remove_child(
        &mut self,
        dir: Ino,
        name: &Name,
        child: Child,
        invalid: &mut BTreeSet<Invalidation>,
    ) -> Looked<()> {
        let is_dir = self.view().is_dir(child);
        self.touch_dir(dir)?;
        self.drop_name(child)?;
        self.take_slot(dir, name, is_dir)?;
        invalid.insert(Invalidation::Entry(dir, name.clone()));
        invalid.insert(Invalidation::Inode(dir));
        Ok(())
    }

    fn put_path(
        &mut self,
        step: &Step,
        new: (TreeMode, Oid),
        invalid: &mut BTreeSet<Invalidation>,
    ) -> Looked<()> {
        let dir = self.enter(step.above(), true, invalid)?.ok_or_else(|| step.changed())?;
        let view = self.view();
        let child = view.child(&view.dir(dir)?, step.last())?;
        if let Some(child) = child {
            if self.put_in_place(dir, step.last(), child, new)? {
                invalid.insert(Invalidation::Inode(child.ino()));
                return Ok(());
            }
            let view = self.view();
            if view.is_dir(child) && !view.dir_of(dir, child)?.is_empty() {
                return Err(step.changed().into());
            }
            self.remove_child(dir, step.last(), child, invalid)?;
        }
        self.require_free(dir, step.last())?;
        self.touch_dir(dir)?;
        let ino = self.allocate_ino();
        let node = self.fresh_node(dir, new);
        self.put_new(dir, step.last(), ino, node);
        invalid.insert(Invalidation::Entry(dir, step.last().clone()));
        invalid.insert(Invalidation::Inode(dir));
        Ok(())
    }

    /// Changes content and mode of what is there, if it is of the same kind and has one name only.
    fn put_in_place(
        &mut self,
        dir: Ino,
        name: &Name,
        child: Child,
        (mode, oid): (TreeMode, Oid),
    ) -> Looked<bool> {
        let fresh = self.fresh_node(dir, (mode, oid));
        let view = self.view();
        if view.kind(child) != fresh.data.kind() {
            return Ok(false);
        }
        if let Child::Node(ino) = child
            && view.meta(ino)?.nlink > 1
        {
            return Ok(false);
        }
        self.adopt(dir, name, child);
        let ino = child.ino();
        let meta = self.view().meta(ino)?;
        let (mtime, ctime) = (self.now, self.now);
        match fresh.data {
            NodeData::Regular(file) => {
                let execute = (meta.perm & 0o444) >> 2;
                let perm = match mode {
                    TreeMode::BlobExec => meta.perm | execute,
                    _ => meta.perm & !EXECUTE,
                };
                self.push(Change::SetFile(ino, file));
                self.push(Change::SetMeta(ino, Meta { perm, mtime, ctime, ..meta }));
            }
            data => {
                let xattrs = self.view().index.node(ino).map(|node| node.xattrs.clone());
                let xattrs = xattrs.unwrap_or_default();
                let data = self.with_local_entries(ino, data);
                let meta = Meta { mtime, ctime, ..meta };
                self.push(Change::PutNode(ino, Node { meta, data, xattrs }));
            }
        }
        Ok(true)
    }

    /// A gitlink that moves to another commit keeps what was made inside of it.
    fn with_local_entries(&self, ino: Ino, data: NodeData) -> NodeData {
        let old = self.view().index.node(ino).and_then(|node| node.directory()).cloned();
        match (data, old) {
            (NodeData::Directory(new), Some(old)) => {
                let mut merged = old.as_ref().clone();
                merged.base = new.base;
                NodeData::Directory(merged.into())
            }
            (data, _) => data,
        }
    }

    /// Removes the directories above a removed path that hold nothing any more, as git does.
    fn prune_above(&mut self, step: &Step, invalid: &mut BTreeSet<Invalidation>) -> Looked<()> {
        for depth in (1..step.names.len()).rev() {
            let names = &step.names[..depth];
            let view = self.view();
            let Some((dir, child)) = view.walk(names)? else { continue };
            if view.kind(child) != FileKind::Directory || !view.dir_of(dir, child)?.is_empty() {
                return Ok(());
            }
            self.remove_child(dir, &step.names[depth - 1], child, invalid)?;
        }
        Ok(())
    }

    /// The directory at `names`, touched; made where `make` says so. None when it is not there.
    fn enter(
        &mut self,
        names: &[Name],
        make: bool,
        invalid: &mut BTreeSet<Invalidation>,
    ) -> Looked<Option<Ino>> {
        let mut dir = Ino::ROOT;
        for name in names {
            let view = self.view();
            match view.child(&view.dir(dir)?, name)? {
                Some(child) if view.is_dir(child) => {
                    self.adopt(dir, name, child);
                    dir = child.ino();
                }
                Some(_) => return Ok(None),
                None if make => dir = self.make_dir(dir, name, invalid)?,
                None => return Ok(None),
            }
        }
        Ok(Some(dir))
    }

    fn make_dir(
        &mut self,
        dir: Ino,
        name: &Name,
        invalid: &mut BTreeSet<Invalidation>,
    ) -> Looked<Ino> {
        self.require_free(dir, name)?;
        self.touch_dir(dir)?;
        let ino = self.allocate_ino();
        let node = self.fresh_dir(dir);
        self.put_new(dir, name, ino, node);
        invalid.insert(Invalidation::Entry(dir, name.clone()));
        invalid.insert(Invalidation::Inode(dir));
        Ok(ino)
    }
}
