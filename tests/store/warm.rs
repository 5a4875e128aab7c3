//! The first time and all the later ones.

use crate::gitrepo::{World, commit, git, path_of, rev};
use crate::http::Server;
use crate::support::{on, packs, refs, run};
use std::os::unix::fs::PermissionsExt;
use toft::store::{Request, StoreError};
use toft::types::HashKind;

#[test]
fn the_first_time_brings_all_branches_and_tags() {
    let world = World::new();
    let (url, tip) = world.seeded("remote");
    let remote = path_of(&url);
    git(&remote, &["branch", "feature/x", "main"]);
    git(&remote, &["tag", "-a", "-m", "one", "v1", "main"]);
    git(&remote, &["update-ref", "refs/pull/1/head", "main"]);
    let store = run(&world, &on(&url)).unwrap();
    assert_eq!((store.tip, store.offline), (Some(tip), false));
    assert_eq!(store.branch.as_deref(), Some("refs/heads/main"));
    assert_eq!(store.default_branch.as_deref(), Some("refs/heads/main"));
    let expected = ["refs/remotes/origin/feature/x", "refs/remotes/origin/main", "refs/tags/v1"];
    assert_eq!(refs(&store), expected);
    assert_eq!(std::fs::read_dir(store.path.join("refs")).unwrap().count(), 0);
    assert!(world.path("cache/CACHEDIR.TAG").exists());
    let mode = std::fs::metadata(world.path("cache/stores")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_warm_store_asks_once_and_fetches_nothing() {
    let world = World::new();
    world.seeded("remote");
    let server = Server::start(&world.path(""));
    let url = server.url("remote");
    let cold = run(&world, &on(&url)).unwrap();
    let asked = server.requests().len();
    let warm = run(&world, &on(&url)).unwrap();
    assert_eq!(warm, cold);
    let later = server.requests().split_off(asked);
    assert!(later.iter().all(|request| !request.contains("fetch")), "{later:?}");
    // Protocol 2: the capabilities, then the refs.
    assert!(later.len() <= 2, "{later:?}");
    assert_eq!(packs(&warm), packs(&cold));
}

#[test]
fn what_is_new_on_the_remote_is_fetched() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    run(&world, &on(&url)).unwrap();
    let work = world.checkout(&url, "work");
    let tip = commit(&work, &[("new", "file")], "second");
    git(&work, &["push", "-q", "origin", "main"]);
    assert_eq!(run(&world, &on(&url)).unwrap().tip, Some(tip));
}

#[test]
fn branches_that_come_and_go_are_followed_without_a_fetch_where_nothing_is_new() {
    let world = World::new();
    let (url, tip) = world.seeded("remote");
    let remote = path_of(&url);
    git(&remote, &["branch", "old", "main"]);
    let first = run(&world, &on(&url)).unwrap();
    git(&remote, &["branch", "-D", "old"]);
    git(&remote, &["branch", "old/new", "main"]);
    // A fetch would fail.
    std::fs::rename(remote.join("objects"), remote.join("away")).unwrap();
    std::fs::create_dir(remote.join("objects")).unwrap();
    let request = Request { branch: Some("old/new"), ..on(&url) };
    let store = run(&world, &request).unwrap();
    assert_eq!((store.tip, packs(&store)), (Some(tip), packs(&first)));
    assert_eq!(refs(&store), ["refs/remotes/origin/main", "refs/remotes/origin/old/new"]);
}

#[test]
fn a_branch_whose_name_becomes_a_folder_is_no_obstacle_to_a_fetch() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    git(&path_of(&url), &["branch", "a", "main"]);
    run(&world, &on(&url)).unwrap();
    git(&path_of(&url), &["branch", "-D", "a"]);
    let work = world.checkout(&url, "work");
    let tip = commit(&work, &[("x", "y")], "second");
    git(&work, &["push", "-q", "origin", "HEAD:refs/heads/a/b"]);
    let store = run(&world, &Request { branch: Some("a/b"), ..on(&url) }).unwrap();
    assert_eq!(store.tip, Some(tip));
    assert_eq!(refs(&store), ["refs/remotes/origin/a/b", "refs/remotes/origin/main"]);
}

