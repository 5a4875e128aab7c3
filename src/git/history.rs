//! Questions about commits.

use super::repo::unreadable;
use super::{GitError, Repo, Result};
use crate::types::Oid;
use gix::objs::Kind;

impl Repo {
    /// The commit that `spec` names (`main`, `v1.0^`, a hash …), tags peeled; None when it names none.
    pub fn resolve_commit(&self, spec: &str) -> Result<Option<Oid>> {
        self.with(|repo| {
            let Ok(id) = repo.rev_parse_single(spec) else { return Ok(None) };
            let id = id.detach();
            let Some(object) = repo.try_find_object(id).map_err(|error| unreadable(id, error))?
            else {
                return Err(GitError::NotFound(id));
            };
            Ok(object.peel_to_kind(Kind::Commit).ok().map(|commit| commit.id))
        })
    }

    /// Whether `ancestor` is `of` or can be reached from it.
    pub fn is_ancestor(&self, ancestor: Oid, of: Oid) -> Result<bool> {
        Ok(ancestor == of || self.merge_base(ancestor, of)? == Some(ancestor))
    }

    /// The best common ancestor, None when the histories have nothing in common (or a shallow
    /// clone does not reach so far).
    pub fn merge_base(&self, a: Oid, b: Oid) -> Result<Option<Oid>> {
        self.with(|repo| {
            let base = repo.merge_base(a, b).map_err(|error| unreadable(a, error))?;
            Ok(base.map(gix::Id::detach))
        })
    }

    /// How many commits can be reached from `to` but not from `from`.
    pub fn count_between(&self, from: Oid, to: Oid) -> Result<usize> {
        self.count(to, Some(from))
    }

    /// How many commits can be reached from `to`.
    pub fn count_all(&self, to: Oid) -> Result<usize> {
        self.count(to, None)
    }

    fn count(&self, to: Oid, hidden: Option<Oid>) -> Result<usize> {
        self.with(|repo| {
            let walk = repo.rev_walk([to]).with_hidden(hidden).all();
            let mut count = 0;
            for commit in walk.map_err(|error| unreadable(to, error))? {
                commit.map_err(|error| unreadable(to, error))?;
                count += 1;
            }
            Ok(count)
        })
    }
}
