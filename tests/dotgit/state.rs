//! What git is doing, and what it tracks.

use crate::support::{Mounted, TestRepo, gits};
use std::os::unix::fs::FileExt;
use toft::dotgit::{BaseStat, LastRead, Operation, Tracked, in_progress, read_index, tracked};
use toft::types::{HashKind, Timespec};

/// A repository whose branch `other` is in conflict with `main`.
fn conflicting(git: &'static str) -> Mounted {
    let repo = TestRepo::new(git, "sha1");
    repo.write("both", b"base\n");
    repo.write("rest", b"rest\n");
    repo.commit("base");
    repo.run(["checkout", "-q", "-b", "other"]);
    repo.write("both", b"theirs\n");
    repo.commit("theirs");
    repo.run(["checkout", "-q", "main"]);
    repo.write("both", b"ours\n");
    repo.commit("ours");
    let mounted = Mounted::on(repo);
    mounted.check_out();
    mounted.follow();
    mounted
}

fn told(m: &Mounted) -> Option<Operation> {
    in_progress(&m.gitdir, HashKind::Sha1, &LastRead::default()).unwrap()
}

#[test]
fn what_git_has_begun_is_told_and_its_way_out_ends_it() {
    for git in gits() {
        for (begin, operation, end) in [
            (&["merge", "-q", "origin/other"][..], Operation::Merge, &["merge", "--abort"][..]),
            (&["rebase", "-q", "origin/other"], Operation::Rebase, &["rebase", "--abort"]),
            (
                &["rebase", "-q", "--apply", "origin/other"],
                Operation::Rebase,
                &["rebase", "--abort"],
            ),
            (&["cherry-pick", "origin/other"], Operation::CherryPick, &["cherry-pick", "--abort"]),
            (
                &["cherry-pick", "origin/other~1", "origin/other"],
                Operation::CherryPick,
                &["cherry-pick", "--abort"],
            ),
            (&["revert", "--no-edit", "origin/other"], Operation::Revert, &["revert", "--abort"]),
        ] {
            let m = conflicting(git);
            assert_eq!(told(&m), None);
            assert!(!m.try_git(begin).status.success(), "{begin:?}");
            assert_eq!(told(&m).as_ref(), Some(&operation), "{begin:?}");
            assert!(operation.way_out().contains("--abort"));
            m.git(end);
            assert_eq!(told(&m), None, "{end:?}");
        }
    }
}

#[test]
fn mail_that_does_not_apply_and_a_stash_that_does_not_either_are_told() {
    for git in gits() {
        let m = conflicting(git);
        m.git(["format-patch", "-q", "-1", "-o", "../patches", "origin/other"]);
        let patch = m.dir.parent().unwrap().join("patches/0001-theirs.patch");
        assert!(!m.try_git(["am", "-q", patch.to_str().unwrap()]).status.success());
        assert_eq!(told(&m), Some(Operation::ApplyMailbox));
        m.git(["am", "--abort"]);
        std::fs::write(m.dir.join("both"), "mine\n").unwrap();
        m.git(["stash", "-q"]);
        m.git(["reset", "-q", "--hard", "origin/other"]);
        assert!(!m.try_git(["stash", "pop"]).status.success());
        assert_eq!(told(&m), Some(Operation::Unmerged(vec![b"both".to_vec()])));
        assert_eq!(told(&m).unwrap().to_string(), "both is in conflict");
    }
}

#[test]
fn a_bisection_is_in_nobodys_way() {
    let m = conflicting(gits()[0]);
    m.git(["bisect", "start"]);
    assert_eq!(told(&m), None);
}

#[test]
fn an_index_that_nobody_else_wrote_stands_for_the_tree() {
    for git in gits() {
        let m = conflicting(git);
        let stat = BaseStat { uid: 0, gid: 0, time: Timespec::from_sec(5) };
        m.install(stat).unwrap();
        let last = LastRead::default();
        let tracks = || tracked(&m.gitdir, HashKind::Sha1, &last).unwrap();
        assert_eq!(tracks(), Tracked::Tree(m.tree()));
        // A second link from elsewhere changes nothing.
        std::fs::hard_link(m.gitdir.join("index"), m.gitdir.join("another")).unwrap();
        assert_eq!(tracks(), Tracked::Tree(m.tree()));
        // git only refreshed it.
        m.git(["update-index", "-q", "--really-refresh"]);
        assert_eq!(tracks(), Tracked::Tree(m.tree()));
        // One that was read is not read again.
        let path = m.gitdir.join("index");
        let (bytes, written) = (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap());
        let replace = |bytes: &[u8]| {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.write_all_at(bytes, 0).unwrap();
            file.set_modified(written.modified().unwrap()).unwrap();
        };
        replace(&vec![0; bytes.len()]);
        assert_eq!(tracks(), Tracked::Tree(m.tree()));
        assert_eq!(in_progress(&m.gitdir, HashKind::Sha1, &last).unwrap(), None);
        assert!(tracked(&m.gitdir, HashKind::Sha1, &LastRead::default()).is_err());
        replace(&bytes);
        m.git(["rm", "-q", "--cached", "rest"]);
        let Tracked::Entries(entries) = tracks() else { panic!("the tree is another one") };
        assert_eq!(entries.len(), 1);

        assert_eq!(entries[0].path, b"both");
        m.git(["commit", "-q", "-m", "two"]);
        let tree = m.git(["rev-parse", "HEAD^{tree}"]);
        assert_eq!(tracks(), Tracked::Tree(crate::support::oid(&tree)));
    }
}

#[test]
fn sparse_paths_and_intended_ones_are_told_one_by_one() {
    for git in gits() {
        let m = conflicting(git);
        m.git(["sparse-checkout", "set", "--no-cone", "/both"]);
        assert!(!m.dir.join("rest").exists());
        let Tracked::Entries(entries) =
            tracked(&m.gitdir, HashKind::Sha1, &LastRead::default()).unwrap()
        else {
            panic!("the index says more than the tree")
        };
        assert!(entries.iter().any(|entry| entry.path == b"rest" && entry.skip_worktree));
        m.git(["sparse-checkout", "disable"]);
        std::fs::write(m.dir.join("new"), "").unwrap();
        m.git(["add", "-N", "new"]);
        let Tracked::Entries(entries) =
            tracked(&m.gitdir, HashKind::Sha1, &LastRead::default()).unwrap()
        else {
            panic!("the index says more than the tree")
        };
        assert!(entries.iter().any(|entry| entry.path == b"new" && entry.intent_to_add));
    }
}

#[test]
fn an_index_that_is_gone_takes_no_path_out() {
    let m = conflicting(gits()[0]);
    std::fs::remove_file(m.gitdir.join("index")).unwrap();
    assert_eq!(tracked(&m.gitdir, HashKind::Sha1, &LastRead::default()).unwrap(), Tracked::Head);
    assert!(read_index(&m.gitdir, HashKind::Sha1).unwrap().entries.is_empty());
}
