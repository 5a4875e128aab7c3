use crate::gitrepo::{World, commit_on, git, path_of, rev};
use crate::http::{Fault, Server};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use toft::git::{FetchOptions, Git, GitError, PushResult, PushUpdate};
use toft::types::Oid;

struct Pair {
    world: World,
    url: String,
    gitdir: PathBuf,
    base: Oid,
}

/// A remote with one commit, and a git directory that has it.
fn pair() -> Pair {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let gitdir = world.gitdir("w.git");
    let spec = ["+refs/heads/main:refs/remotes/origin/main".to_owned()];
    Git::new(&gitdir, None).fetch(&url, &spec, &FetchOptions::default()).unwrap();
    Pair { world, url, gitdir, base }
}

fn update(new: Oid, expected: Option<Oid>) -> [PushUpdate; 1] {
    [PushUpdate { new, refname: "refs/heads/main".to_owned(), expected }]
}

#[test]
fn a_push_moves_the_ref_once_and_saying_it_again_is_fine() {
    let Pair { url, gitdir, base, world: _world } = pair();
    let remote = Git::new(&gitdir, None);
    let new = commit_on(&gitdir, Some(base), &[("a", "1")], "new");
    assert_eq!(remote.push(&url, &update(new, Some(base))).unwrap(), [PushResult::Ok]);
    assert_eq!(rev(&path_of(&url), "main"), new);
    assert_eq!(remote.push(&url, &update(new, Some(base))).unwrap(), [PushResult::UpToDate]);
}

#[test]
fn a_remote_that_moved_is_a_race_and_keeps_its_commit() {
    let Pair { url, gitdir, base, world: _world } = pair();
    let remote = Git::new(&gitdir, None);
    let theirs = commit_on(&path_of(&url), Some(base), &[("b", "2")], "theirs");
    git(&path_of(&url), &["update-ref", "refs/heads/main", &theirs.to_string()]);
    let ours = commit_on(&gitdir, Some(base), &[("a", "1")], "ours");
    assert_eq!(remote.push(&url, &update(ours, Some(base))).unwrap(), [PushResult::Race]);
    assert_eq!(remote.push(&url, &update(ours, None)).unwrap(), [PushResult::Race]);
    assert_eq!(rev(&path_of(&url), "main"), theirs);
}

#[test]
fn a_ref_locked_on_the_server_is_a_race() {
    let Pair { url, gitdir, base, world: _world } = pair();
    std::fs::write(path_of(&url).join("refs/heads/main.lock"), "").unwrap();
    let ours = commit_on(&gitdir, Some(base), &[("a", "1")], "ours");
    let result = Git::new(&gitdir, None).push(&url, &update(ours, Some(base))).unwrap();
    assert_eq!(result, [PushResult::Race]);
}

#[test]
fn many_refs_move_together_or_not_at_all() {
    let Pair { url, gitdir, base, world: _world } = pair();
    let ours = commit_on(&gitdir, Some(base), &[("a", "1")], "ours");
    let mut updates = update(ours, Some(base)).to_vec();
    updates.push(PushUpdate {
        new: ours,
        refname: "refs/heads/other".to_owned(),
        expected: Some(base),
    });
    let results = Git::new(&gitdir, None).push(&url, &updates).unwrap();
    assert_eq!(results, [PushResult::Race, PushResult::Race]);
    assert_eq!(rev(&path_of(&url), "main"), base);
    updates[1].expected = None;
    let results = Git::new(&gitdir, None).push(&url, &updates).unwrap();
    assert_eq!(results, [PushResult::Ok, PushResult::Ok]);
}

#[test]
fn a_server_without_atomic_pushes_still_takes_one_ref() {
    let Pair { url, gitdir, base, world: _world } = pair();
    git(&path_of(&url), &["config", "receive.advertiseAtomic", "false"]);
    let ours = commit_on(&gitdir, Some(base), &[("a", "1")], "ours");
    let results = Git::new(&gitdir, None).push(&url, &update(ours, Some(base))).unwrap();
    assert_eq!(results, [PushResult::Ok]);
}

#[test]
fn a_hooks_refusal_comes_with_its_message_and_without_its_escapes() {
    let Pair { world, url, gitdir, base } = pair();
    world.hook(
        "remote.git",
        "pre-receive",
        "printf '\\033[31mno pushes\\033[0m on Friday\\n' >&2; exit 1",
    );
    let ours = commit_on(&gitdir, Some(base), &[("a", "1")], "ours");
    let results = Git::new(&gitdir, None).push(&url, &update(ours, Some(base))).unwrap();
    let expected = "pre-receive hook declined: no pushes on Friday".to_owned();
    assert_eq!(results, [PushResult::Refused(expected)]);
    assert_eq!(rev(&path_of(&url), "main"), base);
}

#[test]
fn a_hook_that_sleeps_is_left_at_the_deadline() {
    let Pair { world, url, gitdir, base } = pair();
    world.hook("remote.git", "pre-receive", "exec sleep 30");
    let ours = commit_on(&gitdir, Some(base), &[("a", "1")], "ours");
    let start = Instant::now();
    let remote = Git::new(&gitdir, None).timeout(Some(Duration::from_millis(700)));
    let error = remote.push(&url, &update(ours, Some(base))).unwrap_err();
    assert!(matches!(error, GitError::Timeout { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_lost_answer_is_an_error_and_the_remote_tells_the_truth() {
    let Pair { world, gitdir, base, .. } = pair();
    let server = Server::start(&world.path(""));
    let url = server.url("remote.git");
    let remote = Git::new(&gitdir, None);
    let ours = commit_on(&gitdir, Some(base), &[("a", "1")], "ours");
    server.fault("git-receive-pack", Fault::Drop);
    let error = remote.push(&url, &update(ours, Some(base))).unwrap_err();
    assert!(matches!(error, GitError::Unreachable(_)), "{error}");
    server.fault("/git-receive-pack", Fault::LoseReply);
    let error = remote.push(&url, &update(ours, Some(base))).unwrap_err();
    assert!(matches!(error, GitError::Unreachable(_)), "{error}");
    server.heal();
    let found = remote.ls_refs(&url, "refs/heads/main").unwrap();
    assert_eq!(found.get("refs/heads/main"), Some(ours), "it had its effect");
    assert_eq!(remote.push(&url, &update(ours, Some(base))).unwrap(), [PushResult::UpToDate]);
}
