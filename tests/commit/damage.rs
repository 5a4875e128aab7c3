//! What cannot be read is not deleted; what cannot be shown is not lost.

use crate::world::{MAIN, World, allow, allow_all, changes_of};
use std::path::Path;
use toft::commit::{CommitError, Guard, Sealed};

/// Makes the object unreadable. The repository's packs are unpacked first.
pub fn remove_object(gitdir: &Path, oid: &str) {
    unpack(gitdir);
    std::fs::remove_file(loose(gitdir, oid)).unwrap();
}

fn loose(gitdir: &Path, oid: &str) -> std::path::PathBuf {
    gitdir.join("objects").join(&oid[..2]).join(&oid[2..])
}

fn unpack(gitdir: &Path) {
    let packs = gitdir.join("objects/pack");
    for entry in std::fs::read_dir(&packs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pack") {
            let aside = gitdir.join("aside.pack");
            std::fs::rename(&path, &aside).unwrap();
            std::fs::remove_file(path.with_extension("idx")).unwrap();
            let mut command = crate::git::command(crate::git::newest());
            command.arg("--git-dir").arg(gitdir).args(["unpack-objects", "-q"]);
            command.stdin(std::fs::File::open(&aside).unwrap());
            assert!(command.status().unwrap().success());
        }
    }
}

fn damaged_world(object: &str) -> World {
    let world = World::new(|seed| {
        seed.write(b"dir/a", b"a\n");
        seed.write(b"dir/sub/b", b"b\n");
        seed.write(b"other", b"o\n");
    });
    let oid = world.plain.git(&["rev-parse", object]);
    remove_object(&world.gitdir, &oid);
    world.repo().refresh();
    world
}

fn tip(world: &World) -> String {
    world.git(&["rev-parse", MAIN])
}

#[test]
fn an_unreadable_directory_that_would_be_rewritten_refuses() {
    let mut world = damaged_world("HEAD:dir/sub");
    let before = tip(&world);
    world.write("other", "changed\n");
    world.check();
    // Moved away, what it holds must be known.
    world.rename("dir", "moved");
    let error = world.try_seal(&allow_all()).unwrap_err();
    assert!(matches!(&error, CommitError::Base { path, .. } if path == b"dir/sub"), "{error}");
    assert_eq!(tip(&world), before);
}

#[test]
fn an_unreadable_directory_is_not_deleted_by_removing_its_parent() {
    let world = damaged_world("HEAD:dir/sub");
    let before = tip(&world);
    // No program can empty it; a whiteout of the whole is what a rename over it leaves.
    let name = toft::types::Name::new(b"dir").unwrap();
    let mut transaction = world.overlay.begin();
    let slot = Some(toft::overlay::Slot::Whiteout);
    transaction.push(toft::overlay::Change::SetSlot(toft::types::Ino::ROOT, name, slot));
    transaction.commit().unwrap();
    let error = world.try_seal(&allow_all()).unwrap_err();
    assert!(matches!(error, CommitError::Base { .. }), "{error}");
    assert_eq!(tip(&world), before);
}

#[test]
fn an_unreadable_file_beside_the_changes_is_kept() {
    let mut world = damaged_world("HEAD:dir/a");
    world.write("dir/new", "n\n");
    world.check();
    let Sealed::Commit { plan, .. } = world.seal() else { panic!("something changed") };
    assert_eq!(changes_of(&plan), [('A', b"dir/new".to_vec())]);
}

#[test]
fn unreadable_rules_refuse() {
    let world = World::new(|seed| {
        seed.write(b".gitignore", b"*.log\n");
        seed.write(b"file", b"x\n");
    });
    remove_object(&world.gitdir, &world.plain.git(&["rev-parse", "HEAD:.gitignore"]));
    world.repo().refresh();
    world.write_here(b"a.log", b"x\n");
    let error = world.try_plan().unwrap_err();
    assert!(matches!(&error, CommitError::Base { path, .. } if path == b".gitignore"), "{error}");
}

#[test]
fn a_lost_body_refuses() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.write("file", "long\n".repeat(100_000));
    std::fs::remove_file(world.dir.path().join("state/bodies/0/1")).unwrap();
    // Opened anew, as after a restart.
    world.overlay.sync().unwrap();
    let result = world.try_seal(&allow_all());
    assert!(matches!(result, Err(CommitError::Body { .. })), "{result:?}");
}

#[test]
fn a_lost_value_refuses() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.write("file", "changed\n");
    let values = world.dir.path().join("state/values/1");
    std::fs::OpenOptions::new().write(true).open(values).unwrap().set_len(3).unwrap();
    let result = world.try_seal(&allow_all());
    assert!(matches!(result, Err(CommitError::Body { .. })), "{result:?}");
}

/// A world whose tree `dir` has an entry that no file can stand for.
fn hostile_world() -> World {
    World::with_tree(|plain| {
        plain.write(b"dir/a", b"a\n");
        plain.write(b"dir/sub/b", b"b\n");
        plain.write(b"other", b"o\n");
        let blob = plain.git(&["hash-object", "-w", "other"]);
        let entries = format!("100644 blob {blob}\t.GIT\n100644 blob {blob}\ta\n");
        let dir = plain.git_with(&["mktree"], entries.as_bytes());
        let root = format!("040000 tree {dir}\tdir\n100644 blob {blob}\tother\n");
        plain.git_with(&["mktree"], root.as_bytes())
    })
}

#[test]
fn hidden_entries_are_kept_while_their_directory_is_left_alone() {
    let world = hostile_world();
    let hostile = world.git(&["rev-parse", "HEAD:dir"]);
    world.write_here(b"other", b"changed\n");
    world.chmod_here(b"dir/a", 0o600);
    assert!(matches!(world.try_seal(&allow(&[])), Ok(Sealed::Commit { .. })));
    assert_eq!(world.git(&["rev-parse", "HEAD:dir"]), hostile);
}

#[test]
fn hidden_entries_refuse_a_change_in_their_directory() {
    let world = hostile_world();
    let before = tip(&world);
    world.write_here(b"dir/a", b"changed\n");
    let error = world.try_seal(&allow_all()).unwrap_err();
    let CommitError::Refused(refusals) = error else { panic!("{error}") };
    assert_eq!(refusals[0].guard, Guard::Hostile);
    assert_eq!(refusals[0].paths, [b"dir".to_vec()]);
    assert!(refusals[0].why.contains(".GIT"), "{}", refusals[0].why);
    assert_eq!(tip(&world), before);
}

#[test]
fn hidden_entries_refuse_a_move_of_their_directory() {
    let world = hostile_world();
    world.rename_here(b"dir", b"moved");
    let error = world.try_seal(&allow_all()).unwrap_err();
    assert!(matches!(error, CommitError::Refused(_)), "{error}");
}

#[test]
fn a_directory_with_hidden_entries_can_be_removed_as_a_whole() {
    let world = hostile_world();
    world.remove_here(b"dir");
    assert!(matches!(world.try_seal(&allow(&[])), Ok(Sealed::Commit { .. })));
    assert_eq!(world.git(&["ls-tree", "--name-only", "-r", "HEAD"]), "other");
}
