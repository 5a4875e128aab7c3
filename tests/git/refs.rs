//! Refs.

use crate::git::{Sandbox, parse};
use std::path::PathBuf;
use toft::git::{GitError, Head};
use toft::sys::{Disk, OsDisk, Reason};
use toft::types::{HashKind, Oid};

#[test]
fn head_is_unborn_then_a_branch_then_detached() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let repo = sandbox.open();
    let main = || "refs/heads/main".to_owned();
    assert_eq!(repo.head().unwrap(), Head::Branch { name: main(), tip: None });
    let commit = sandbox.commit("x");
    assert_eq!(repo.head().unwrap(), Head::Branch { name: main(), tip: Some(commit) });
    sandbox.git(&["pack-refs", "--all"]);
    assert_eq!(repo.head().unwrap(), Head::Branch { name: main(), tip: Some(commit) });
    sandbox.git(&["checkout", "-q", "--detach"]);
    assert_eq!(repo.head().unwrap(), Head::Detached(commit));
}

#[test]
fn refs_are_found_loose_packed_and_symbolic_by_their_full_name_only() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let one = sandbox.commit("one");
    sandbox.git(&["branch", "topic/a"]);
    sandbox.git(&["tag", "v1"]);
    sandbox.git(&["pack-refs", "--all"]);
    let two = sandbox.commit("two");
    sandbox.git(&["branch", "topic/b"]);
    sandbox.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    sandbox.git(&["symbolic-ref", "refs/heads/dangling", "refs/heads/nothing"]);
    let repo = sandbox.open();
    assert_eq!(repo.read_ref("refs/heads/main").unwrap(), Some(two));
    assert_eq!(repo.read_ref("refs/heads/topic/a").unwrap(), Some(one));
    assert_eq!(repo.read_ref("refs/heads/alias").unwrap(), Some(two));
    assert_eq!(repo.read_ref("refs/heads/dangling").unwrap(), None);
    assert_eq!(repo.read_ref("main").unwrap_or(None), None);
    assert!(repo.read_ref("refs/heads/../../etc/passwd").is_err());
    let name = |name: &str, oid| (format!("refs/heads/{name}"), oid);
    assert_eq!(
        repo.refs("refs/heads/").unwrap(),
        [name("alias", two), name("main", two), name("topic/a", one), name("topic/b", two)]
    );
    assert_eq!(
        repo.refs("refs/heads/topic").unwrap(),
        [name("topic/a", one), name("topic/b", two)]
    );
    assert_eq!(repo.refs("").unwrap().len(), 5);
    assert_eq!(repo.refs("refs/nothing/").unwrap(), []);
}

#[test]
fn a_broken_ref_hides_no_other() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let one = sandbox.commit("one");
    sandbox.git(&["branch", "a"]);
    sandbox.git(&["branch", "z"]);
    sandbox.git(&["tag", "packed"]);
    sandbox.git(&["pack-refs", "--all", "--no-prune"]);
    std::fs::write(sandbox.gitdir().join("refs/heads/empty"), "").unwrap();
    std::fs::write(sandbox.gitdir().join("refs/heads/garbage"), "\0\0\0 no oid\n").unwrap();
    std::fs::write(sandbox.gitdir().join("refs/heads/x.lock"), "").unwrap();
    let repo = sandbox.open();
    let names: Vec<_> = repo.refs("refs/").unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["refs/heads/a", "refs/heads/main", "refs/heads/z", "refs/tags/packed"]);
    assert!(repo.read_ref("refs/heads/empty").is_err());
    assert_eq!(repo.read_ref("refs/heads/z").unwrap(), Some(one));
}

const TOPIC: &str = "refs/heads/topic";

fn three_commits(sandbox: &Sandbox) -> [Oid; 3] {
    ["one", "two", "three"].map(|message| sandbox.commit(message))
}

#[test]
fn a_ref_moves_only_from_where_it_is_expected_loose_or_packed() {
    for hash in [HashKind::Sha1, HashKind::Sha256] {
        let sandbox = Sandbox::new(hash);
        let [one, two, three] = three_commits(&sandbox);
        let (repo, disk) = (sandbox.open(), OsDisk::default());
        let cas = |new, expected| repo.cas_ref(&disk, TOPIC, new, expected, "test: move");
        assert!(matches!(cas(two, Some(one)), Err(GitError::RefMoved { actual: None, .. })));
        cas(one, None).unwrap();
        assert_eq!(sandbox.rev(TOPIC), one);
        cas(one, None).unwrap();
        for pack in [false, true] {
            if pack {
                sandbox.git(&["pack-refs", "--all", "--prune"]);
            }
            match cas(three, Some(two)) {
                Err(GitError::RefMoved { actual, .. }) => assert_eq!(actual, Some(one)),
                other => panic!("{other:?}"),
            }
            assert!(cas(three, None).is_err());
            cas(two, Some(one)).unwrap();
            assert_eq!(sandbox.rev(TOPIC), two);
            cas(one, Some(two)).unwrap();
        }
        sandbox.fsck();
    }
}

#[test]
fn a_ref_costs_one_file_fsync_and_one_for_each_directory_that_is_new() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let [one, two, _] = three_commits(&sandbox);
    let repo = sandbox.open();
    let count = |name: &str, new, expected| {
        let disk = OsDisk::default();
        repo.cas_ref(&disk, name, new, expected, "").unwrap();
        (disk.counts().files(Reason::Refs), disk.counts().dirs(Reason::Refs))
    };
    assert_eq!(count(TOPIC, one, None), (1, 1));
    assert_eq!(count(TOPIC, two, Some(one)), (1, 1));
    assert_eq!(count("refs/toft/outbox/x", one, None), (1, 3));
    assert_eq!(sandbox.rev("refs/toft/outbox/x"), one);
}

