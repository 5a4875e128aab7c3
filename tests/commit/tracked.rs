//! What the user's index says: added by force, removed from it, left out of the files on purpose.

use crate::world::{World, allow_all, changes_of};
use toft::commit::{Cut, IndexEntry, Leaf, Plan, Sealed, TrackedPaths};
use toft::git::Head;
use toft::types::{Oid, TreeMode};

/// The index of the worktree, as `git ls-files` tells it.
fn entries(world: &World, index: &[&[&str]]) -> Vec<IndexEntry> {
    index.iter().for_each(|args| drop(world.plain.git(args)));
    let sparse = world.plain.git(&["ls-files", "-t"]);
    let is_sparse = |path: &str| sparse.lines().any(|line| line == format!("S {path}"));
    let staged = world.plain.git(&["ls-files", "--stage"]);
    let entry = |line: &str| {
        let (head, path) = line.split_once('\t').unwrap();
        let mut fields = head.split(' ');
        let mode = u32::from_str_radix(fields.next().unwrap(), 8).unwrap();
        let oid = Oid::from_hex(fields.next().unwrap().as_bytes()).unwrap();
        let leaf = Leaf { mode: TreeMode::from_octal(mode).unwrap(), oid };
        let skip_worktree = is_sparse(path);
        IndexEntry { path: path.as_bytes().to_vec(), leaf, skip_worktree }
    };
    staged.lines().map(entry).collect()
}

/// Runs git commands on the worktree's index, then compares a plan by that index with git.
fn compare(world: &mut World, index: &[&[&str]]) -> Plan {
    let entries = entries(world, index);
    let expected = world.plain.oracle();
    let head = world.repo().head().unwrap();
    let tracked = world.sealer.tracked_entries(&head, entries).unwrap();
    let plan = world.sealer.plan(&world.overlay.freeze(), &head, &tracked).unwrap();
    assert_eq!(plan.tree, expected, "{:#?}", plan.changes);
    plan
}

fn changed(plan: &Plan) -> Vec<String> {
    let show = |(kind, path): (char, Vec<u8>)| format!("{kind} {}", path.escape_ascii());
    changes_of(plan).into_iter().map(show).collect()
}

#[test]
fn an_index_like_head_differs_in_nothing() {
    let world = World::new(|seed| {
        seed.write(b"a", b"a\n");
        seed.write(b"dir/b", b"b\n");
    });
    let head = world.repo().head().unwrap();
    let entries = entries(&world, &[]);
    let tracked = world.sealer.tracked_entries(&head, entries).unwrap();
    assert!(matches!(tracked, TrackedPaths::Head));
}

#[test]
fn what_was_added_by_force_is_sealed_although_it_is_ignored() {
    let mut world = World::new(|seed| seed.write(b".gitignore", b"*.log\nbuild/\n"));
    world.write("a.log", "1\n");
    world.write("b.log", "1\n");
    world.write("build/deep/out", "1\n");
    world.write("build/deep/other", "1\n");
    let plan = compare(&mut world, &[&["add", "-f", "a.log", "build/deep/out"]]);
    assert_eq!(changed(&plan), ["A a.log", "A build/deep/out"]);
    world.write("a.log", "2\n");
    compare(&mut world, &[]);
}

#[test]
fn what_was_removed_from_the_index_is_untracked() {
    let mut world = World::new(|seed| {
        seed.write(b".gitignore", b"");
        seed.write(b"secret/key", b"1\n");
        seed.write(b"secret/other", b"1\n");
        seed.write(b"file", b"1\n");
    });
    world.write(".gitignore", "key\nfile\n");
    let plan = compare(&mut world, &[&["rm", "-q", "--cached", "secret/key"]]);
    assert_eq!(changed(&plan), ["M .gitignore", "D secret/key"]);
}

#[test]
fn what_was_removed_but_is_not_ignored_is_added_again() {
    let mut world = World::new(|seed| seed.write(b"dir/file", b"1\n"));
    let plan = compare(&mut world, &[&["rm", "-q", "--cached", "dir/file"]]);
    assert!(plan.is_clean());
}

