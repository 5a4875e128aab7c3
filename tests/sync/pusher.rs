use crate::gitrepo::{World, commit_on, git, path_of, rev, try_git};
use crate::site::{MAIN, Site, files, parents};
use toft::git::Depth;
use toft::sync::{Conflicting, Known, PushOutcome};
use toft::sys::{Disk, Reason};
use toft::types::Oid;

/// Moves `main` of the remote by somebody else.
fn others_push(url: &str, parent: Option<Oid>, files: &[(&str, &str)]) -> Oid {
    let path = path_of(url);
    let theirs = commit_on(&path, parent, files, &format!("others {files:?}"));
    git(&path, &["update-ref", MAIN, &theirs.to_string()]);
    theirs
}

fn main_of(url: &str) -> Oid {
    rev(&path_of(url), MAIN)
}

fn fsck(url: &str) {
    let output = try_git(&path_of(url), &["fsck", "--strict"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_commit_is_pushed_and_then_there_is_nothing_to_do() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    assert!(site.push().is_empty());
    let ours = site.commit(Some(base), &[("a", "1")]);
    let before = site.disk.counts();
    assert_eq!(site.pushed(), ours);
    let after = site.disk.counts();
    assert_eq!(after.files(Reason::Outbox) - before.files(Reason::Outbox), 2);
    assert_eq!(after.dirs(Reason::Outbox) - before.dirs(Reason::Outbox), 2);
    assert_eq!(main_of(&url), ours);
    assert_eq!(rev(&site.gitdir, "refs/remotes/origin/main"), ours);
    assert!(site.idle() && site.push().is_empty());
}

#[test]
fn many_commits_are_one_push_and_all_arrive() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    let mut tip = base;
    for number in 0..10 {
        tip = site.commit(Some(tip), &[("a", &number.to_string())]);
    }
    assert_eq!(site.pushed(), tip);
    assert_eq!(git(&path_of(&url), &["rev-list", "--count", MAIN]), "11");
}

#[test]
fn a_remote_that_moved_gets_a_merge_of_both_sides() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    let ours = site.commit(Some(base), &[("README", "one\nours\n"), ("a", "1")]);
    let theirs = others_push(&url, Some(base), &[("b", "2")]);
    let tip = site.pushed();
    assert_eq!(main_of(&url), tip);
    let remote = path_of(&url);
    assert_eq!(parents(&remote, tip), format!("{ours} {theirs}"));
    assert_eq!(files(&remote, tip), ["README", "a", "b"]);
    let oracle =
        git(&remote, &["merge-tree", "--write-tree", &ours.to_string(), &theirs.to_string()]);
    assert_eq!(git(&remote, &["rev-parse", &format!("{tip}^{{tree}}")]), oracle);
    let message = git(&remote, &["show", "-s", "--format=%B", &tip.to_string()]);
    assert_eq!(
        message.trim(),
        "Merge remote-tracking branch 'origin/main'\n\nToft-Workspace: w-agit"
    );
    fsck(&url);
    // Work goes on from our commit, before the merge was brought home: still nothing is lost.
    let more = site.commit(Some(ours), &[("c", "3")]);
    let tip = site.pushed();
    assert_eq!(parents(&remote, tip), format!("{more} {}", main_before(&remote, tip)));
    assert_eq!(files(&remote, tip), ["README", "a", "b", "c"]);
    // And from the merge.
    site.outbox().adopt(MAIN, tip).unwrap();
    let next = site.commit(Some(tip), &[("d", "4")]);
    assert_eq!(site.pushed(), next);
}

fn main_before(remote: &std::path::Path, tip: Oid) -> String {
    git(remote, &["rev-parse", &format!("{tip}^2")])
}

#[test]
fn a_commit_that_the_remote_has_already_is_not_pushed_again() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    let ours = site.commit(Some(base), &[("a", "1")]);
    // As when we were killed after the push, and others went on.
    git(&site.gitdir, &["push", "-q", &url, &format!("{ours}:{MAIN}")]);
    let theirs = others_push(&url, Some(ours), &[("b", "2")]);
    assert_eq!(site.pushed(), theirs, "the caller learns where the remote is");
    assert_eq!(main_of(&url), theirs);
}