#[test]
fn refs_that_stand_in_each_others_way_are_refused_and_empty_directories_are_not() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let [one, _, _] = three_commits(&sandbox);
    let repo = sandbox.open();
    let create = |name: &str| repo.cas_ref(&OsDisk::default(), name, one, None, "");
    sandbox.git(&["branch", "dir/file"]);
    for pack in [false, true] {
        if pack {
            sandbox.git(&["pack-refs", "--all", "--prune"]);
        }
        assert!(matches!(create("refs/heads/dir"), Err(GitError::Ref { .. })));
        assert!(matches!(create("refs/heads/dir/file/x"), Err(GitError::Ref { .. })));
        assert!(matches!(create("refs/heads/main/x"), Err(GitError::Ref { .. })));
    }
    std::fs::create_dir_all(sandbox.gitdir().join("refs/heads/empty/er")).unwrap();
    create("refs/heads/empty").unwrap();
    for bad in ["refs/heads/a..b", "refs/heads/x.lock", "refs/heads/", "../x", "refs//x"] {
        assert!(matches!(create(bad), Err(GitError::Ref { .. })), "{bad}");
    }
    sandbox.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    assert!(matches!(create("refs/heads/alias"), Err(GitError::Ref { .. })));
}

#[test]
fn a_lock_of_git_is_respected_and_one_of_a_killed_toft_is_removed() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let [one, two, _] = three_commits(&sandbox);
    let (repo, disk) = (sandbox.open(), OsDisk::default());
    repo.cas_ref(&disk, TOPIC, one, None, "").unwrap();
    let lock = sandbox.gitdir().join("refs/heads/topic.lock");
    std::fs::write(&lock, "").unwrap();
    assert!(matches!(repo.cas_ref(&disk, TOPIC, two, Some(one), ""), Err(GitError::Io { .. })));
    assert!(lock.exists());
    std::fs::remove_file(&lock).unwrap();
    // As a process leaves it that is killed while it holds the lock ...
    let own = sandbox.gitdir().join("toft-lock-1-1");
    std::fs::write(&own, "half a li").unwrap();
    std::fs::hard_link(&own, &lock).unwrap();
    // ... and one that is killed right after the rename, and one before it could lock.
    std::fs::hard_link(sandbox.gitdir().join(TOPIC), sandbox.gitdir().join("toft-lock-1-2"))
        .unwrap();
    std::fs::write(sandbox.gitdir().join("toft-lock-1-3"), "").unwrap();
    repo.cas_ref(&disk, TOPIC, two, Some(one), "").unwrap();
    assert_eq!(sandbox.rev(TOPIC), two);
    assert_eq!(left_locks(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn many_racers_move_a_ref_one_by_one_and_none_moves_it_twice() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let [one, two, three] = three_commits(&sandbox);
    let repo = sandbox.open();
    repo.cas_ref(&OsDisk::default(), TOPIC, one, None, "").unwrap();
    let wins = std::thread::scope(|scope| {
        let racer = |new| {
            let repo = repo.clone();
            scope.spawn(move || repo.cas_ref(&OsDisk::default(), TOPIC, new, Some(one), "").is_ok())
        };
        let racers = [two, three, two, three, two, three].map(racer);
        racers.map(|racer| racer.join().unwrap())
    });
    let winner = repo.read_ref(TOPIC).unwrap().unwrap();
    let two_won = wins.iter().step_by(2).any(|won| *won);
    let three_won = wins.iter().skip(1).step_by(2).any(|won| *won);
    assert!(two_won != three_won, "{wins:?}");
    assert_eq!(winner, if two_won { two } else { three });
    assert_eq!(left_locks(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn the_reflog_is_written_where_git_would_write_it() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let [one, two, three] = three_commits(&sandbox);
    let (repo, disk) = (sandbox.open(), OsDisk::default());
    sandbox.git(&["config", "user.name", "Me"]);
    sandbox.git(&["config", "user.email", "me@example.com"]);
    repo.cas_ref(&disk, "refs/heads/main", one, Some(three), "toft: seal\nof one").unwrap();
    for name in ["main", "HEAD"] {
        let log = sandbox.git(&["reflog", "show", "-1", "--format=%H %gn %ge %gs", name]);
        assert_eq!(log, format!("{one} Me me@example.com toft: seal of one"));
    }
    repo.cas_ref(&disk, TOPIC, two, None, "").unwrap();
    assert_eq!(sandbox.git(&["reflog", "show", "--format=%H", "topic"]), two.to_string());
    repo.cas_ref(&disk, "refs/toft/x", two, None, "no").unwrap();
    assert!(!sandbox.gitdir().join("logs/refs/toft/x").exists());
    sandbox.git(&["config", "--unset", "core.logAllRefUpdates"]);
    sandbox.git(&["config", "core.bare", "true"]);
    repo.cas_ref(&disk, "refs/heads/bare", two, None, "no").unwrap();
    assert!(!sandbox.gitdir().join("logs/refs/heads/bare").exists());
    repo.cas_ref(&disk, TOPIC, one, Some(two), "log exists").unwrap();
    let line = std::fs::read_to_string(sandbox.gitdir().join("logs/refs/heads/topic")).unwrap();
    let last = line.lines().last().unwrap();
    assert!(last.ends_with("\tlog exists"), "{last}");
    assert_eq!(parse(&last[..40]), two);
}

fn left_locks(sandbox: &Sandbox) -> Vec<PathBuf> {
    let all = [sandbox.gitdir(), sandbox.gitdir().join("refs/heads")];
    let paths = all.iter().flat_map(|dir| std::fs::read_dir(dir).unwrap());
    let paths = paths.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().contains("lock")).collect()
}
