//! The lock of the index, shared with git.

use crate::support::{Mounted, TestRepo, gits};
use std::process::{Command, Stdio};
use toft::dotgit::{IndexLock, LastRead, Operation, in_progress, release_abandoned};
use toft::types::HashKind;

fn mounted() -> Mounted {
    let repo = TestRepo::new(gits()[0], "sha1");
    repo.write("x", b"");
    repo.commit("one");
    let mounted = Mounted::on(repo);
    mounted.check_out();
    mounted.follow();
    mounted
}

#[test]
fn git_keeps_out_while_toft_has_it_and_the_other_way_round() {
    let m = mounted();
    let lock = IndexLock::acquire(&m.gitdir).unwrap().unwrap();
    let refused = m.try_git(["rm", "-q", "x"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("index.lock"));
    drop(lock);
    std::fs::write(m.gitdir.join("index.lock"), "git's").unwrap();
    assert!(IndexLock::acquire(&m.gitdir).unwrap().is_none());
    let told = in_progress(&m.gitdir, HashKind::Sha1, &LastRead::default()).unwrap();
    assert_eq!(told, Some(Operation::IndexLocked));
    assert_eq!(std::fs::read(m.gitdir.join("index.lock")).unwrap(), b"git's");
    std::fs::remove_file(m.gitdir.join("index.lock")).unwrap();
    m.git(["rm", "-q", "x"]);
}

#[test]
fn a_lock_that_is_dropped_leaves_no_trace() {
    let m = mounted();
    let before = std::fs::read(m.gitdir.join("index")).unwrap();
    drop(IndexLock::acquire(&m.gitdir).unwrap().unwrap());
    for name in ["index.lock", "index.toft"] {
        assert!(!m.gitdir.join(name).exists());
    }
    assert!(std::fs::read(m.gitdir.join("index")).unwrap() == before);
}

#[test]
fn the_lock_of_a_killed_toft_is_released_and_that_of_git_is_not() {
    let m = mounted();
    std::mem::forget(IndexLock::acquire(&m.gitdir).unwrap().unwrap());
    assert!(m.gitdir.join("index.lock").exists());
    release_abandoned(&m.gitdir).unwrap();
    assert!(!m.gitdir.join("index.lock").exists());
    // Killed between taking back the lock and its own name for it, or before it had the lock.
    std::fs::write(m.gitdir.join("index.toft"), "").unwrap();
    std::fs::write(m.gitdir.join("index.lock"), "git's").unwrap();
    release_abandoned(&m.gitdir).unwrap();
    assert!(m.gitdir.join("index.lock").exists() && !m.gitdir.join("index.toft").exists());
    std::fs::remove_file(m.gitdir.join("index.lock")).unwrap();
    // Killed right after the index was replaced: our name is one of the index now.
    std::fs::hard_link(m.gitdir.join("index"), m.gitdir.join("index.toft")).unwrap();
    let before = std::fs::read(m.gitdir.join("index")).unwrap();
    drop(IndexLock::acquire(&m.gitdir).unwrap().unwrap());
    assert!(std::fs::read(m.gitdir.join("index")).unwrap() == before);
}

#[test]
fn two_at_once_never_both_have_it() {
    let m = mounted();
    let mut git = Command::new("sh")
        .args(["-c", "while :; do ln -s x index.lock 2>/dev/null && rm index.lock; done"])
        .current_dir(&m.gitdir)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut had, mut refused) = (0, 0);
    while had < 50 || refused < 50 {
        match IndexLock::acquire(&m.gitdir).unwrap() {
            Some(_lock) => {
                had += 1;
                assert!(!m.gitdir.join("index.lock").is_symlink());
            }
            None => refused += 1,
        }
    }
    git.kill().unwrap();
    git.wait().unwrap();
}
