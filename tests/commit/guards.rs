//! What a seal that nobody looked at refuses: tables of the pure part, then each through a seal.

use crate::world::{MAIN, World, allow, allow_all};
use toft::commit::{
    Allow, CommitError, Cut, Facts, Finding, Guard, Leaf, PathChange, Refusal, SealRequest, Sealed,
    refusals,
};
use toft::git::Head;
use toft::types::{Oid, TreeMode};

fn leaf(number: usize) -> Leaf {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Leaf { mode: TreeMode::Blob, oid: Oid::from_bytes_or_panic(&bytes) }
}

fn deletions(count: usize) -> Vec<PathChange> {
    let gone = |number: usize| {
        let path = format!("gone/{number}");
        PathChange::between(path.as_bytes(), Some(leaf(number)), None).unwrap()
    };
    (0..count).map(gone).collect()
}

fn on(branch: &str) -> Head {
    Head::Branch { name: branch.to_owned(), tip: None }
}

struct Case {
    head: Head,
    changes: Vec<PathChange>,
    tracked: usize,
    big: Vec<Finding>,
    secrets: Vec<Finding>,
    hostile: Vec<Finding>,
    operation: Option<&'static str>,
    rolled_back: bool,
}

fn nothing() -> Case {
    Case {
        head: on(MAIN),
        changes: Vec::new(),
        tracked: 1000,
        big: Vec::new(),
        secrets: Vec::new(),
        hostile: Vec::new(),
        operation: None,
        rolled_back: false,
    }
}

fn found(path: &str) -> Vec<Finding> {
    vec![Finding { path: path.as_bytes().to_vec(), what: "what it is".to_owned() }]
}

fn judge(case: &Case, allow: &Allow) -> Vec<Refusal> {
    let facts = Facts {
        changes: &case.changes,
        tracked_count: case.tracked,
        big: &case.big,
        secrets: &case.secrets,
        hostile: &case.hostile,
        head: &case.head,
        mounted_branch: MAIN,
        operation: case.operation,
        rolled_back: case.rolled_back,
    };
    refusals(&facts, allow)
}

#[test]
fn each_guard_refuses_names_its_flag_and_lets_pass_what_was_allowed() {
    let cases = [
        (Guard::MassDelete, Case { changes: deletions(501), ..nothing() }),
        (Guard::BigFile, Case { big: found("big.bin"), ..nothing() }),
        (Guard::Secret, Case { secrets: found(".env"), ..nothing() }),
        (Guard::Branch, Case { head: on("refs/heads/other"), ..nothing() }),
        (Guard::Detached, Case { head: Head::Detached(leaf(1).oid), ..nothing() }),
        (Guard::Operation, Case { operation: Some("a merge is in progress"), ..nothing() }),
        (Guard::RolledBack, Case { rolled_back: true, ..nothing() }),
        (Guard::Hostile, Case { hostile: found("dir"), ..nothing() }),
    ];
    for (guard, case) in cases {
        let refused = judge(&case, &Allow::default());
        assert_eq!(refused.iter().map(|refusal| refusal.guard).collect::<Vec<_>>(), [guard]);
        assert!(refused[0].fix.ends_with('.'), "{}", refused[0].fix);
        match guard.flag() {
            Some(flag) => {
                assert!(refused[0].fix.contains(&format!("--allow {flag}")));
                assert_eq!(Guard::parse(flag), Some(guard));
                let allowed = Allow([guard].into());
                assert!(judge(&case, &allowed).is_empty());
            }
            None => assert!(!refused[0].fix.contains("--allow")),
        }
    }
    assert!(judge(&nothing(), &Allow::default()).is_empty());
    assert_eq!(Guard::parse("operation"), None);
    assert_eq!(Guard::parse(""), None);
}

#[test]
fn all_reasons_come_at_once() {
    let case = Case { big: found("big"), secrets: found(".env"), ..nothing() };
    assert_eq!(judge(&case, &Allow::default()).len(), 2);
    assert_eq!(judge(&case, &Allow([Guard::Secret].into())).len(), 1);
}

#[test]
fn mass_deletion_means_more_than_half_and_more_than_a_hundred_or_all() {
    let table = [
        (0, 0, false),
        (0, 10, false),
        (9, 10, false),
        (100, 150, false),
        (101, 150, true),
        (101, 202, false),
        (101, 201, true),
        (500, 1000, false),
        (501, 1000, true),
        (1, 1, true),
        (3, 3, true),
        (1, 2, false),
    ];
    for (gone, tracked, refused) in table {
        let case = Case { changes: deletions(gone), tracked, ..nothing() };
        let reasons = judge(&case, &Allow::default());
        assert_eq!(!reasons.is_empty(), refused, "{gone} of {tracked}: {reasons:?}");
    }
}

#[test]
fn a_moved_file_is_not_lost() {
    let mut changes = deletions(600);
    for number in 0..600 {
        let path = format!("new/{number}");
        changes.extend(PathChange::between(path.as_bytes(), None, Some(leaf(number))));
    }
    let case = Case { changes, ..nothing() };
    assert!(judge(&case, &Allow::default()).is_empty());
}

