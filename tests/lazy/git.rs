//! Stock git in such a mount, and what toft commits and pushes from it.

use crate::gitrepo::{self, git};
use crate::support::Host;
use crate::world::{FILES, World, umount};
use std::fs;

#[test]
fn git_in_the_mount_brings_what_it_needs() {
    let Some(world) = World::new("git_in_the_mount_brings_what_it_needs") else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    let shown = host.git(&dir, &["show", "HEAD:e/f/f2"]);
    assert_eq!(shown, fs::read_to_string(world.checkout.join("e/f/f2")).unwrap().trim_end());
    // A version that no file of the mount has.
    assert_eq!(host.git(&dir, &["show", "HEAD^:a/f3"]).lines().count(), 22);
    fs::write(dir.join("d/f1"), "changed\n").unwrap();
    let diff = host.git(&dir, &["diff"]);
    assert!(diff.contains("+changed") && diff.contains("-file 1 of folder 4"), "{diff}");
    assert_eq!(host.git(&dir, &["status", "--porcelain"]), " M d/f1");
    umount(&host, &dir);
}

#[test]
fn what_is_changed_in_a_lazy_mount_is_committed_pushed_and_seen_elsewhere() {
    let test = "what_is_changed_in_a_lazy_mount_is_committed_pushed_and_seen_elsewhere";
    let Some(world) = World::new(test) else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    let mounted = world.fetches();
    fs::write(dir.join("a/f1"), "over\n").unwrap();
    fs::write(dir.join("new"), "new\n").unwrap();
    fs::rename(dir.join("e"), dir.join("moved")).unwrap();
    fs::remove_file(dir.join("z/f0")).unwrap();
    host.toft_with(&["umount", dir.to_str().unwrap(), "-m", "changes"]).expect_code(0);
    // Of a, whose file was written, and of z, whose file was looked up; of the root at most.
    assert!(world.fetches() - mounted <= 3, "{:#?}", world.server.requests());
    let checkout = &world.checkout;
    git(checkout, &["pull", "-q", "origin", "main"]);
    assert_eq!(fs::read_to_string(checkout.join("a/f1")).unwrap(), "over\n");
    assert!(checkout.join("moved/f/f3").exists() && !checkout.join("z/f0").exists());
    git(&world.repos.path("r.git"), &["fsck", "--strict"]);
    let elsewhere = host.another();
    let dir = world.mount(&elsewhere, "m");
    world.assert_same(&dir);
    umount(&elsewhere, &dir);
}

#[test]
fn files_that_are_not_here_move_with_their_folder() {
    let Some(world) = World::new("files_that_are_not_here_move_with_their_folder") else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    let mounted = world.fetches();
    fs::rename(dir.join("a/b/c"), dir.join("d/moved")).unwrap();
    fs::write(dir.join("d/moved/new"), "new\n").unwrap();
    host.toft_with(&["flush", dir.to_str().unwrap()]).expect_code(0);
    // One that asked where the branch is after the push.
    assert_eq!(world.fetches(), mounted + 1, "{:#?}", world.server.requests());
    git(&world.checkout, &["pull", "-q", "origin", "main"]);
    assert_eq!(fs::read_dir(world.checkout.join("d/moved")).unwrap().count(), FILES + 1);
    world.assert_same(&dir);
    umount(&host, &dir);
}

#[test]
fn two_who_change_one_branch_meet_in_a_merge() {
    let Some(world) = World::new("two_who_change_one_branch_meet_in_a_merge") else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    let text = fs::read_to_string(dir.join("d/f11")).unwrap();
    fs::write(dir.join("d/f11"), format!("{text}ours\n")).unwrap();
    // The other side changes the same file elsewhere, and moves and changes one of ours.
    git(&world.checkout, &["mv", "a/b/c/f9", "a/f90"]);
    let moved = fs::read_to_string(world.checkout.join("a/f90")).unwrap() + "theirs\n";
    let both = format!("theirs\n{text}");
    gitrepo::commit(&world.checkout, &[("d/f11", &both), ("a/f90", &moved)], "theirs");
    git(&world.checkout, &["push", "-q", "origin", "main"]);
    host.toft_with(&["flush", dir.to_str().unwrap()]).expect_code(0);
    assert_eq!(fs::read_to_string(dir.join("d/f11")).unwrap(), format!("theirs\n{text}ours\n"));
    assert_eq!(fs::read_to_string(dir.join("a/f90")).unwrap(), moved);
    assert_eq!(fs::read_dir(dir.join("a/b/c")).unwrap().count(), FILES - 1);
    git(&world.checkout, &["pull", "-q", "origin", "main"]);
    world.assert_same(&dir);
    umount(&host, &dir);
}

#[test]
fn a_conflict_in_a_lazy_mount_is_kept_on_a_side_branch() {
    let Some(world) = World::new("a_conflict_in_a_lazy_mount_is_kept_on_a_side_branch") else {
        return;
    };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    fs::write(dir.join("d/f1"), "ours\n").unwrap();
    gitrepo::commit(&world.checkout, &[("d/f1", "theirs\n")], "theirs");
    git(&world.checkout, &["push", "-q", "origin", "main"]);
    let flushed = host.toft_with(&["flush", "--json", dir.to_str().unwrap()]).expect_code(78);
    assert!(flushed.text().contains("d/f1"), "{}", flushed.text());
    let remote = world.repos.path("r.git");
    let side = git(&remote, &["for-each-ref", "--format=%(refname)", "refs/heads/toft/"]);
    assert_eq!(git(&remote, &["show", &format!("{side}:d/f1")]), "ours");
    git(&remote, &["fsck", "--strict"]);
    host.toft_with(&["umount", "--discard", dir.to_str().unwrap()]).expect_code(0);
}