#[test]
fn sparse_paths_are_kept_although_no_file_is_there() {
    let mut world = World::new(|seed| {
        seed.write(b"in/a", b"a\n");
        seed.write(b"out/b", b"b\n");
        seed.write(b"out/deep/c", b"c\n");
        seed.write(b"out/real", b"r\n");
    });
    world.remove("out");
    world.write("in/a", "changed\n");
    let sparse = ["update-index", "--skip-worktree", "out/b", "out/deep/c"];
    let plan = compare(&mut world, &[&sparse]);
    assert_eq!(changed(&plan), ["M in/a", "D out/real"]);
    // There after all: what is there counts.
    world.write("out/b", "new\n");
    let head = world.repo().head().unwrap();
    let entries = entries(&world, &[]);
    let tracked = world.sealer.tracked_entries(&head, entries).unwrap();
    let plan = world.sealer.plan(&world.overlay.freeze(), &head, &tracked).unwrap();
    assert_eq!(changed(&plan), ["M in/a", "M out/b", "D out/real"]);
}

#[test]
fn an_added_submodule_is_kept_as_a_gitlink() {
    let mut world = World::new(|seed| seed.write(b"file", b"1\n"));
    world.mkdir("sub");
    let entry = "160000,1234567890123456789012345678901234567890,sub";
    let plan = compare(&mut world, &[&["update-index", "--add", "--cacheinfo", entry]]);
    assert_eq!(changed(&plan), ["A sub"]);
}

#[test]
fn an_index_that_stands_for_another_tree_is_compared_by_its_tree() {
    let mut world = World::new(|seed| {
        seed.write(b"a/b/c", b"1\n");
        seed.write(b"file", b"1\n");
    });
    world.write(".gitignore", "*.log\nfile\n");
    world.write("a/b/x.log", "1\n");
    world.plain.git(&["add", "-f", "a/b/x.log"]);
    world.plain.git(&["rm", "-q", "--cached", "file"]);
    let tree = Oid::from_hex(world.plain.git(&["write-tree"]).as_bytes()).unwrap();
    let head = world.repo().head().unwrap();
    world.plain.git(&[
        "push",
        "-q",
        world.gitdir.to_str().unwrap(),
        &format!("{tree}:refs/some/tree"),
    ]);
    world.repo().refresh();
    let tracked = world.sealer.tracked_tree(&head, tree).unwrap();
    let plan = world.sealer.plan(&world.overlay.freeze(), &head, &tracked).unwrap();
    assert_eq!(plan.tree, world.plain.oracle());
    assert_eq!(changed(&plan), ["A .gitignore", "A a/b/x.log", "D file"]);
}

#[test]
fn what_the_user_committed_is_not_taken_back_nor_committed_again() {
    let mut world = World::new(|seed| {
        seed.write(b"build/tracked", b"1\n");
        seed.write(b"kept", b"1\n");
    });
    // By git in the mount: a rule, and what it names taken out of the index; the file stays.
    world.write(".gitignore", "build/\n");
    world.plain.git(&["rm", "-q", "-r", "--cached", "build"]);
    world.plain.git(&["add", ".gitignore"]);
    world.plain.git(&["commit", "-q", "-m", "by the user"]);
    world.plain.git(&["push", "-q", world.gitdir.to_str().unwrap(), "HEAD:main"]);
    world.repo().refresh();
    world.check();
    assert!(world.plan().is_clean());
    world.write("build/tracked", "2\n");
    world.write("kept", "2\n");
    world.check();
    assert_eq!(changed(&world.plan()), ["M kept"]);
}

#[test]
fn the_cut_says_what_is_tracked() {
    let mut world = World::new(|seed| seed.write(b".gitignore", b"*.log\n"));
    world.write("a.log", "1\n");
    let entries = entries(&world, &[&["add", "-f", "a.log"]]);
    let (sealed, _) = world
        .sealer
        .seal(&allow_all(), &mut |head: &Head| {
            let tracked = world.sealer.tracked_entries(head, entries.clone())?;
            Ok::<_, toft::commit::CommitError>(Cut { tracked, ..world.cut() })
        })
        .unwrap();
    let Sealed::Commit { plan, .. } = sealed else { panic!("a.log is new") };
    assert_eq!(changed(&plan), ["A a.log"]);
}
