//! Repositories inside the mount, and submodules.

use crate::world::{MOUNT_DIR, Plain, World, changes_of};
use std::path::{Path, PathBuf};
use toft::types::{HashKind, TreeMode};

/// A repository of its own with one commit (or none): its directory and its HEAD.
fn repository(dir: &Path, commits: usize) -> (PathBuf, String) {
    let mut plain = Plain::init(crate::git::newest(), dir, HashKind::Sha1);
    for number in 0..commits {
        plain.write(b"inside", format!("{number}\n").as_bytes());
        plain.commit();
    }
    let head = if commits > 0 { plain.git(&["rev-parse", "HEAD"]) } else { String::new() };
    let _ = std::fs::remove_dir_all(dir.join(".git/hooks"));
    (dir.to_owned(), head)
}

fn gitlink(world: &World, path: &str) -> Option<String> {
    let plan = world.plan();
    let change = plan.changes.iter().find(|change| change.path == path.as_bytes())?;
    let leaf = change.new?;
    assert_eq!(leaf.mode, TreeMode::Commit);
    Some(leaf.oid.to_string())
}

#[test]
fn a_repository_with_a_commit_becomes_a_gitlink() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, head) = repository(scratch.path(), 1);
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.mkdir("lib");
    world.copy_in(&dir, b"lib");
    world.check();
    assert_eq!(gitlink(&world, "lib"), Some(head));
    world.seal_both();
    world.git(&["fsck", "--strict"]);
}

#[test]
fn packed_refs_and_detached_heads_are_read() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, head) = repository(scratch.path(), 2);
    let inner = Plain::init(crate::git::newest(), &dir, HashKind::Sha1);
    inner.git(&["pack-refs", "--all"]);
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.mkdir("packed");
    world.copy_in(&dir, b"packed");
    world.check();
    assert_eq!(gitlink(&world, "packed"), Some(head.clone()));
    inner.git(&["checkout", "-q", "HEAD~1"]);
    world.mkdir("detached");
    world.copy_in(&dir, b"detached");
    world.check();
    assert_ne!(gitlink(&world, "detached"), Some(head));
}

#[test]
fn a_repository_without_a_commit_is_left_out_and_said_so() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, _) = repository(scratch.path(), 0);
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.mkdir("empty");
    world.copy_in(&dir, b"empty");
    world.write("empty/file", "x\n");
    let plan = world.plan();
    assert!(plan.is_clean());
    assert_eq!(plan.skipped[0].path, b"empty");
}

#[test]
fn what_only_looks_like_a_repository_is_a_directory() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.write("a/.git/HEAD", "ref: refs/heads/main\n");
    world.write("a/inside", "x\n");
    world.write("b/.git", "gitdir: nowhere\n");
    world.write("b/inside", "x\n");
    world.write("c/.git", "no gitfile\n");
    world.write("c/inside", "x\n");
    world.write("d/.git/HEAD", "nonsense\n");
    world.write("d/.git/objects/x", "x\n");
    world.write("d/.git/refs/x", "x\n");
    world.write("d/inside", "x\n");
    let paths: Vec<_> = changes_of(&world.plan()).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, [b"a/inside", b"b/inside", b"c/inside", b"d/inside"]);
    world.remove("b/.git");
    world.remove("c/.git");
    world.check();
}

#[test]
fn a_repository_made_in_a_tracked_directory_changes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, _) = repository(scratch.path(), 1);
    let mut world = World::new(|seed| seed.write(b"lib/tracked", b"x\n"));
    world.copy_in(&dir, b"lib");
    world.check();
    assert_eq!(changes_of(&world.plan()), [('A', b"lib/inside".to_vec())]);
}

#[test]
fn an_ignored_repository_is_ignored() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, _) = repository(scratch.path(), 1);
    let mut world = World::new(|seed| seed.write(b".gitignore", b"vendor/\n"));
    world.mkdir("vendor");
    world.copy_in(&dir, b"vendor");
    world.check();
    assert!(world.plan().is_clean());
}

#[test]
fn a_tracked_file_replaced_by_a_repository_becomes_a_gitlink() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, head) = repository(scratch.path(), 1);
    let mut world = World::new(|seed| seed.write(b"lib", b"a file\n"));
    world.write(".gitignore", "li*\n");
    world.remove("lib");
    world.mkdir("lib");
    world.copy_in(&dir, b"lib");
    world.check();
    assert_eq!(gitlink(&world, "lib"), Some(head));
}

