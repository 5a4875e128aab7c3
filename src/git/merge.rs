//! Three-way merge of trees, without a working tree, with the results of `git merge-tree`.

use super::odb::Odb;
use super::{GitError, ObjectWriter, Repo, Result};
use crate::types::Oid;
use gix::bstr::BString;
use gix::diff::blob::{Algorithm, pipeline::WorktreeRoots};
use gix::merge::plumbing as gix_merge;
use gix::merge::tree::{Conflict, Resolution, TreatAsUnresolved};
use gix::objs::{Kind, Write, WriteTo};
use gix::worktree::{Stack, stack::state::attributes::Source};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Of more files that went and more that came, none is compared with each of the others to find out
/// which was moved and altered: that takes minutes, while a flush waits. The user's renameLimit wins.
const RENAME_LIMIT: usize = 250;

/// What came of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeOutcome {
    /// All changes of both sides are in this tree.
    Clean {
        /// The merged tree; its new objects are in the writer.
        tree: Oid,
    },
    /// Somebody has to decide.
    Conflict {
        /// The paths in question, by name.
        paths: Vec<ConflictPath>,
    },
}

/// A path that both sides changed in ways that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictPath {
    /// Path in the repository.
    pub path: Vec<u8>,
    /// What the common ancestor has there.
    pub base: Option<Side>,
    /// What our side has.
    pub ours: Option<Side>,
    /// What their side has.
    pub theirs: Option<Side>,
}

/// One side of a [`ConflictPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// The mode of the tree entry.
    pub mode: u32,
    /// The object.
    pub oid: Oid,
}

impl Repo {
    /// Merges the trees `ours` and `theirs`, which both come from `base` (None: from nothing).
    ///
    /// Attributes and merge drivers are the user's own; the merged trees can choose none. New
    /// objects go to `writer`, and only when the merge is clean.
    pub fn merge_trees(
        &self,
        base: Option<Oid>,
        ours: Oid,
        theirs: Oid,
        writer: &mut ObjectWriter,
    ) -> Result<MergeOutcome> {
        let base = base.unwrap_or_else(|| self.empty_tree());
        let mut repository = self.reopened();
        Odb::prepare_for_merge(&mut repository);
        // gix is not hardened against trees that make no sense.
        let merged = catch_unwind(AssertUnwindSafe(|| merge(&repository, base, ours, theirs)));
        let outcome = merged
            .unwrap_or_else(|_| Err(GitError::Merge("the trees make no sense".to_owned())))?;
        if let MergeOutcome::Clean { .. } = outcome {
            let memory = repository.objects.take_object_memory().unwrap_or_default();
            for (kind, bytes) in memory.values() {
                writer.object(*kind, bytes)?;
            }
        }
        Ok(outcome)
    }
}

fn merge(repository: &gix::Repository, base: Oid, ours: Oid, theirs: Oid) -> Result<MergeOutcome> {
    let mut context = repository.command_context().map_err(failed)?;
    // Merge drivers run there: the worktree is our own mount.
    context.worktree_dir = context.git_dir.clone();
    let mut options: gix_merge::tree::Options =
        repository.tree_merge_options().map_err(failed)?.into();
    options.blob_merge_command_ctx = context;
    let config = repository.config_snapshot();
    let chosen = ["merge.renameLimit", "diff.renameLimit"].map(|key| config.integer(key));
    if let (Some(rewrites), [None, None]) = (&mut options.rewrites, chosen) {
        rewrites.limit = RENAME_LIMIT;
    }
    // As git's own strategy, whatever diff.algorithm says.
    options.blob_merge.text.diff_algorithm = Algorithm::Histogram;
    let labels = gix_merge::blob::builtin_driver::text::Labels {
        ancestor: Some("base".into()),
        current: Some("ours".into()),
        other: Some("theirs".into()),
    };
    let mut diff = gix::diff::resource_cache(
        repository,
        gix::diff::blob::pipeline::Mode::ToGit,
        attributes(repository)?,
        WorktreeRoots::default(),
    )
    .map_err(failed)?;
    let mut outcome = gix_merge::tree(
        &base,
        &ours,
        &theirs,
        labels,
        repository,
        |blob| repository.write_buf(Kind::Blob, blob),
        &mut gix::diff::tree::State::default(),
        &mut diff,
        &mut blob_merge(repository)?,
        options,
    )
    .map_err(failed)?;
    let unresolved = outcome.conflicts.iter().filter(|conflict| needs_somebody(conflict));
    let mut paths: Vec<_> = unresolved.map(describe).collect();
    if !paths.is_empty() {
        paths.sort_by(|a, b| a.path.cmp(&b.path));
        paths.dedup();
        return Ok(MergeOutcome::Conflict { paths });
    }
    let tree = outcome.tree.write(|tree| {
        let mut bytes = Vec::new();
        tree.write_to(&mut bytes).map_err(gix::Error::from_error)?;
        repository.write_buf(Kind::Tree, &bytes)
    });
    Ok(MergeOutcome::Clean { tree: tree.map_err(failed)? })
}

