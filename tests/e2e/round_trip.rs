//! Mount, edit, umount, forget everything, mount: the same bytes, modes, links and history.

use super::support::{self, GitProgram, Host, Kind, Server};
use super::work::{assert_sound, edit, guest, history, mount, oracle_tree, seen, status, umount};
use std::fs;

fn round_trip(kind: Kind, git: GitProgram) {
    let server = Server::start(kind);
    let repo = server.seeded("widgets.git");
    let before = history(&repo, "main");
    let (host, flags) = guest(&server, Host::with_git(git));
    let url = server.url("widgets.git");

    let dir = mount(&host, &url, "first", &flags);
    assert_eq!(fs::read_to_string(dir.join("README")).expect("read"), "hello\n");
    assert_eq!(host.git(&dir, &["status", "--porcelain"]), "");
    edit(&dir);
    let (wrote, wanted) = (seen(&dir), oracle_tree(&host, &dir));
    umount(&host, &dir, "-m Change-everything").expect_code(0);
    assert!(!dir.exists(), "a folder that we made goes away again");

    let after = history(&repo, "main");
    assert_eq!(after[1..], before[..], "one commit on top, {kind:?}");
    assert_eq!(host.git(&repo, &["rev-parse", "main^{tree}"]), wanted);
    let commit = host.git(&repo, &["log", "-1", "--format=%an <%ae> %s", "main"]);
    assert_eq!(commit, "Test Person <test@example.com> Change-everything");
    assert_sound(&repo);

    host.forget();
    let dir = mount(&host, &url, "second", &flags);
    seen(&dir).assert_equals(&wrote);
    let log = host.git(&dir, &["rev-list", "--topo-order", "HEAD"]);
    assert_eq!(log.lines().collect::<Vec<_>>(), after);
    assert_eq!(host.git(&dir, &["status", "--porcelain"]), "");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main"), after, "nothing changed, no commit");
    assert_sound(&repo);
}

#[test]
fn a_fresh_mount_shows_what_was_unmounted_with_every_server_and_git() {
    if !support::can_mount("a_fresh_mount_shows_what_was_unmounted") {
        return;
    }
    for kind in Kind::ALL {
        for git in GitProgram::installed() {
            round_trip(kind, git);
        }
    }
}

#[test]
fn an_ordinary_user_has_the_same() {
    if !support::can_mount_as_user("an_ordinary_user_has_the_same") {
        return;
    }
    if !support::is_root() {
        return; // then every test here is one of an ordinary user
    }
    let host = Host::ordinary_user();
    let server = Server::start(Kind::Http);
    let repo = server.seeded("widgets.git");
    let url = server.url("widgets.git");
    // what a mount holds, only its user may see: everything runs as him
    let as_user = |program: &str, arguments: &[&str]| {
        let mut command = host.command(program);
        command.args(arguments);
        host.run(command)
    };
    let dir = mount(&host, &url, "mine", "");
    let shown = dir.to_str().expect("text");
    let mounted = support::mounts::at(&dir).expect("mounted");
    assert_eq!(mounted.fstype, "fuse.toft");
    let script = "echo new >$0/new && mkdir $0/d && mv $0/README $0/d/ && rm $0/link";
    as_user("sh", &["-c", script, shown]).expect_code(0);
    assert!(fs::read_dir(&dir).is_err(), "root is somebody else");
    umount(&host, &dir, "").expect_code(0);
    let names = host.git(&repo, &["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(names.lines().collect::<Vec<_>>(), ["d/README", "new", "run", "src/main.c"]);
    host.forget();
    let dir = mount(&host, &url, "again", "");
    let again = as_user("cat", &[&format!("{}/d/README", dir.display())]);
    assert_eq!(again.ok(), "hello");
    as_user("test", &["-e", &format!("{}/new", dir.display())]).expect_code(0);
    as_user("fusermount3", &["-u", dir.to_str().expect("text")]).expect_code(0);
    assert_sound(&repo);
}

#[test]
fn an_empty_repository_gets_its_first_commit_under_both_hashes() {
    if !support::can_mount("an_empty_repository_gets_its_first_commit") {
        return;
    }
    for format in ["sha1", "sha256"] {
        let server = Server::start(Kind::File);
        let repo = server.repo("empty.git");
        support::repo::Builder::init(&repo, format);
        let host = Host::new();
        let dir = mount(&host, &server.url("empty.git"), "empty", "");
        assert_eq!(fs::read_dir(&dir).expect("ls").count(), 1, "only .git");
        fs::write(dir.join("first"), "first\n").expect("write");
        umount(&host, &dir, "").expect_code(0);
        let commits = history(&repo, "main");
        assert_eq!(commits.len(), 1);
        assert_eq!(commits[0].len(), if format == "sha1" { 40 } else { 64 });
        host.forget();
        let dir = mount(&host, &server.url("empty.git"), "again", "");
        assert_eq!(fs::read_to_string(dir.join("first")).expect("read"), "first\n");
        umount(&host, &dir, "").expect_code(0);
        assert_eq!(history(&repo, "main"), commits);
        assert_sound(&repo);
    }
}

#[test]
fn branches_and_commits_are_mounted_as_asked() {
    if !support::can_mount("branches_and_commits_are_mounted_as_asked") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("widgets.git");
    let url = server.url("widgets.git");
    let host = Host::new();
    let first = history(&repo, "main")[0].clone();

    let dir = mount(&host, &url, "next", "--new-branch next");
    fs::write(dir.join("only-next"), "next\n").expect("write");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "next").len(), 2);
    assert_eq!(history(&repo, "main"), std::slice::from_ref(&first), "main did not move");

    let dir = mount(&host, &url, "branch", "-b next");
    assert!(dir.join("only-next").exists());
    assert_eq!(status(&host, dir.to_str().expect("text"))["source"]["branch"], "next");
    umount(&host, &dir, "").expect_code(0);
    let dir = mount(&host, &format!("{url}#next"), "short", "--ro");
    assert!(dir.join("only-next").exists());
    let refused = fs::write(dir.join("x"), "x").expect_err("read-only");
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    umount(&host, &dir, "").expect_code(0);

    let dir = mount(&host, &url, "old", &format!("--at {first}"));
    assert!(!dir.join("only-next").exists());
    assert!(fs::write(dir.join("x"), "x").is_err(), "a commit is not a branch");
    umount(&host, &dir, "").expect_code(0);
    assert_sound(&repo);
}

#[test]
fn a_shallow_mount_holds_only_what_was_asked_and_can_push() {
    if !support::can_mount("a_shallow_mount_holds_only_what_was_asked_and_can_push") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("widgets.git");
    let builder = support::repo::Builder::on(&repo);
    let mut tip = history(&repo, "main")[0].clone();
    let tree = builder.git(&["rev-parse", "main^{tree}"]);
    for number in 0..20 {
        tip = builder.commit(&tree, &[&tip], &format!("change {number}"));
    }
    builder.branch("main", &tip);
    let host = Host::new();
    let dir = mount(&host, &server.url("widgets.git"), "shallow", "--depth 2");
    assert_eq!(host.git(&dir, &["rev-list", "--count", "HEAD"]), "2");
    fs::write(dir.join("new"), "new\n").expect("write");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 22);
    assert_sound(&repo);
}
