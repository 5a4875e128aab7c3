//! No network, killed clones, deleted and damaged stores.

use crate::gitrepo::{World, commit_on, git, path_of};
use crate::http::{Fault, Server};
use crate::support::{on, packs, refs, run};
use std::process::Command;
use toft::git::GitError;
use toft::store::{Request, StoreError, store_key};

#[test]
fn without_network_a_warm_store_will_do_when_that_is_allowed() {
    let world = World::new();
    let (_, tip) = world.seeded("remote");
    let server = Server::start(&world.path(""));
    let url = server.url("remote");
    let cold = Request { offline: true, ..on(&url) };
    server.fault("remote", Fault::Drop);
    let error = run(&world, &cold).unwrap_err();
    assert!(matches!(error, StoreError::Git(GitError::Unreachable(_))), "{error}");
    server.heal();
    let online = run(&world, &cold).unwrap();
    assert!(!online.offline);
    server.fault("remote", Fault::Drop);
    let offline = run(&world, &cold).unwrap();
    assert!(offline.offline && offline.tip == Some(tip));
    assert_eq!((offline.branch, offline.default_branch), (online.branch, online.default_branch));
    let error = run(&world, &on(&url)).unwrap_err();
    assert!(matches!(error, StoreError::Git(GitError::Unreachable(_))), "{error}");
    let missing = Request { branch: Some("other"), ..cold };
    assert!(matches!(run(&world, &missing), Err(StoreError::NoSuchBranch { .. })));
}

#[test]
fn a_store_that_was_deleted_is_made_again() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    let first = run(&world, &on(&url)).unwrap();
    std::fs::remove_dir_all(&first.path).unwrap();
    let again = run(&world, &on(&url)).unwrap();
    assert_eq!(again, first);
    assert_eq!(refs(&again), ["refs/remotes/origin/main"]);
}

#[test]
fn a_store_whose_files_lost_their_content_is_made_again() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    let first = run(&world, &on(&url)).unwrap();
    for name in ["HEAD", "config"] {
        std::fs::write(first.path.join(name), "").unwrap();
        assert_eq!(run(&world, &on(&url)).unwrap(), first);
        assert_eq!(refs(&first), ["refs/remotes/origin/main"]);
    }
}

#[test]
fn what_power_loss_left_of_a_fetch_is_no_obstacle() {
    let world = World::new();
    let (url, tip) = world.seeded("remote");
    let store = run(&world, &on(&url)).unwrap();
    let single = store.path.join("refs/remotes/origin");
    std::fs::create_dir_all(&single).unwrap();
    let packs = store.path.join("objects/pack");
    let empty = [single.join("main"), single.join("other"), packs.join("pack-12.idx")];
    for leftover in &empty {
        std::fs::write(leftover, "").unwrap();
        assert_eq!(run(&world, &on(&url)).unwrap().tip, Some(tip), "{}", leftover.display());
    }
    std::fs::write(single.join("gone"), format!("{}\n", "1".repeat(40))).unwrap();
    let remote = path_of(&url);
    let next = commit_on(&remote, Some(tip), &[("more", "")], "more");
    git(&remote, &["update-ref", "refs/heads/main", &next.to_string()]);
    assert_eq!(run(&world, &on(&url)).unwrap().tip, Some(next));
    assert!(empty.iter().all(|leftover| !leftover.exists()));
    assert_eq!(refs(&store), ["refs/remotes/origin/main"]);
}

#[test]
fn what_a_killed_clone_left_is_no_obstacle() {
    let world = World::new();
    let (url, tip) = world.seeded("remote");
    let store = run(&world, &on(&url)).unwrap();
    let half_made =
        world.path("cache/stores").join(format!("{}.new", store_key(&url, Some(1), false)));
    std::fs::create_dir_all(half_made.join("objects")).unwrap();
    // Killed before any ref was written, while git held its locks.
    std::fs::remove_file(store.path.join("packed-refs")).unwrap();
    for left in [
        "packed-refs.lock",
        "shallow.lock",
        "HEAD.lock",
        "refs/remotes/origin/main.lock",
        "objects/pack/tmp_pack_abc",
    ] {
        let left = store.path.join(left);
        std::fs::create_dir_all(left.parent().unwrap()).unwrap();
        std::fs::write(left, "half").unwrap();
    }
    for depth in [None, Some(1)] {
        let again = run(&world, &Request { depth, ..on(&url) }).unwrap();
        assert_eq!(again.tip, Some(tip));
        assert_eq!(refs(&again), ["refs/remotes/origin/main"]);
        assert!(!packs(&again).iter().any(|path| path.to_string_lossy().contains("tmp_")));
    }
    assert!(!half_made.exists());
}

#[test]
fn the_locks_of_a_git_that_still_works_are_left_alone() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    let store = run(&world, &on(&url)).unwrap();
    std::fs::remove_file(store.path.join("packed-refs")).unwrap();
    let lock = store.path.join("shallow.lock");
    std::fs::write(&lock, "").unwrap();
    let mut orphan = Command::new("sleep").arg("600").current_dir(&store.path).spawn().unwrap();
    run(&world, &on(&url)).unwrap();
    assert!(lock.exists());
    orphan.kill().unwrap();
    orphan.wait().unwrap();
    std::fs::remove_file(store.path.join("packed-refs")).unwrap();
    run(&world, &on(&url)).unwrap();
    assert!(!lock.exists());
}

#[test]
fn a_tip_without_a_ref_is_not_believed_to_be_complete() {
    let world = World::new();
    let (url, tip) = world.seeded("remote");
    let store = run(&world, &on(&url)).unwrap();
    // As after a clone that was killed while it wrote loose objects: the commit, not its tree.
    let commit = git(&store.path, &["cat-file", "commit", &tip.to_string()]);
    std::fs::remove_dir_all(store.path.join("objects/pack")).unwrap();
    std::fs::create_dir(store.path.join("objects/pack")).unwrap();
    std::fs::remove_file(store.path.join("packed-refs")).unwrap();
    let file = world.path("commit");
    std::fs::write(&file, format!("{commit}\n")).unwrap();
    let written = git(&store.path, &["hash-object", "-t", "commit", "-w", file.to_str().unwrap()]);
    assert_eq!(written, tip.to_string());
    let again = run(&world, &on(&url)).unwrap();
    assert_eq!(refs(&again), ["refs/remotes/origin/main"]);
}

#[test]
fn nothing_of_the_remote_or_the_user_makes_a_store_run_programs() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    let canary = world.path("canary");
    world.hook("remote", "post-checkout", &format!("touch {}", canary.display()));
    let store = run(&world, &on(&url)).unwrap();
    let config = std::fs::read_to_string(store.path.join("config")).unwrap();
    assert!(config.contains("hooksPath = /dev/null") && config.contains("auto = 0"));
    assert!(!store.path.join("hooks").exists() && !canary.exists());
}
