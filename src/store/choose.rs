//! What of a remote is meant. Pure: what the remote says in, a choice out.

use super::near::near;
use super::{Result, StoreError};
use crate::git::LsRemote;
use crate::types::Oid;

const HEADS: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
/// The branch of a repository that says nothing about its own.
const FIRST_BRANCH: &str = "refs/heads/main";

/// What is to be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// A branch (full name) and its tip; None when it has no commit yet.
    Branch(String, Option<Oid>),
    /// A tag (full name) and the object that it names.
    Tag(String, Oid),
}

/// The branch (or tag) `wanted`, else the remote's own.
pub(super) fn choose(remote: &LsRemote, wanted: Option<&str>) -> Result<Choice> {
    let branches = || remote.refs.iter().filter_map(|(name, _)| name.strip_prefix(HEADS));
    match wanted {
        Some(name) => {
            let short = name.strip_prefix(HEADS).unwrap_or(name);
            if let Some(found) = named(remote, short, name) {
                return Ok(found);
            }
            // The first commit of an empty repository may go to any branch.
            if remote.refs.is_empty() && is_branch_name(short) {
                return Ok(Choice::Branch(format!("{HEADS}{short}"), None));
            }
            Err(StoreError::NoSuchBranch { name: short.to_owned(), near: near(short, branches()) })
        }
        None => default_branch(remote)
            .ok_or_else(|| StoreError::NoDefaultBranch { near: near("main", branches()) }),
    }
}

/// The branch or tag of this name.
pub(super) fn named(remote: &LsRemote, short: &str, full: &str) -> Option<Choice> {
    let branch = format!("{HEADS}{short}");
    if let Some(tip) = remote.get(&branch) {
        return Some(Choice::Branch(branch, Some(tip)));
    }
    let tag = format!("{TAGS}{}", full.strip_prefix(TAGS).unwrap_or(short));
    remote.get(&tag).map(|oid| Choice::Tag(tag, oid))
}

fn default_branch(remote: &LsRemote) -> Option<Choice> {
    let branch =
        |name: &str| remote.get(name).map(|tip| Choice::Branch(name.to_owned(), Some(tip)));
    let heads: Vec<&str> = remote
        .refs
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.starts_with(HEADS))
        .collect();
    if let Some(found) = remote.head.as_deref().and_then(branch) {
        return Some(found);
    }
    match heads.as_slice() {
        [] => {
            let head = remote.head.as_deref().filter(|head| head.starts_with(HEADS));
            Some(Choice::Branch(head.unwrap_or(FIRST_BRANCH).to_owned(), None))
        }
        [only] => branch(only),
        _ => branch(FIRST_BRANCH).or_else(|| branch("refs/heads/master")),
    }
}

/// git-check-ref-format(1), for a name below `refs/heads/`.
fn is_branch_name(name: &str) -> bool {
    let strange = |char: char| char.is_control() || " ~^:?*[\\".contains(char);
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with(".lock")
            && !part.ends_with('.')
    };
    !name.starts_with('-')
        && name != "@"
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(strange)
        && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::HashKind;

    fn oid(byte: u8) -> Oid {
        Oid::from_bytes_or_panic(&[byte; 20])
    }

    fn remote(head: Option<&str>, names: &[&str]) -> LsRemote {
        let refs = (1..).zip(names).map(|(byte, name)| ((*name).to_owned(), oid(byte)));
        LsRemote { head: head.map(str::to_owned), refs: refs.collect(), hash: HashKind::Sha1 }
    }

    fn branch(name: &str, byte: u8) -> Choice {
        Choice::Branch(name.to_owned(), Some(oid(byte)))
    }

    #[test]
    fn without_a_wish_the_remote_decides() {
        let names = ["refs/heads/a", "refs/heads/trunk", "refs/tags/v1"];
        let found = choose(&remote(Some("refs/heads/trunk"), &names), None).unwrap();
        assert_eq!(found, branch("refs/heads/trunk", 2));
    }

    #[test]
    fn a_head_that_points_nowhere_is_helped() {
        let gone = Some("refs/heads/gone");
        assert_eq!(
            choose(&remote(gone, &["refs/heads/a"]), None).unwrap(),
            branch("refs/heads/a", 1)
        );
        let two = remote(gone, &["refs/heads/a", "refs/heads/main"]);
        assert_eq!(choose(&two, None).unwrap(), branch("refs/heads/main", 2));
        let neither = remote(None, &["refs/heads/a", "refs/heads/b"]);
        let error = choose(&neither, None).unwrap_err().to_string();
        assert!(error.contains("-b") && error.contains("a, b"), "{error}");
    }

    #[test]
    fn an_empty_repository_has_the_branch_that_its_head_names() {
        let unborn = |name: &str| Choice::Branch(name.to_owned(), None);
        assert_eq!(choose(&remote(None, &[]), None).unwrap(), unborn("refs/heads/main"));
        let trunk = remote(Some("refs/heads/trunk"), &[]);
        assert_eq!(choose(&trunk, None).unwrap(), unborn("refs/heads/trunk"));
        assert_eq!(choose(&trunk, Some("x/y")).unwrap(), unborn("refs/heads/x/y"));
        for bad in ["-x", "a..b", "a b", "x.lock", "", "a//b", "@", ".x", "a\u{7f}"] {
            assert!(choose(&trunk, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wish_may_be_a_branch_or_a_tag_in_short_or_in_full() {
        let all = remote(None, &["refs/heads/v1", "refs/tags/v1", "refs/tags/v2"]);
        assert_eq!(choose(&all, Some("v1")).unwrap(), branch("refs/heads/v1", 1));
        assert_eq!(choose(&all, Some("refs/heads/v1")).unwrap(), branch("refs/heads/v1", 1));
        let tag = |name: &str, byte| Choice::Tag(name.to_owned(), oid(byte));
        assert_eq!(choose(&all, Some("refs/tags/v1")).unwrap(), tag("refs/tags/v1", 2));
        assert_eq!(choose(&all, Some("v2")).unwrap(), tag("refs/tags/v2", 3));
    }

    #[test]
    fn a_branch_that_is_missing_is_told_with_what_may_be_meant() {
        let all = remote(None, &["refs/heads/main", "refs/heads/develop"]);
        let error = choose(&all, Some("mian")).unwrap_err().to_string();
        assert!(error.contains("'mian'") && error.contains("it has: main"), "{error}");
    }
}