/// A world whose base has a submodule at `sub`.
fn with_submodule() -> (World, String) {
    let commit = "1234567890123456789012345678901234567890".to_owned();
    let world = World::with_tree(|plain| {
        plain.write(b"file", b"x\n");
        let blob = plain.git(&["hash-object", "-w", "file"]);
        let dir = format!("160000 commit {commit}\tsub\n100644 blob {blob}\tfile\n");
        let dir = plain.git_with(&["mktree", "--missing"], dir.as_bytes());
        let root = format!(
            "160000 commit {commit}\tsub\n100644 blob {blob}\tfile\n040000 tree {dir}\tdir\n"
        );
        plain.git_with(&["mktree", "--missing"], root.as_bytes())
    });
    (world, commit)
}

#[test]
fn a_submodule_that_is_not_checked_out_stays() {
    let (mut world, _) = with_submodule();
    world.write("file", "changed\n");
    world.check();
    world.write("sub/stray", "files in it are not added\n");
    world.write("dir/file", "changed\n");
    world.check();
    assert_eq!(changes_of(&world.plan()).len(), 2);
}

#[test]
fn a_submodule_that_is_checked_out_seals_as_its_head() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, head) = repository(scratch.path(), 1);
    let (mut world, _) = with_submodule();
    world.copy_in(&dir, b"sub");
    world.check();
    assert_eq!(gitlink(&world, "sub"), Some(head));
}

#[test]
fn a_submodule_that_was_removed_is_gone() {
    let (mut world, _) = with_submodule();
    world.remove("sub");
    world.check();
    assert_eq!(changes_of(&world.plan()), [('D', b"sub".to_vec())]);
    world.write("sub", "a file now\n");
    world.check();
}

#[test]
fn a_submodule_moved_without_git_is_dropped_as_git_does_and_said_so() {
    let (mut world, _) = with_submodule();
    world.rename("dir", "moved");
    world.check();
    assert_eq!(world.plan().skipped[0].path, b"moved/sub");
}

#[test]
fn a_submodules_git_directory_is_found_in_ours() {
    let (world, _) = with_submodule();
    let modules = world.gitdir.join("modules/name/of it");
    let (_, head) = repository(&modules.join("tree"), 1);
    std::fs::rename(modules.join("tree/.git"), modules.join("tmp")).unwrap();
    for entry in std::fs::read_dir(modules.join("tmp")).unwrap() {
        let entry = entry.unwrap();
        std::fs::rename(entry.path(), modules.join(entry.file_name())).unwrap();
    }
    let gitfile = b"gitdir: ../../some/state/gitdir/modules/name/of it\n";
    world.write_here(b"sub/.git", gitfile);
    assert_eq!(gitlink(&world, "sub"), Some(head));
}

#[test]
fn a_gitfile_may_point_into_the_mount() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, head) = repository(scratch.path(), 1);
    let mut world = World::new(|seed| seed.write(b".gitignore", b"/store\n"));
    world.mkdir("store");
    world.copy_in(&dir, b"store");
    world.write("work/.git", "gitdir: ../store/.git\n");
    world.check();
    assert_eq!(gitlink(&world, "work"), Some(head.clone()));
    let absolute = format!("gitdir: {MOUNT_DIR}/store/.git\n");
    world.write_here(b"deep/er/.git", absolute.as_bytes());
    assert_eq!(gitlink(&world, "deep/er"), Some(head));
}

#[test]
fn a_gitfile_that_points_elsewhere_is_not_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, _) = repository(scratch.path(), 1);
    let world = World::new(|seed| seed.write(b"file", b"x\n"));
    let gitfile = format!("gitdir: {}/.git\n", dir.display());
    world.write_here(b"work/.git", gitfile.as_bytes());
    world.write_here(b"work/file", b"x\n");
    world.write_here(b"up/.git", b"gitdir: ../../../../etc\n");
    world.write_here(b"up/file", b"x\n");
    let plan = world.plan();
    assert!(plan.is_clean());
    assert_eq!(plan.skipped.len(), 2);
}

#[test]
fn a_repository_with_another_hash_is_left_out() {
    let scratch = tempfile::tempdir().unwrap();
    let mut plain = Plain::init(crate::git::newest(), scratch.path(), HashKind::Sha256);
    plain.write(b"inside", b"x\n");
    plain.commit();
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.mkdir("other");
    world.copy_in(scratch.path(), b"other");
    let plan = world.plan();
    assert!(plan.is_clean());
    assert_eq!(plan.skipped[0].path, b"other");
}
