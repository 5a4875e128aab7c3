//! From the frozen view to a tree, by the rules of `git add -A && git write-tree`.
//!
//! Directories whose tree is HEAD's are not looked into. The walk keeps its own stack: a hostile
//! tree may be deeper than a thread's.

use super::change::{Leaf, PathChange, Skipped};
use super::content::{Contents, HashCache, Options, Source};
use super::diff::diff;
use super::error::CommitError;
use super::frame::{Frame, HeadEntry, Pair};
use super::guard::{BIG_FILE, Finding};
use super::nested::{Nested, nested};
use super::secret::secret_name;
use super::tracked::TrackedPaths;
use super::view::{Dir, Item, View};
use crate::base::is_dotgit_disguise;
use crate::git::{Excludes, Filters};
use crate::types::{Name, Oid, TreeMode};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The longest path that git can add (PATH_MAX, with its NUL).
const PATH_MAX: usize = 4096;
/// Larger files of rules are not read, as git does not.
const RULES_MAX: u64 = 100 << 20;

/// What a walk found on its way.
#[derive(Default)]
pub(super) struct Found {
    pub(super) changes: Vec<PathChange>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) big_files: Vec<Finding>,
    pub(super) secrets: Vec<Finding>,
    pub(super) hostile: Vec<Finding>,
}

/// What becomes of a directory with nothing tracked in it.
enum Untracked {
    /// What is in it decides.
    Walk,
    /// It stands for this, or for nothing.
    Leaf(Option<Leaf>),
}

