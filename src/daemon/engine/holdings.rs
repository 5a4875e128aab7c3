//! What a workspace holds that the remote does not have: reasons not to remove it.

use super::Engine;
use crate::daemon::failure::Failure;
use crate::daemon::report::show_path;
use crate::git::Head;
use crate::overlay::{DirBase, Directory, Freeze, Node, NodeData, Slot};
use crate::types::{Ino, Oid, TreeMode};

/// Paths that are named; more are counted.
const NAMED: usize = 3;

impl Engine {
    /// One phrase for each kind of thing; nothing when all of it is on the remote.
    pub fn holdings(&self) -> Result<Vec<String>, Failure> {
        if self.record.view.read_only {
            return Ok(Vec::new());
        }
        let mut held = Vec::new();
        let changes = super::seal::count(&self.plan()?);
        if !changes.is_empty() {
            held.push(format!("changes that are not committed ({changes})"));
        }
        self.unpushed_refs(&mut held)?;
        if let Some(operation) = self.operation()? {
            held.push(operation.to_string());
        }
        let local = self.local_paths()?;
        if let Some(paths) = describe(&local) {
            held.push(paths);
        }
        Ok(held)
    }

    /// Branches, tags, stashes and other refs whose commits nobody else has.
    fn unpushed_refs(&self, held: &mut Vec<String>) -> Result<(), Failure> {
        for (name, oid) in self.repo.refs("refs/")? {
            let what = match name.split('/').nth(1) {
                Some("remotes" | "toft") => continue,
                Some("tags") if self.store_has(&name, oid) => continue,
                Some("stash") => "a stash".to_owned(),
                Some("heads") if self.is_known(oid)? => continue,
                Some("heads") => format!("commits of {}", name.trim_start_matches("refs/heads/")),
                Some("tags") => format!("the tag {}", name.trim_start_matches("refs/tags/")),
                _ => format!("the ref {name}"),
            };
            held.push(what);
        }
        if let Head::Detached(oid) = self.repo.head()?
            && !self.is_known(oid)?
        {
            held.push("commits that no branch holds".to_owned());
        }
        Ok(())
    }

    /// Paths of the view that HEAD's tree lacks: ignored files, sockets, empty folders.
    fn local_paths(&self) -> Result<Vec<String>, Failure> {
        let freeze = self.overlay.freeze();
        let head = self.repo.head()?.tip();
        let tree = head.map(|tip| self.repo.commit(tip)).transpose()?.map(|commit| commit.tree);
        let mut search = Search { engine: self, freeze: &freeze, found: Vec::new() };
        if let Some(root) = freeze.node(Ino::ROOT).and_then(|node| node.directory()) {
            search.directory(root, tree, &mut Vec::new())?;
        }
        Ok(search.found)
    }
}

/// Walks what the overlay says, beside HEAD's tree.
struct Search<'a> {
    engine: &'a Engine,
    freeze: &'a Freeze,
    found: Vec<String>,
}

impl Search<'_> {
    fn directory(
        &mut self,
        directory: &Directory,
        tree: Option<Oid>,
        path: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let tree = tree.map(|oid| self.engine.base.tree(oid)).transpose()?;
        for (name, slot) in &directory.delta {
            let Slot::Entry(ino) = slot else { continue };
            let Some(node) = self.freeze.node(*ino) else { continue };
            let entry = tree.as_ref().and_then(|tree| tree.find(name.as_bytes()));
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            self.entry(node, entry.map(|entry| (entry.mode, entry.oid)), path)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        node: &Node,
        head: Option<(TreeMode, Oid)>,
        path: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        match (&node.data, head) {
            (NodeData::Directory(directory), Some((TreeMode::Tree, oid))) => {
                self.directory(directory, Some(oid), path)
            }
            // A submodule that was filled here: its own repository is all that holds it.
            (NodeData::Directory(directory), Some((TreeMode::Commit, _)))
                if directory.delta.is_empty() && matches!(directory.base, DirBase::Gitlink(_)) =>
            {
                Ok(())
            }
            (NodeData::Special(_) | NodeData::Directory(_), _) | (_, None) => {
                self.found.push(show_path(path));
                Ok(())
            }
            (_, Some(_)) => Ok(()),
        }
    }
}

fn describe(paths: &[String]) -> Option<String> {
    let named = paths.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match paths.len() {
        0 => None,
        count if count <= NAMED => Some(format!("local files ({named})")),
        count => Some(format!("local files ({named} and {} more)", count - NAMED)),
    }
}
