//! The git directory as stock git finds it.

use crate::support::{Mounted, TestRepo, command, gits, hard_cases, output, variants};
use std::os::unix::fs::PermissionsExt;
use toft::dotgit::{create, set_tracking};
use toft::git::Head;
use toft::sys::OsDisk;

fn mounted(git: &'static str, format: &str) -> Mounted {
    let repo = TestRepo::new(git, format);
    hard_cases(&repo);
    repo.run(["commit", "-q", "-m", "one"]);
    repo.run(["tag", "-a", "-m", "tagged", "v1"]);
    repo.run(["branch", "feature/x"]);
    let mounted = Mounted::on(repo);
    mounted.check_out();
    mounted.follow();
    mounted
}

#[test]
fn git_finds_an_ordinary_repository_and_a_clean_folder() {
    for (git, format) in variants() {
        let m = mounted(git, format);
        assert_eq!(m.git(["status", "--porcelain"]), "");
        // Not even a look at the content is needed.
        assert_eq!(m.git(["diff-files"]), "");
        assert_eq!(m.git(["rev-parse", "--show-toplevel"]), m.dir.display().to_string());
        assert_eq!(m.git(["branch", "--show-current"]), "main");
        assert_eq!(m.git(["rev-parse", "origin/main", "origin"]), format!("{0}\n{0}", m.head()));
        assert_eq!(m.git(["rev-parse", "@{upstream}"]), m.head().to_string());
        assert_eq!(m.git(["remote", "get-url", "origin"]), "https://host/a\\b \"r\".git");
        assert_eq!(m.git(["describe"]), "v1");
        assert_eq!(m.git(["config", "core.bare"]), "false");
        m.git(["fsck", "--full", "--strict"]);
    }
}

#[test]
fn git_works_in_it_as_anywhere() {
    for (git, format) in variants() {
        let m = mounted(git, format);
        for (args, said) in [
            (&["switch", "-q", "-c", "topic"][..], ""),
            (&["mv", "plain", "moved"], ""),
            (&["status", "--porcelain"], "R  plain -> moved"),
            (&["commit", "-q", "-m", "two"], ""),
            (&["log", "--format=%s"], "two\none"),
            (&["reflog", "--format=%gs", "-1"], "commit: two"),
            (&["switch", "-q", "feature/x"], ""),
            (&["merge", "-q", "topic"], ""),
            (&["ls-files", "moved"], "moved"),
            (&["stash", "list"], ""),
            (&["worktree", "prune"], ""),
            (&["gc", "-q"], ""),
            (&["status", "--porcelain"], ""),
        ] {
            assert_eq!(m.git(args), said, "{args:?}");
        }
        // The store has nothing of it.
        let store = output(command(git, &m.store).args(["for-each-ref", "--format=%(refname)"]));
        assert!(!String::from_utf8(store).unwrap().contains("topic"));
    }
}