fn refused(result: Result<Sealed, CommitError>) -> Vec<Guard> {
    match result {
        Err(CommitError::Refused(refusals)) => refusals.iter().map(|it| it.guard).collect(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Seals with nothing allowed, which must be refused and leave no trace, then with `guard` allowed.
fn refuses_then_passes(world: &World, guard: Guard) {
    let objects = || std::fs::read_dir(world.gitdir.join("objects/pack")).unwrap().count();
    let (tip, before) = (world.git(&["rev-parse", MAIN]), objects());
    assert_eq!(refused(world.try_seal(&allow(&[]))), [guard]);
    assert_eq!(world.git(&["rev-parse", MAIN]), tip);
    assert_eq!(objects(), before, "a refused seal stores nothing");
    let sealed = world.try_seal(&allow(&[guard])).unwrap();
    assert!(matches!(sealed, Sealed::Commit { .. }));
    assert!(world.plan().is_clean());
    world.git(&["fsck", "--strict"]);
}

#[test]
fn deleting_most_files_is_refused() {
    let mut world = World::new(|seed| {
        for number in 0..210 {
            seed.write(format!("dir/{number}").as_bytes(), format!("{number}\n").as_bytes());
        }
    });
    for number in 0..105 {
        world.remove(format!("dir/{number}"));
    }
    assert!(matches!(world.try_seal(&allow(&[])), Ok(Sealed::Commit { .. })), "half is fine");
    world.write("new", "x\n");
    for number in 105..208 {
        world.remove(format!("dir/{number}"));
    }
    refuses_then_passes(&world, Guard::MassDelete);
}

#[test]
fn deleting_all_of_few_files_is_refused_and_moving_them_is_not() {
    let mut world = World::new(|seed| {
        seed.write(b"a", b"a\n");
        seed.write(b"b", b"b\n");
    });
    world.mkdir("dir");
    world.rename("a", "dir/a");
    world.rename("b", "dir/b");
    assert!(matches!(world.try_seal(&allow(&[])), Ok(Sealed::Commit { .. })));
    world.remove("dir");
    refuses_then_passes(&world, Guard::MassDelete);
}

#[test]
fn a_big_file_is_refused_once_it_is_sealed_it_is_no_news() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.write("big", vec![b'x'; 100_000_001]);
    refuses_then_passes(&world, Guard::BigFile);
    world.write("file", "changed\n");
    assert!(matches!(world.try_seal(&allow(&[])), Ok(Sealed::Commit { .. })));
    world.rename("big", "moved");
    // Its bytes are still the workspace's own: the guard asks again for another place.
    assert_eq!(refused(world.try_seal(&allow(&[]))), [Guard::BigFile]);
    world.write("exactly", vec![b'x'; 100_000_000]);
    world.remove("moved");
    assert!(matches!(world.try_seal(&allow(&[])), Ok(Sealed::Commit { .. })));
}

#[test]
fn an_ignored_big_file_is_nobodys_business() {
    let mut world = World::new(|seed| seed.write(b".gitignore", b"*.bin\n"));
    world.write("big.bin", vec![b'x'; 100_000_001]);
    world.write("file", "x\n");
    assert!(matches!(world.try_seal(&allow(&[])), Ok(Sealed::Commit { .. })));
}

#[test]
fn a_secret_by_name_or_by_content_is_refused() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.write("app/.env", "PASSWORD=x\n");
    refuses_then_passes(&world, Guard::Secret);
    let token = ["gh", "p_16C7e42F292c6912E7710c838347Ae178B4a"].concat();
    world.write("notes.txt", format!("see {token}\n"));
    refuses_then_passes(&world, Guard::Secret);
}

#[test]
fn a_tracked_secret_may_change_and_move_and_a_status_does_not_hide_a_new_one() {
    let mut world = World::new(|seed| {
        seed.write(b".env", b"A=1\n");
        seed.write(b"old/.env", b"B=1\n");
    });
    world.write(".env", "A=2\n");
    world.mkdir("new");
    world.rename("old/.env", "new/.env");
    assert!(matches!(world.try_seal(&allow(&[])), Ok(Sealed::Commit { .. })));
    let token = ["gh", "p_16C7e42F292c6912E7710c838347Ae178B4a"].concat();
    world.write("notes.txt", format!("see {token}\n"));
    // The second plan takes the hash from memory, and must know of the secret too.
    world.plan();
    assert_eq!(world.plan().secrets.len(), 1);
    assert_eq!(refused(world.try_seal(&allow(&[]))), [Guard::Secret]);
}

#[test]
fn another_branch_than_the_one_mounted_is_refused() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.git(&["branch", "other"]);
    world.git(&["symbolic-ref", "HEAD", "refs/heads/other"]);
    world.repo().refresh();
    assert!(matches!(world.try_seal(&allow(&[])), Ok(Sealed::Nothing { .. })), "nothing changed");
    world.write("file", "changed\n");
    assert_eq!(refused(world.try_seal(&allow(&[]))), [Guard::Branch]);
    let main = world.git(&["rev-parse", MAIN]);
    let sealed = world.try_seal(&allow(&[Guard::Branch])).unwrap();
    let Sealed::Commit { branch, .. } = sealed else { panic!("something changed") };
    assert_eq!(branch, "refs/heads/other");
    assert_eq!(world.git(&["rev-parse", MAIN]), main);
}

#[test]
fn no_branch_is_refused_whatever_is_allowed() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    let tip = world.git(&["rev-parse", "HEAD"]);
    world.git(&["update-ref", "--no-deref", "HEAD", &tip]);
    std::fs::write(world.gitdir.join("HEAD"), format!("{tip}\n")).unwrap();
    world.write("file", "changed\n");
    assert_eq!(refused(world.try_seal(&allow_all())), [Guard::Detached]);
}

#[test]
fn an_operation_in_progress_is_refused_whatever_is_allowed() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.write("file", "changed\n");
    let request = SealRequest { mounted_branch: MAIN.to_owned(), ..allow_all() };
    let mut look = |_: &Head| -> Result<Cut, CommitError> {
        Ok(Cut { operation: Some("a merge is in progress".to_owned()), ..world.cut() })
    };
    let result = world.sealer.seal(&request, &mut look).map(|(sealed, _)| sealed);
    assert_eq!(refused(result), [Guard::Operation]);
}
