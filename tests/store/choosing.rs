//! Branches, tags, commits, and what is none.

use crate::gitrepo::{World, commit, git, path_of, rev};
use crate::support::{on, refs, run};
use std::path::Path;
use toft::git::GitError;
use toft::store::{Request, Source, StoreError};

#[test]
fn an_empty_remote_has_a_branch_and_no_commit() {
    let world = World::new();
    let url = world.bare("remote", &["--initial-branch=trunk"]);
    let store = run(&world, &on(&url)).unwrap();
    assert_eq!((store.branch.as_deref(), store.tip), (Some("refs/heads/trunk"), None));
    let other = run(&world, &Request { branch: Some("topic"), ..on(&url) }).unwrap();
    assert_eq!((other.branch.as_deref(), other.tip), (Some("refs/heads/topic"), None));
}

#[test]
fn a_branch_that_is_missing_is_told_with_those_that_are_there() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    let error = run(&world, &Request { branch: Some("mian"), ..on(&url) }).unwrap_err();
    assert_eq!(error.to_string(), "the remote has no branch 'mian'; it has: main");
}

#[test]
fn a_tag_is_a_commit_and_no_branch() {
    let world = World::new();
    let (url, tip) = world.seeded("remote");
    git(&path_of(&url), &["tag", "-a", "-m", "one", "v1", "main"]);
    for request in [
        Request { branch: Some("v1"), ..on(&url) },
        Request { at: Some("v1"), ..on(&url) },
        Request { at: Some("v1"), depth: Some(1), ..on(&url) },
    ] {
        let store = run(&world, &request).unwrap();
        assert_eq!((store.branch.as_deref(), store.tip), (None, Some(tip)));
    }
}

#[test]
fn a_commit_is_found_by_all_that_names_it() {
    let world = World::new();
    let (url, first) = world.seeded("remote");
    let work = world.checkout(&url, "work");
    let second = commit(&work, &[("a", "b")], "second");
    git(&work, &["push", "-q", "origin", "main"]);
    let full = first.to_string();
    for spec in [&full[..], &full[..8], "main~1", "HEAD~1", "origin/main^"] {
        let store = run(&world, &Request { at: Some(spec), ..on(&url) }).unwrap();
        assert_eq!(store.tip, Some(first), "{spec}");
    }
    let head = run(&world, &Request { at: Some("HEAD"), ..on(&url) }).unwrap();
    assert_eq!(head.tip, Some(second));
}

#[test]
fn a_commit_that_came_to_another_branch_since_is_found() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    run(&world, &on(&url)).unwrap();
    let work = world.checkout(&url, "work");
    let side = commit(&work, &[("a", "b")], "side");
    git(&work, &["push", "-q", "origin", "HEAD:refs/heads/side"]);
    let short = &side.to_string()[..10];
    let store = run(&world, &Request { at: Some(short), ..on(&url) }).unwrap();
    assert_eq!(store.tip, Some(side));
}

#[test]
fn a_commit_that_no_branch_has_any_more_is_fetched_by_its_id() {
    let world = World::new();
    let (url, lost) = world.seeded("remote");
    let work = world.checkout(&url, "work");
    git(&work, &["commit", "-q", "--amend", "-m", "other"]);
    git(&work, &["push", "-q", "-f", "origin", "main"]);
    git(&path_of(&url), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let at = lost.to_string();
    let store = run(&world, &Request { at: Some(&at), ..on(&url) }).unwrap();
    assert_eq!(store.tip, Some(lost));
    assert!(refs(&store).contains(&format!("refs/toft/keep/{lost}")));
    // And when a workspace stands on it and the store was deleted.
    std::fs::remove_dir_all(world.path("cache")).unwrap();
    let needs = [lost, rev(&work, "HEAD")];
    let store = run(&world, &Request { needs: &needs, ..on(&url) }).unwrap();
    git(&store.path, &["cat-file", "-e", &format!("{lost}^{{tree}}")]);
}

#[test]
fn a_commit_that_is_nowhere_is_told() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    for spec in ["1".repeat(40), "nothing".to_owned(), "main~99".to_owned(), "abcdef".to_owned()] {
        for depth in [None, Some(1)] {
            let error = run(&world, &Request { at: Some(&spec), depth, ..on(&url) }).unwrap_err();
            assert!(matches!(&error, StoreError::NoSuchCommit(told) if *told == spec), "{error}");
        }
    }
}

#[test]
fn a_relative_path_is_a_source() {
    let world = World::new();
    let (_, tip) = world.seeded("remote");
    let source = Source::parse("./remote#main", &world.path(""), None).unwrap();
    let request = Request { branch: source.reference.as_deref(), ..on(&source.url) };
    let store = run(&world, &request).unwrap();
    assert_eq!(store.tip, Some(tip));
    assert!(Path::new(&source.url).is_absolute());
}

#[test]
fn what_is_no_repository_is_told() {
    let world = World::new();
    std::fs::create_dir(world.path("plain")).unwrap();
    let url = world.path("plain").display().to_string();
    let error = run(&world, &on(&url)).unwrap_err();
    assert!(matches!(error, StoreError::Git(GitError::NoSuchRepository(_))), "{error}");
    assert!(!world.path("cache").exists());
}
