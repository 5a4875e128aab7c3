//! Refs: reading them, and moving one by compare-and-swap so that it is durable.

mod dangling;
mod lock;
mod update;

pub use dangling::files_below;
pub use lock::RefValue;

use super::{GitError, Repo, Result};
use crate::types::Oid;
use gix::bstr::ByteSlice;
use gix::path::RelativePath;
use gix::refs::{FullName, Reference, Target};

/// Symbolic refs that are followed before it is a loop (git: SYMREF_MAXDEPTH).
const SYMBOLIC_DEPTH: usize = 5;

/// What HEAD says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// On a branch.
    Branch {
        /// Full name, `refs/heads/x`.
        name: String,
        /// Its commit; None before the first one.
        tip: Option<Oid>,
    },
    /// On a commit, on no branch.
    Detached(Oid),
}

impl Head {
    /// The commit, if there is one yet.
    pub fn tip(&self) -> Option<Oid> {
        match self {
            Head::Branch { tip, .. } => *tip,
            Head::Detached(oid) => Some(*oid),
        }
    }
}

/// Whether git would take the full name for a branch.
pub fn is_branch_name(name: &str) -> bool {
    let short = name.strip_prefix("refs/heads/");
    short.is_some_and(|short| short != "HEAD" && !short.starts_with('-'))
        && FullName::try_from(name).is_ok()
}

impl Repo {
    /// Reads HEAD.
    pub fn head(&self) -> Result<Head> {
        match self.find("HEAD")?.map(|head| head.target) {
            None => Err(broken("HEAD", "it does not exist")),
            Some(Target::Object(oid)) => Ok(Head::Detached(oid)),
            Some(Target::Symbolic(name)) => {
                let name = text(&name)?;
                let tip = self.read_ref(&name)?;
                Ok(Head::Branch { name, tip })
            }
        }
    }

    /// What the ref with the full name `name` points to, symbolic refs followed, tags not peeled.
    pub fn read_ref(&self, name: &str) -> Result<Option<Oid>> {
        let mut name = name.to_owned();
        for _ in 0..=SYMBOLIC_DEPTH {
            match self.find(&name)?.map(|found| found.target) {
                None => return Ok(None),
                Some(Target::Object(oid)) => return Ok(Some(oid)),
                Some(Target::Symbolic(next)) => name = text(&next)?,
            }
        }
        Err(broken(&name, "too many symbolic refs on the way"))
    }

    /// All refs whose full name starts with `prefix`, by name, symbolic ones followed. Names that are
    /// no UTF-8 and refs that are broken or point to nothing are left out.
    pub fn refs(&self, prefix: &str) -> Result<Vec<(String, Oid)>> {
        let mut refs = Vec::new();
        for (name, target) in self.targets(prefix)? {
            let oid = match target {
                Target::Object(oid) => Some(oid),
                Target::Symbolic(_) => self.read_ref(&name)?,
            };
            refs.extend(oid.map(|oid| (name, oid)));
        }
        Ok(refs)
    }

    fn targets(&self, prefix: &str) -> Result<Vec<(String, Target)>> {
        // gix wants a path to start from: the part of the prefix that is surely a directory.
        let dir = &prefix[..prefix.rfind('/').map_or(0, |slash| slash + 1)];
        self.with(|repo| {
            let platform = repo.refs.iter().map_err(|error| broken(prefix, error))?;
            let iter = match <&RelativePath>::try_from(dir) {
                Ok(path) if !dir.is_empty() => platform.prefixed(path),
                _ => platform.all(),
            };
            let mut targets = Vec::new();
            for reference in iter.map_err(GitError::io("list the refs"))? {
                // A ref file that a power loss emptied must not hide the others.
                let Ok(Reference { name, target, .. }) =
                    reference.inspect_err(|error| tracing::warn!(%error, "left out a broken ref"))
                else {
                    continue;
                };
                match name.as_bstr().to_str() {
                    Ok(name) if name.starts_with(prefix) => targets.push((name.to_owned(), target)),
                    _ => {}
                }
            }
            Ok(targets)
        })
    }

    /// The ref of exactly this name, not followed.
    fn find(&self, name: &str) -> Result<Option<Reference>> {
        let full = FullName::try_from(name).map_err(|error| broken(name, error))?;
        self.with(|repo| match repo.refs.try_find(full.as_ref()) {
            Ok(found) => Ok(found.filter(|found| found.name == full)),
            Err(error) => Err(broken(name, error)),
        })
    }
}

fn text(name: &FullName) -> Result<String> {
    let name = name.as_bstr();
    name.to_str().map(str::to_owned).map_err(|_| broken(&name.to_string(), "its name is no UTF-8"))
}

fn broken(name: &str, why: impl ToString) -> GitError {
    GitError::Ref { name: name.to_owned(), why: why.to_string() }
}