#[test]
fn a_conflict_goes_to_a_side_branch_and_nothing_of_either_side_is_lost() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    let ours = site.commit(Some(base), &[("README", "ours\n"), ("fine", "1")]);
    let theirs = others_push(&url, Some(base), &[("README", "theirs\n")]);
    let side = "refs/heads/toft/conflict/w-agit/1";
    let conflict = |ours: Oid, theirs: Oid| match site.push_one() {
        PushOutcome::Conflict { branch, theirs: at, why: Conflicting::Paths(paths) } => {
            assert_eq!((branch.as_str(), at), (side, theirs));
            assert_eq!(paths.iter().map(|path| &path.path[..]).collect::<Vec<_>>(), [b"README"]);
            assert_eq!(main_of(&url), theirs);
            assert_eq!(rev(&path_of(&url), side), ours);
        }
        other => panic!("{other:?}"),
    };
    conflict(ours, theirs);
    let state = site.outbox().states().unwrap().remove(0);
    assert_eq!(state.conflict.unwrap().paths, [b"README"]);
    assert!(site.idle(), "it is safe on the remote");
    // Asked again, it is tried again; more commits go to the same side branch.
    conflict(ours, theirs);
    let more = site.commit(Some(ours), &[("more", "2")]);
    conflict(more, theirs);
    assert_eq!(git(&path_of(&url), &["for-each-ref", "refs/heads/toft"]).lines().count(), 1);
    // The user resolves it, as git has it.
    let tree = git(&site.gitdir, &["rev-parse", &format!("{more}^{{tree}}")]);
    let (more_text, theirs_text) = (more.to_string(), theirs.to_string());
    let resolved = git(
        &site.gitdir,
        &["commit-tree", "-m", "resolved", "-p", &more_text, "-p", &theirs_text, &tree],
    );
    let resolved = crate::gitrepo::oid(&resolved);
    assert!(site.outbox().ensure(MAIN, resolved, toft::types::Seq(9)).unwrap());
    assert_eq!(site.pushed(), resolved);
    assert_eq!(site.outbox().states().unwrap()[0].conflict, None);
    fsck(&url);
}

#[test]
fn conflicts_of_two_branches_get_numbers_of_their_own() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    git(&path_of(&url), &["update-ref", "refs/heads/dev", &base.to_string()]);
    let site = Site::new(&world, "a.git", &url);
    let dev = "refs/heads/dev";
    site.outbox().register(dev, Known::At(base), Some(base)).unwrap();
    site.commit(Some(base), &[("README", "ours\n")]);
    site.commit_to(dev, Some(base), &[("README", "ours too\n")]);
    let theirs = others_push(&url, Some(base), &[("README", "theirs\n")]);
    git(&path_of(&url), &["update-ref", dev, &theirs.to_string()]);
    let branches: std::collections::BTreeSet<_> = site
        .push()
        .into_iter()
        .map(|pushed| match pushed.outcome {
            PushOutcome::Conflict { branch, .. } => branch,
            other => panic!("{other:?}"),
        })
        .collect();
    let prefix = "refs/heads/toft/conflict/w-agit";
    assert_eq!(
        branches.into_iter().collect::<Vec<_>>(),
        [format!("{prefix}/1"), format!("{prefix}/2")]
    );
}

#[test]
fn history_that_was_rewritten_here_is_never_forced_on_the_remote() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    let first = site.commit(Some(base), &[("a", "1")]);
    assert_eq!(site.pushed(), first);
    let amended = site.commit(Some(base), &[("a", "2")]);
    match site.push_one() {
        PushOutcome::Conflict { branch, theirs, why: Conflicting::Rewritten } => {
            assert_eq!(theirs, first);
            assert_eq!(rev(&path_of(&url), &branch), amended);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(main_of(&url), first);
}

#[test]
fn unrelated_history_on_the_remote_is_a_conflict() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    let ours = site.commit(Some(base), &[("a", "1")]);
    let theirs = others_push(&url, None, &[("z", "26")]);
    let outcome = site.push_one();
    assert!(
        matches!(outcome, PushOutcome::Conflict { why: Conflicting::Unrelated, .. }),
        "{outcome:?}"
    );
    assert_eq!(main_of(&url), theirs);
    assert_eq!(rev(&path_of(&url), "refs/heads/toft/conflict/w-agit/1"), ours);
}