/// A walk over the view beside HEAD's tree.
pub(super) struct Walk<'a> {
    view: View<'a>,
    tracked: &'a TrackedPaths,
    contents: Contents<'a>,
    excludes: Excludes,
    filters: Filters,
    /// Where it is now.
    path: Vec<u8>,
    found: Found,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        view: View<'a>,
        tracked: &'a TrackedPaths,
        options: Options,
        known: Arc<HashCache>,
    ) -> Result<Self, CommitError> {
        let repo = view.base.repo();
        Ok(Self {
            view,
            tracked,
            contents: Contents::new(view, options, known),
            excludes: repo.excludes()?,
            filters: repo.filters()?,
            path: Vec::new(),
            found: Found::default(),
        })
    }

    /// Walks all of it; returns the tree.
    pub(super) fn run(
        mut self,
        head: Option<Oid>,
    ) -> Result<(Oid, Found, Contents<'a>), CommitError> {
        let head = head.map(|oid| HeadEntry { mode: TreeMode::Tree, oid });
        let mut stack = vec![self.enter(None, &self.view.root()?, head, 0)?];
        while let Some(frame) = stack.last_mut() {
            self.path.truncate(frame.path_len);
            if let Some(pair) = frame.pairs.next() {
                self.step_into(&pair.name);
                let below = self.visit(frame, pair)?;
                stack.extend(below);
                continue;
            }
            let done = stack.pop().expect("it was there a moment ago");
            let (name, before) = (done.name.clone(), done.before);
            let tree = self.finish(done)?;
            match (stack.last_mut(), name) {
                (Some(parent), Some(name)) => self.place(parent, name, before, tree),
                _ => return Ok((self.root(head, tree)?, self.found, self.contents)),
            }
        }
        unreachable!("the root is finished before the stack is empty")
    }

    /// Begins a directory. `before` is what HEAD has in its place.
    fn enter(
        &mut self,
        name: Option<Name>,
        dir: &Dir,
        before: Option<HeadEntry>,
        attributes: u64,
    ) -> Result<Frame, CommitError> {
        let head = before.filter(|head| head.mode == TreeMode::Tree);
        let head = head.map(|head| self.view.tree(&self.path, head.oid)).transpose()?;
        // Of a directory that was moved, what the base hides would be lost with the old place.
        let hidden = match (&head, dir.base()) {
            (Some(head), _) => head.hidden.clone(),
            (None, Some(base)) => self.view.tree(&self.path, base)?.hidden.clone(),
            (None, None) => Vec::new(),
        };
        let items = self.view.list(&self.path, dir)?;
        let ignore = self.rules(&items, b".gitignore")?;
        let attribute = self.rules(&items, b".gitattributes")?;
        self.excludes.enter(&self.path, ignore.as_deref());
        self.filters.enter(&self.path, attribute.as_deref());
        let mut hasher = DefaultHasher::new();
        (attributes, attribute).hash(&mut hasher);
        Ok(Frame {
            name,
            before,
            path_len: self.path.len(),
            pairs: Pair::all(items, head.as_ref().map_or(&[], |head| &head.entries)).into_iter(),
            items: Vec::new(),
            hidden,
            attributes: hasher.finish(),
            changed: false,
        })
    }

    /// The content of a file of rules among `items`. As in git, a symbolic link counts as none.
    fn rules(&self, items: &[(Name, Item)], name: &[u8]) -> Result<Option<Vec<u8>>, CommitError> {
        let found = items.binary_search_by(|(item, _)| item.as_bytes().cmp(name));
        match found.ok().map(|index| &items[index].1) {
            Some(Item::File { data, .. }) => {
                self.view.read(&super::view::join(&self.path, name), *data, RULES_MAX)
            }
            _ => Ok(None),
        }
    }

    /// Looks at one name; returns the directory that is to be walked first.
    fn visit(&mut self, frame: &mut Frame, pair: Pair<Item>) -> Result<Option<Frame>, CommitError> {
        let Pair { name, item, head } = pair;
        let indexed = self.tracked.leaf(&self.path, head.and_then(HeadEntry::leaf));
        let item = item.filter(|item| self.admits(&name, item, indexed));
        let leaf = match item {
            Some(Item::Dir(dir)) => return self.directory(frame, name, head, indexed, &dir),
            Some(item) => Some(self.leaf(&item, indexed, head, frame.attributes)?),
            None => match (self.tracked.sparse(&self.path), head) {
                (None, Some(head)) if head.mode == TreeMode::Tree => {
                    if self.tracked.adds_below(&self.path) {
                        return self
                            .enter(Some(name), &Dir::Empty, Some(head), frame.attributes)
                            .map(Some);
                    }
                    None
                }
                (sparse, _) => sparse,
            },
        };
        self.settle(frame, name, head, leaf)?;
        Ok(None)
    }

    /// Whether `item` may be in a commit; says why not where the user cannot know.
    fn admits(&mut self, name: &Name, item: &Item, indexed: Option<Leaf>) -> bool {
        let bytes = name.as_bytes();
        let is_dir = matches!(item, Item::Dir(_));
        if bytes == b".git" {
            return false;
        }
        // Rules on directories are for those that hold nothing tracked, and come later.
        if !is_dir && indexed.is_none() && self.excludes.is_excluded(&self.path, false) {
            return false;
        }
        let is_link = matches!(item, Item::Link(_) | Item::BaseLink(_));
        let was_link = indexed.is_some_and(|leaf| leaf.mode == TreeMode::Link);
        let why = if is_dotgit_disguise(bytes) {
            "some systems take this name for .git"
        } else if matches!(item, Item::Special) {
            "git knows no FIFOs, sockets and devices"
        } else if is_link && !was_link && bytes.eq_ignore_ascii_case(b".gitmodules") {
            "git refuses a .gitmodules that is a symbolic link"
        } else if !is_dir && indexed.is_none() && self.path.len() >= PATH_MAX {
            "the path is longer than git can handle"
        } else {
            return true;
        };
        self.skip(why);
        false
    }

    /// A directory of the view: kept, a gitlink, left out, or to be walked.
    fn directory(
        &mut self,
        frame: &mut Frame,
        name: Name,
        head: Option<HeadEntry>,
        indexed: Option<Leaf>,
        dir: &Dir,
    ) -> Result<Option<Frame>, CommitError> {
        let head_tree = head.filter(|head| head.mode == TreeMode::Tree).map(|head| head.oid);
        if let Some(tree) = dir.untouched()
            && head_tree == Some(tree)
            && !self.tracked.differs_below(&self.path)
        {
            frame.push(name, TreeMode::Tree, tree);
            return Ok(None);
        }
        let is_submodule = indexed.is_some_and(|leaf| leaf.mode == TreeMode::Commit);
        let holds_tracked = head_tree.is_some() || self.tracked.adds_below(&self.path);
        if !is_submodule && holds_tracked {
            return self.enter(Some(name), dir, head, frame.attributes).map(Some);
        }
        match self.untracked_directory(indexed, dir)? {
            Untracked::Walk => self.enter(Some(name), dir, head, frame.attributes).map(Some),
            Untracked::Leaf(leaf) => self.settle(frame, name, head, leaf).map(|()| None),
        }
    }

    /// A directory with nothing tracked in it: ignored, a repository of its own, or to be walked.
    fn untracked_directory(
        &mut self,
        indexed: Option<Leaf>,
        dir: &Dir,
    ) -> Result<Untracked, CommitError> {
        let ignored = self.excludes.is_excluded(&self.path, true);
        if ignored && indexed.is_none() {
            return Ok(Untracked::Leaf(None));
        }
        // Not checked out, or not to be told: what is tracked stays.
        let submodule = indexed.filter(|leaf| leaf.mode == TreeMode::Commit);
        let leaf = match nested(self.view, &self.path, dir)? {
            Nested::At(oid) => Some(Leaf { mode: TreeMode::Commit, oid }),
            Nested::Unknown(why) => {
                self.skip(why);
                submodule
            }
            Nested::No if submodule.is_some() || ignored => submodule,
            Nested::No => {
                if dir.is_gitlink() {
                    self.skip("a submodule that was moved, but not with git mv");
                }
                return Ok(Untracked::Walk);
            }
        };
        Ok(Untracked::Leaf(leaf))
    }

    /// A file or symbolic link as a commit holds it.
    fn leaf(
        &mut self,
        item: &Item,
        indexed: Option<Leaf>,
        head: Option<HeadEntry>,
        attributes: u64,
    ) -> Result<Leaf, CommitError> {
        let link = |oid| Leaf { mode: TreeMode::Link, oid };
        let (exec, data) = match item {
            Item::File { exec, data } => (*exec, *data),
            Item::Link(target) => return Ok(link(self.contents.writer.blob(target)?)),
            Item::BaseLink(oid) => return Ok(link(*oid)),
            Item::Dir(_) | Item::Special => unreachable!("neither is a leaf"),
        };
        let head = head.and_then(HeadEntry::leaf);
        let source = Source { path: &self.path, data, indexed, head, attributes };
        let stored = self.contents.file(&source, &mut self.filters)?;
        let mode = if exec { TreeMode::BlobExec } else { TreeMode::Blob };
        let leaf = Leaf { mode, oid: stored.oid };
        if head.is_none_or(|head| head.oid != leaf.oid) && stored.len > BIG_FILE {
            self.found.big_files.push(self.finding(format!("{} bytes", stored.len)));
        }
        if indexed.is_none() && head != Some(leaf) && stored.len > 0 {
            let what = secret_name(&self.path).or(stored.secret);
            self.found.secrets.extend(what.map(|what| self.finding(what)));
        }
        Ok(leaf)
    }

    /// Decides that a name stands for `after`.
    fn settle(
        &mut self,
        frame: &mut Frame,
        name: Name,
        head: Option<HeadEntry>,
        after: Option<Leaf>,
    ) -> Result<(), CommitError> {
        if let Some(head) = head.filter(|head| head.mode == TreeMode::Tree) {
            frame.changed = true;
            let gone = diff(self.view.base, &self.path, Some(head.oid), None)?;
            self.found.changes.extend(gone);
        }
        let before = head.and_then(HeadEntry::leaf);
        self.compare(frame, before, after);
        if let Some(leaf) = after {
            frame.push(name, leaf.mode, leaf.oid);
        }
        Ok(())
    }

    /// Puts a directory that was walked in its place; None: nothing in it is in a commit.
    fn place(
        &mut self,
        parent: &mut Frame,
        name: Name,
        before: Option<HeadEntry>,
        tree: Option<Oid>,
    ) {
        self.path.truncate(parent.path_len);
        self.step_into(&name);
        let entry = tree.map(|oid| HeadEntry { mode: TreeMode::Tree, oid });
        if before != entry {
            parent.changed = true;
            self.compare(parent, before.and_then(HeadEntry::leaf), None);
        }
        if let Some(oid) = tree {
            parent.push(name, TreeMode::Tree, oid);
        }
    }

    /// Ends a directory; returns its tree, None when nothing in it is in a commit.
    fn finish(&mut self, frame: Frame) -> Result<Option<Oid>, CommitError> {
        self.excludes.leave();
        self.filters.leave();
        if !frame.changed {
            let tree = frame.before.filter(|head| head.mode == TreeMode::Tree);
            return Ok(tree.map(|head| head.oid));
        }
        if !frame.hidden.is_empty() {
            let names: Vec<_> =
                frame.hidden.iter().map(|(name, _)| name.escape_ascii().to_string()).collect();
            self.found.hostile.push(self.finding(names.join(", ")));
        }
        if frame.items.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.contents.writer.tree(frame.items)?))
    }

    /// The tree of the root, which is there even when it is empty.
    fn root(&mut self, head: Option<HeadEntry>, tree: Option<Oid>) -> Result<Oid, CommitError> {
        match tree {
            Some(tree) => Ok(tree),
            None if head.is_some() => Ok(self.contents.writer.tree(Vec::new())?),
            None => Ok(self.view.base.repo().empty_tree()),
        }
    }

    fn compare(&mut self, frame: &mut Frame, before: Option<Leaf>, after: Option<Leaf>) {
        let change = PathChange::between(&self.path, before, after);
        frame.changed |= change.is_some();
        self.found.changes.extend(change);
    }

    fn step_into(&mut self, name: &Name) {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.as_bytes());
    }

    fn skip(&mut self, why: &'static str) {
        self.found.skipped.push(Skipped { path: self.path.clone(), why });
    }

    fn finding(&self, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), what: what.into() }
    }
}
