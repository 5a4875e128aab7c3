//! What `git add` does to the content of a file (gitattributes(5)): line endings, encodings, `$Id$`,
//! and the user's own clean filters.
//!
//! Attributes may name a filter; only the user's configuration can say what it runs (threat T4).

use super::{GitError, Repo, Result};
use crate::types::Oid;
use gix::attrs::search::{MetadataCollection, Outcome};
use gix::attrs::{Search, StateRef};
use gix::bstr::{BStr, ByteSlice, ByteVec};
use gix::filter::plumbing::{Driver, Pipeline, eol::AutoCrlf, pipeline::convert::ToGitOutcome};
use gix::glob::pattern::Case;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The attributes that change content, in the order that [`Filters::attributes`] gives them.
const ATTRIBUTES: [&str; 6] = ["text", "crlf", "eol", "ident", "filter", "working-tree-encoding"];

/// The conversion to git's form, with the attributes on the way from the root to one directory.
///
/// The caller walks as with [`super::Excludes`] and hands over each `.gitattributes` itself.
pub struct Filters {
    repo: Repo,
    pipeline: Pipeline,
    attributes: Attributes,
    converts_by_default: bool,
}

/// Attribute rules, the ones that win last.
struct Attributes {
    /// Built-in macros, the system's and the user's files.
    globals: Search,
    /// One list for each directory entered.
    directories: Search,
    /// `info/attributes`.
    info: Search,
    collection: MetadataCollection,
}

impl Repo {
    /// The conversions as the user's configuration and `info/attributes` say now.
    pub fn filters(&self) -> Result<Filters> {
        let repository = self.reopened();
        let failed = |error: gix::Error| broken(b"", error);
        let mut options = gix::filter::Pipeline::options(&repository).map_err(failed)?;
        if let Some(variable) = self.secret_variable() {
            options.drivers.iter_mut().for_each(|driver| hide(variable, driver));
        }
        let converts_by_default = !matches!(options.eol_config.auto_crlf, AutoCrlf::Disabled);
        let mut context = repository.command_context().map_err(failed)?;
        // Filters run there: the worktree is our own mount.
        context.worktree_dir = Some(self.gitdir().to_owned());
        let global_files = repository.attribute_global_paths().map_err(failed)?;
        Ok(Filters {
            repo: self.clone(),
            pipeline: Pipeline::new(context, self.hash_kind(), options),
            attributes: Attributes::open(global_files, self.gitdir().join("info/attributes"))?,
            converts_by_default,
        })
    }
}

impl Filters {
    /// Goes down into `dir` (`""` for the root), whose `.gitattributes` holds `gitattributes`.
    pub fn enter(&mut self, dir: &[u8], gitattributes: Option<&[u8]>) {
        self.attributes.enter(dir, gitattributes.unwrap_or_default());
    }

    /// Goes back up from the directory that was entered last.
    pub fn leave(&mut self) {
        self.attributes.directories.pop_pattern_list();
    }