/// The machinery that merges one file.
fn blob_merge(repository: &gix::Repository) -> Result<gix_merge::blob::Platform> {
    let context = repository.command_context().map_err(failed)?;
    let options = gix::filter::Pipeline::options(repository).map_err(failed)?;
    let filter = gix::filter::plumbing::Pipeline::new(context, repository.object_hash(), options);
    let threshold = repository.big_file_threshold().map_err(failed)?;
    let options = gix_merge::blob::pipeline::Options { large_file_threshold_bytes: threshold };
    let pipeline = gix_merge::blob::Pipeline::new(Default::default(), filter, options);
    let default_driver = repository.config_snapshot().string("merge.default");
    Ok(gix_merge::blob::Platform::new(
        pipeline,
        gix_merge::blob::pipeline::Mode::ToGit,
        attributes(repository)?,
        drivers(repository),
        gix_merge::blob::platform::Options { default_driver },
    ))
}

/// Attributes of the user's files and of `info/attributes`; an empty index adds none of the trees'.
fn attributes(repository: &gix::Repository) -> Result<Stack> {
    let empty = gix::index::State::new(repository.object_hash());
    let stack = repository.attributes_only(&empty, Source::IdMapping).map_err(failed)?;
    Ok(stack.detach())
}

/// The merge drivers that the user configured.
fn drivers(repository: &gix::Repository) -> Vec<gix_merge::blob::Driver> {
    let config = repository.config_snapshot();
    let mut drivers: Vec<gix_merge::blob::Driver> = Vec::new();
    for section in config.plumbing().sections_by_name("merge").into_iter().flatten() {
        let Some(name) = section.header().subsection_name().filter(|name| !name.is_empty()) else {
            continue;
        };
        let known = drivers.iter().position(|driver| driver.name == name);
        let index = known.unwrap_or_else(|| {
            let name = BString::from(name);
            let display_name = name.clone();
            drivers.push(gix_merge::blob::Driver { name, display_name, ..Default::default() });
            drivers.len() - 1
        });
        if let Some(command) = section.value("driver") {
            drivers[index].command = command;
        }
        if let Some(recursive) = section.value("recursive") {
            drivers[index].recursive = Some(recursive);
        }
    }
    drivers
}

/// Whether git would call it a conflict too. It does when a file was added to a directory that the
/// other side renamed (merge.directoryRenames=conflict, the default).
fn needs_somebody(conflict: &Conflict) -> bool {
    conflict.is_unresolved(TreatAsUnresolved::git())
        || matches!(conflict.resolution, Ok(Resolution::SourceLocationAffectedByRename { .. }))
}

fn describe(conflict: &Conflict) -> ConflictPath {
    let (ours, _) = conflict.changes_in_resolution();
    let side = |entry: Option<gix_merge::tree::ConflictIndexEntry>| {
        entry.map(|entry| Side { mode: u32::from(entry.mode.value()), oid: entry.id })
    };
    let [base, our_entry, their_entry] = conflict.entries().map(side);
    ConflictPath { path: ours.location().to_vec(), base, ours: our_entry, theirs: their_entry }
}

fn failed(error: gix::Error) -> GitError {
    GitError::Merge(error.to_string())
}