#[test]
fn history_that_was_rewritten_is_followed() {
    let world = World::new();
    let (url, old) = world.seeded("remote");
    run(&world, &on(&url)).unwrap();
    let work = world.checkout(&url, "work");
    git(&work, &["commit", "-q", "--amend", "-m", "other"]);
    let new = rev(&work, "HEAD");
    git(&work, &["push", "-q", "-f", "origin", "main"]);
    let store = run(&world, &on(&url)).unwrap();
    assert_eq!(store.tip, Some(new));
    // A workspace may still stand on the old one.
    git(&store.path, &["cat-file", "-e", &old.to_string()]);
}

#[test]
fn sha256_is_found_out() {
    let world = World::new();
    let url = world.bare("remote", &["--object-format=sha256"]);
    let empty = run(&world, &on(&url)).unwrap();
    assert_eq!((empty.hash, empty.tip), (HashKind::Sha256, None));
    // (git 2.39 makes a SHA-1 repository when it clones an empty one.)
    git(&world.path(""), &["init", "-q", "--object-format=sha256", "work"]);
    let work = world.path("work");
    let tip = commit(&work, &[("a", "b")], "first");
    git(&work, &["push", "-q", &url, "HEAD:refs/heads/main"]);
    assert_eq!(run(&world, &on(&url)).unwrap().tip, Some(tip));
}

#[test]
fn a_remote_that_was_made_anew_with_another_hash_is_told() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    run(&world, &on(&url)).unwrap();
    std::fs::remove_dir_all(path_of(&url)).unwrap();
    world.bare("remote", &["--object-format=sha256"]);
    let error = run(&world, &on(&url)).unwrap_err();
    assert!(matches!(error, StoreError::HashChanged { .. }), "{error}");
}

#[test]
fn a_shallow_store_is_another_one_and_holds_one_branch() {
    let world = World::new();
    let (url, first) = world.seeded("remote");
    let work = world.checkout(&url, "work");
    let tip = commit(&work, &[("a", "b")], "second");
    git(&work, &["push", "-q", "origin", "main", "HEAD:refs/heads/other"]);
    let full = run(&world, &on(&url)).unwrap();
    let request = Request { depth: Some(1), ..on(&url) };
    let shallow = run(&world, &request).unwrap();
    assert!(shallow.path != full.path && shallow.tip == Some(tip));
    assert_eq!(refs(&shallow), ["refs/remotes/origin/main"]);
    assert_eq!(git(&shallow.path, &["rev-list", "--count", "origin/main"]), "1");
    assert_eq!(std::fs::read_to_string(shallow.path.join("shallow")).unwrap(), format!("{tip}\n"));
    // Again: nothing to do. A new tip: cut off there again.
    assert_eq!(packs(&run(&world, &request).unwrap()), packs(&shallow));
    let tip = commit(&work, &[("a", "c")], "third");
    git(&work, &["push", "-q", "origin", "main"]);
    assert_eq!(run(&world, &request).unwrap().tip, Some(tip));
    // A commit by its id needs no more history either.
    let id = first.to_string();
    let at = Request { at: Some(&id), ..request };
    assert_eq!(run(&world, &at).unwrap().tip, Some(first));
}

#[test]
fn two_at_once_share_one_clone() {
    let world = World::new();
    let (url, tip) = world.seeded("remote");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(run(&world, &on(&url)).unwrap().tip, Some(tip)));
        }
    });
    assert_eq!(
        packs(&run(&world, &on(&url)).unwrap())
            .iter()
            .filter(|p| p.extension().unwrap() == "pack")
            .count(),
        1
    );
}