    /// Whether [`Filters::to_git`] might change the content of `path`; false is sure.
    pub fn applies(&self, path: &[u8]) -> bool {
        let mut outcome = self.attributes.selected();
        self.attributes.lookup(path.as_bstr(), &mut outcome);
        let states: Vec<_> = outcome.iter_selected().map(|found| found.assignment.state).collect();
        let [text, crlf, eol, ident, filter, encoding] =
            <[StateRef<'_>; 6]>::try_from(states).expect("one state for each attribute asked for");
        let says_yes = |state: StateRef<'_>| matches!(state, StateRef::Set | StateRef::Value(_));
        let decided = !text.is_unspecified() || !crlf.is_unspecified() || !eol.is_unspecified();
        [text, crlf, eol, ident, filter].into_iter().any(says_yes)
            || !encoding.is_unspecified()
            || (self.converts_by_default && !decided)
    }

    /// What git would store for the file `path` that holds `bytes`.
    ///
    /// `indexed` is the blob that is tracked at the path now: a file that is stored with CRLF
    /// keeps them where git only guesses that it is text. A filter that fails is an error when
    /// `filter.<name>.required` says so; otherwise the content goes without it, as in git.
    pub fn to_git(&mut self, path: &[u8], bytes: &[u8], indexed: Option<Oid>) -> Result<Vec<u8>> {
        let driver = self.driver(path);
        match self.convert(path, bytes, indexed) {
            Ok(None) => match driver {
                Some(driver) if driver.required => {
                    Err(broken(path, format!("filter {} cannot clean", driver.name)))
                }
                _ => Ok(bytes.to_vec()),
            },
            Ok(Some(converted)) => Ok(converted),
            Err(error) => match driver {
                Some(driver) if !driver.required => {
                    tracing::warn!(%error, "stored without the filter");
                    let drivers = std::mem::take(&mut self.pipeline.options_mut().drivers);
                    let result = self.convert(path, bytes, indexed);
                    self.pipeline.options_mut().drivers = drivers;
                    result.map(|converted| converted.unwrap_or_else(|| bytes.to_vec()))
                }
                _ => Err(error),
            },
        }
    }

    /// None when nothing applied.
    fn convert(
        &mut self,
        path: &[u8],
        bytes: &[u8],
        indexed: Option<Oid>,
    ) -> Result<Option<Vec<u8>>> {
        let Filters { repo, pipeline, attributes, .. } = self;
        let fill = &mut |path: &BStr, outcome: &mut Outcome| attributes.lookup(path, outcome);
        let indexed = &mut |buffer: &mut Vec<u8>| {
            let Some(oid) = indexed else { return Ok(None) };
            *buffer = repo.blob(oid).map_err(gix::Error::from_error)?;
            Ok(Some(()))
        };
        let source = Path::new(OsStr::from_bytes(path));
        let outcome = pipeline
            .convert_to_git(bytes, source, fill, indexed)
            .map_err(|error| broken(path, error))?;
        match outcome {
            ToGitOutcome::Unchanged(_) => Ok(None),
            ToGitOutcome::Buffer(converted) => Ok(Some(converted.to_vec())),
            ToGitOutcome::Process(mut output) => {
                let mut converted = Vec::new();
                output.read_to_end(&mut converted).map_err(|error| broken(path, error))?;
                Ok(Some(converted))
            }
        }
    }

    /// The filter that attributes choose for `path`, if the user configured one of that name.
    fn driver(&mut self, path: &[u8]) -> Option<Driver> {
        let mut outcome = self.attributes.selected();
        self.attributes.lookup(path.as_bstr(), &mut outcome);
        let chosen = outcome.iter_selected().nth(4)?.assignment.state;
        let name = chosen.as_bstr()?;
        let drivers = &self.pipeline.options_mut().drivers;
        drivers.iter().find(|driver| driver.name == name).cloned()
    }
}

impl Attributes {
    fn open(global_files: Vec<PathBuf>, info_file: PathBuf) -> Result<Attributes> {
        let mut collection = MetadataCollection::default();
        let mut buffer = Vec::new();
        let globals = Search::new_globals(global_files, &mut buffer, &mut collection)
            .map_err(GitError::io("read the user's attributes"))?;
        let mut info = Search::default();
        info.add_patterns_file(info_file, true, None, &mut buffer, &mut collection, true)
            .map_err(GitError::io("read info/attributes"))?;
        Ok(Attributes { globals, directories: Search::default(), info, collection })
    }

    fn enter(&mut self, dir: &[u8], gitattributes: &[u8]) {
        let source = Path::new(OsStr::from_bytes(dir)).join(".gitattributes");
        let root = Some(Path::new(""));
        let macros = dir.is_empty();
        self.directories
            .add_patterns_buffer(gitattributes, source, root, &mut self.collection, macros)
            .expect("any bytes are a path on unix");
    }

    /// An outcome for [`ATTRIBUTES`].
    fn selected(&self) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.initialize_with_selection(&self.collection, ATTRIBUTES);
        outcome
    }

    fn lookup(&self, path: &BStr, outcome: &mut Outcome) {
        outcome.initialize(&self.collection);
        for group in [&self.info, &self.directories, &self.globals] {
            group.pattern_matching_relative_path(path, Case::Sensitive, Some(false), outcome);
            if outcome.is_done() {
                break;
            }
        }
    }
}

/// Lets `driver` run without `variable`: gix hands our environment on as it is.
fn hide(variable: &str, driver: &mut Driver) {
    let commands = [&mut driver.clean, &mut driver.smudge, &mut driver.process];
    for command in commands.into_iter().flatten() {
        command.insert_str(0, format!("unset {variable}; "));
    }
}

fn broken(path: &[u8], why: impl ToString) -> GitError {
    GitError::Filter { path: path.to_vec(), why: why.to_string() }
}
