use crate::gitrepo::{World, commit, git, path_of, rev};
use toft::git::{Depth, FetchOptions, Git};

const MAIN: &str = "+refs/heads/main:refs/remotes/origin/main";

fn fetch(remote: &Git, url: &str, depth: Depth) {
    let options = FetchOptions { depth, ..FetchOptions::default() };
    remote.fetch(url, &[MAIN.to_owned()], &options).unwrap();
}

#[test]
fn history_can_be_fetched_short_longer_and_whole() {
    let world = World::new();
    let (url, _) = world.seeded("remote.git");
    let seed = world.path("remote.git-seed");
    for count in 0..9 {
        commit(&seed, &[("file", &count.to_string())], "more");
    }
    git(&seed, &["push", "-q", "origin", "HEAD:main"]);
    let gitdir = world.gitdir("w.git");
    let remote = Git::new(&gitdir, None);
    let count = || git(&gitdir, &["rev-list", "--count", "refs/remotes/origin/main"]);
    fetch(&remote, &url, Depth::Commits(1));
    assert_eq!(count(), "1");
    fetch(&remote, &url, Depth::Deepen(3));
    assert_eq!(count(), "4");
    fetch(&remote, &url, Depth::Unshallow);
    assert_eq!(count(), "10");
}

#[test]
fn a_small_fetch_comes_as_one_pack_and_brings_no_tags() {
    let world = World::new();
    let (url, tip) = world.seeded("remote.git");
    git(&path_of(&url), &["tag", "v1", "main"]);
    let gitdir = world.gitdir("w.git");
    fetch(&Git::new(&gitdir, None), &url, Depth::Default);
    assert_eq!(rev(&gitdir, "refs/remotes/origin/main"), tip);
    assert!(git(&gitdir, &["tag"]).is_empty());
    let counts = git(&gitdir, &["count-objects", "-v"]);
    assert!(counts.contains("count: 0\n") && counts.contains("packs: 1\n"), "{counts}");
    assert!(!gitdir.join("FETCH_HEAD").exists());
}

#[test]
fn nothing_in_the_git_directory_is_run() {
    let world = World::new();
    let (url, _) = world.seeded("remote.git");
    let gitdir = world.gitdir("w.git");
    let canary = world.path("canary");
    let touch = format!("touch {}", canary.display());
    for hook in ["reference-transaction", "post-index-change", "pre-push", "pre-auto-gc"] {
        world.hook("w.git", hook, &touch);
    }
    git(&gitdir, &["config", "core.fsmonitor", &touch]);
    git(&gitdir, &["config", "gc.auto", "1"]);
    let canary_before = canary.exists();
    let _ = std::fs::remove_file(&canary);
    let remote = Git::new(&gitdir, None);
    fetch(&remote, &url, Depth::Default);
    assert!(!canary.exists(), "a hook ran (git itself ran one: {canary_before})");
}