#[test]
fn everything_is_private() {
    let m = mounted(gits()[0], "sha1");
    let mode = std::fs::metadata(&m.gitdir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_branch_without_a_commit_gets_its_first_one() {
    for git in gits() {
        let repo = TestRepo::new(git, "sha1");
        repo.commit("somewhere");
        let m = Mounted::on(repo);
        std::fs::remove_dir_all(&m.gitdir).unwrap();
        let head = Head::Branch { name: "refs/heads/new/born".into(), tip: None };
        create(&OsDisk::default(), &m.gitdir, &m.spec(&head)).unwrap();
        std::fs::write(m.dir.join("x"), "").unwrap();
        assert_eq!(
            m.git(["status", "--porcelain", "--branch"]),
            "## No commits yet on new/born...origin/new/born [gone]\n?? x"
        );
        m.git(["add", "x"]);
        m.git(["commit", "-q", "-m", "first"]);
        assert_eq!(m.git(["log", "--format=%s"]), "first");
    }
}

#[test]
fn a_commit_without_a_branch_is_a_detached_head() {
    for git in gits() {
        let repo = TestRepo::new(git, "sha1");
        repo.commit("somewhere");
        let m = Mounted::on(repo);
        std::fs::remove_dir_all(&m.gitdir).unwrap();
        create(&OsDisk::default(), &m.gitdir, &m.spec(&Head::Detached(m.head()))).unwrap();
        assert_eq!(m.git(["rev-parse", "HEAD"]), m.head().to_string());
        assert!(!m.try_git(["symbolic-ref", "-q", "HEAD"]).status.success());
        assert_eq!(m.git(["status", "--porcelain"]), "");
    }
}

#[test]
fn history_that_is_cut_off_in_the_store_is_cut_off_here() {
    for git in gits() {
        let repo = TestRepo::new(git, "sha1");
        repo.write("x", b"1");
        repo.commit("one");
        repo.write("x", b"2");
        repo.commit("two");
        let m = Mounted::with(repo, &["--depth=1"]);
        assert_eq!(m.git(["log", "--format=%s"]), "two");
        m.git(["fsck", "--full"]);
        // A store that cut off elsewhere since, and the same again.
        let other = "2".repeat(40);
        let ours = std::fs::read_to_string(m.gitdir.join("shallow")).unwrap();
        std::fs::write(m.store.join("shallow"), format!("{ours}{other}\n")).unwrap();
        m.create();
        m.create();
        let now = std::fs::read_to_string(m.gitdir.join("shallow")).unwrap();
        assert_eq!(now, format!("{ours}{other}\n"));
    }
}

#[test]
fn what_a_power_failure_took_is_put_back_and_the_rest_stays() {
    for git in gits() {
        let m = mounted(git, "sha1");
        m.git(["config", "user.email", "kept@example.invalid"]);
        m.git(["switch", "-q", "-c", "topic"]);
        m.git(["branch", "-d", "-q", "main"]);
        m.create();
        assert_eq!(m.git(["config", "user.email"]), "kept@example.invalid");
        assert_eq!(m.git(["branch", "--show-current"]), "topic");
        assert_eq!(m.git(["branch", "--list", "main"]), "");
        for name in ["HEAD", "config", "packed-refs", "objects/info/alternates"] {
            // Not in place: the store may have the same file.
            std::fs::remove_file(m.gitdir.join(name)).unwrap();
            std::fs::write(m.gitdir.join(name), "").unwrap();
        }
        std::fs::write(m.gitdir.join("refs/heads/main"), "").unwrap();
        m.create();
        assert_eq!(m.git(["branch", "--show-current"]), "main");
        assert_eq!(m.git(["status", "--porcelain"]), "");
        m.git(["fsck"]);
    }
}

#[test]
fn a_store_that_moved_is_found() {
    let mut m = mounted(gits()[0], "sha1");
    let elsewhere = m.store.with_file_name("elsewhere.git");
    std::fs::rename(&m.store, &elsewhere).unwrap();
    assert!(!m.try_git(["log"]).status.success());
    m.store = elsewhere;
    m.create();
    assert_eq!(m.git(["log", "--format=%s"]), "one");
}

#[test]
fn a_tracking_ref_follows_what_was_pushed() {
    for git in gits() {
        let m = mounted(git, "sha1");
        m.git(["commit", "-q", "--allow-empty", "-m", "two"]);
        let repo = m.open();
        let tip = repo.head().unwrap().tip().unwrap();
        for name in ["refs/heads/main", "refs/heads/new/branch", "refs/heads/main"] {
            set_tracking(&repo, &OsDisk::default(), name, tip, "update by push").unwrap();
        }
        assert_eq!(
            m.git(["rev-parse", "origin/main", "origin/new/branch"]),
            format!("{tip}\n{tip}")
        );
        assert_eq!(m.git(["status", "--porcelain", "--branch"]), "## main...origin/main");
    }
}
