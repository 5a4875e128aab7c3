//! Whether journal, bodies, git and queue agree. Reads everything that they name, alters nothing.

use super::Engine;
use crate::daemon::failure::Failure;
use crate::daemon::report::FsckReport;
use crate::overlay::{self, DirBase, FileData, Freeze, Node, NodeData};
use crate::types::Oid;
use std::collections::BTreeSet;

impl Engine {
    /// Checks the workspace. An error means that it could not even be looked at.
    pub fn fsck(&self) -> Result<FsckReport, Failure> {
        let freeze = self.overlay.freeze();
        let mut report = FsckReport { inodes: freeze.len() as u64, ..FsckReport::default() };
        let flaws = overlay::check(freeze.index());
        report.problems.extend(flaws.iter().map(|flaw| format!("overlay: {flaw}")));
        self.check_content(&freeze, &mut report);
        self.check_git(&mut report);
        self.check_queue(&mut report)?;
        report.problems.extend(self.losses().iter().map(ToString::to_string));
        report.problems.extend(self.overlay.read_only_reason());
        Ok(report)
    }

    /// Bodies and base objects that inodes name.
    fn check_content(&self, freeze: &Freeze, report: &mut FsckReport) {
        let (mut files, mut objects) = (Vec::new(), BTreeSet::new());
        for (ino, node) in freeze.index().iter() {
            match named(node) {
                Some(Named::File(data)) => files.push((ino, data)),
                Some(Named::Object(oid)) => drop(objects.insert((oid, ino))),
                None => {}
            }
        }
        report.bodies = files.len() as u64;
        report.objects = objects.len() as u64;
        for (ino, data) in files {
            let (place, read) = match data {
                FileData::Body(id) => (format!("body {}", id.0), freeze.body(id).map(drop)),
                FileData::Value(value) => (
                    format!("value {} in segment {}", value.offset, value.segment),
                    freeze.value(value).and_then(|open| open.read()).map(drop),
                ),
                FileData::Blob(_) => continue,
            };
            if let Err(error) = read {
                let what = format!("the content of inode {} ({place}): {error}", ino.0);
                report.problems.push(what);
            }
        }
        for (oid, ino) in objects {
            // What is on the remote only is not lost.
            let away = || self.base.is_away(oid);
            if !self.repo.exists(oid) && !away() {
                report.problems.push(format!("git: object {oid} of inode {} is missing", ino.0));
            }
        }
    }

    /// HEAD and the commit that the workspace was mounted from.
    fn check_git(&self, report: &mut FsckReport) {
        let mut commits: Vec<(&str, Oid)> = Vec::new();
        match self.repo.head() {
            Ok(head) => commits.extend(head.tip().map(|tip| ("HEAD", tip))),
            Err(error) => report.problems.push(format!("git: HEAD cannot be read: {error}")),
        }
        commits.extend(self.record.base.map(|base| ("the base", base)));
        for (what, commit) in commits {
            match self.repo.commit(commit) {
                Ok(found) if found.tree == self.repo.empty_tree() => {}
                Ok(found) if self.repo.exists(found.tree) => {}
                Ok(found) => {
                    report.problems.push(format!("git: tree {} of {what} is missing", found.tree));
                }
                Err(error) => report.problems.push(format!("git: {what}: {error}")),
            }
        }
    }

    /// Commits that wait to be pushed.
    fn check_queue(&self, report: &mut FsckReport) -> Result<(), Failure> {
        for state in self.outbox.states()? {
            let Some(pending) = state.pending else { continue };
            report.queued += 1;
            if !self.repo.exists(pending.new) {
                let what =
                    format!("queue: commit {} for {} is missing", pending.new, state.refname);
                report.problems.push(what);
            }
        }
        Ok(())
    }
}

enum Named {
    /// Bytes of this workspace.
    File(FileData),
    Object(Oid),
}

/// What a node says its content is.
fn named(node: &Node) -> Option<Named> {
    match &node.data {
        NodeData::Regular(FileData::Blob(oid)) | NodeData::BaseSymlink(oid) => {
            Some(Named::Object(*oid))
        }
        NodeData::Regular(data) => Some(Named::File(*data)),
        NodeData::Directory(directory) => match directory.base {
            DirBase::Tree(oid) => Some(Named::Object(oid)),
            DirBase::Empty | DirBase::Gitlink(_) => None,
        },
        NodeData::Symlink(_) | NodeData::Special(_) => None,
    }
}