#[test]
fn two_first_commits_of_an_empty_repository_become_one_history() {
    let world = World::new();
    let url = world.bare("remote.git", &[]);
    let (a, b) = (Site::new(&world, "a.git", &url), Site::new(&world, "b.git", &url));
    let first = a.commit(None, &[("a", "1")]);
    let second = b.commit(None, &[("b", "2")]);
    assert_eq!(a.pushed(), first);
    let tip = b.pushed();
    assert_eq!(parents(&path_of(&url), tip), format!("{second} {first}"));
    assert_eq!(files(&path_of(&url), tip), ["a", "b"]);
}

#[test]
fn a_branch_that_was_deleted_on_the_remote_comes_back_with_our_commit() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    git(&path_of(&url), &["update-ref", "-d", MAIN]);
    let ours = site.commit(Some(base), &[("a", "1")]);
    assert_eq!(site.pushed(), ours);
    assert_eq!(main_of(&url), ours);
}

#[test]
fn a_new_branch_is_made_and_one_that_appeared_meanwhile_is_merged() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    for (name, theirs) in [("refs/heads/x", false), ("refs/heads/y", true)] {
        site.outbox().register(name, Known::Absent, Some(base)).unwrap();
        let ours = site.commit_to(name, Some(base), &[("a", name)]);
        if theirs {
            let theirs = commit_on(&path_of(&url), Some(base), &[("b", "2")], "theirs");
            git(&path_of(&url), &["update-ref", name, &theirs.to_string()]);
            assert_eq!(parents(&path_of(&url), site.pushed()), format!("{ours} {theirs}"));
        } else {
            assert_eq!(site.pushed(), ours);
        }
    }
    let message = git(&path_of(&url), &["show", "-s", "--format=%s", "refs/heads/y"]);
    assert_eq!(message, "Merge remote-tracking branch 'origin/y' into y");
}

#[test]
fn a_ref_that_was_never_registered_is_looked_at_first() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    let theirs = commit_on(&path_of(&url), Some(base), &[("b", "2")], "theirs");
    git(&path_of(&url), &["update-ref", "refs/heads/dev", &theirs.to_string()]);
    let ours = site.commit_to("refs/heads/dev", Some(base), &[("a", "1")]);
    assert_eq!(parents(&path_of(&url), site.pushed()), format!("{ours} {theirs}"));
}

#[test]
fn a_shallow_workspace_fetches_the_history_that_a_merge_needs() {
    let world = World::new();
    let (url, root) = world.seeded("remote.git");
    let mut tip = root;
    for number in 0..5 {
        tip = others_push(&url, Some(tip), &[("file", &number.to_string())]);
    }
    let site = Site::with_depth(&world, "a.git", &url, Depth::Commits(1));
    let ours = site.commit(Some(tip), &[("a", "1")]);
    // The remote went back to the root, and on from there.
    let theirs = others_push(&url, Some(root), &[("b", "2")]);
    let merged = site.pushed();
    assert_eq!(parents(&path_of(&url), merged), format!("{ours} {theirs}"));
    assert_eq!(files(&path_of(&url), merged), ["README", "a", "b", "file"]);
    fsck(&url);
}

#[test]
fn a_shallow_workspace_pushes_and_merges_without_more_history() {
    let world = World::new();
    let (url, root) = world.seeded("remote.git");
    let tip = others_push(&url, Some(root), &[("file", "1")]);
    let site = Site::with_depth(&world, "a.git", &url, Depth::Commits(1));
    let ours = site.commit(Some(tip), &[("a", "1")]);
    assert_eq!(site.pushed(), ours);
    let next = site.commit(Some(ours), &[("a", "2")]);
    let theirs = others_push(&url, Some(ours), &[("b", "2")]);
    assert_eq!(parents(&path_of(&url), site.pushed()), format!("{next} {theirs}"));
    assert!(site.gitdir.join("shallow").exists(), "nobody asked for all of it");
    fsck(&url);
}
