//! Mounts in which the kernel writes to files by itself: nothing is missed, nothing is lost.

use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, history, mount, status, text, try_mount, umount};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const LEN: usize = 300_000;

fn can(test: &str) -> bool {
    support::can_mount(test) && support::is_root()
}

fn bytes(of: u8) -> Vec<u8> {
    (0..LEN).map(|at| of.wrapping_add((at / 1000) as u8)).collect()
}

fn on_the_remote(host: &Host, repo: &Path, path: &str) -> Vec<u8> {
    let mut command = host.command("git");
    command.args(["cat-file", "blob", &format!("main:{path}")]).current_dir(repo);
    host.run(command).expect_code(0).stdout
}

/// The size stays, the node stays, nobody tells us: each flush has to look.
#[test]
fn each_flush_takes_what_was_written_to_a_file_that_stays_open() {
    if !can("each_flush_takes_what_was_written_to_a_file_that_stays_open") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "-o passthrough");
    let open = File::create(dir.join("log")).expect("create");
    for round in 0..4 {
        open.write_all_at(&bytes(round), 0).expect("write");
        host.toft_with(&["flush", "-m", "round", text(&dir)]).expect_code(0);
        assert!(on_the_remote(&host, &repo, "log") == bytes(round), "round {round}");
        assert_eq!(host.git(&dir, &["status", "--porcelain"]), "");
    }
    // Written after the flush: git sees it, too, though the size is the same.
    open.write_all_at(&bytes(9), 0).expect("write");
    assert_eq!(host.git(&dir, &["status", "--porcelain"]), " M log");
    drop(open);
    umount(&host, &dir, "").expect_code(0);
    assert!(on_the_remote(&host, &repo, "log") == bytes(9));
    assert_sound(&repo);
}

#[test]
fn what_was_acknowledged_outlives_the_daemon() {
    if !can("what_was_acknowledged_outlives_the_daemon") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "-o passthrough");
    let open = File::create(dir.join("log")).expect("create");
    open.write_all_at(&bytes(1), 0).expect("write");
    let small = fs::write(dir.join("small"), "kept\n");
    small.expect("write");
    let pid = status(&host, text(&dir))["daemon"]["pid"].to_string();
    let mut kill = host.command("kill");
    kill.args(["-9", &pid]);
    open.write_all_at(b"last", LEN as u64).expect("write");
    host.run(kill).expect_code(0);
    wait_until("the daemon is dead", || fs::metadata(&dir).is_err());
    drop(open);
    host.toft_with(&["flush", text(&dir)]).expect_code(0);
    let expected = [bytes(1), b"last".to_vec()].concat();
    assert!(on_the_remote(&host, &repo, "log") == expected);
    assert_eq!(on_the_remote(&host, &repo, "small"), b"kept\n");
    umount(&host, &dir, "").expect_code(0);
    assert_sound(&repo);
}

/// What the remote has of a file that is being written here must not take its place.
#[test]
fn a_merge_leaves_alone_what_is_being_written() {
    if !can("a_merge_leaves_alone_what_is_being_written") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let (host, other) = (Host::new(), Host::new());
    let dir = mount(&host, &server.url("r.git"), "r", "-o passthrough");
    fs::write(dir.join("log"), bytes(1)).expect("write");
    host.toft_with(&["flush", text(&dir)]).expect_code(0);
    let theirs = mount(&other, &server.url("r.git"), "theirs", "");
    fs::write(theirs.join("log"), bytes(2)).expect("write");
    umount(&other, &theirs, "").expect_code(0);
    let open = File::options().write(true).open(dir.join("log")).expect("open");
    fs::write(dir.join("mine"), "mine\n").expect("write");
    // The push merges; the file here is not replaced under the writer's hands.
    host.toft_with(&["flush", text(&dir)]);
    open.write_all_at(b"mine", 0).expect("write");
    assert_eq!(&fs::read(dir.join("log")).expect("read")[..4], b"mine");
    drop(open);
    let code = umount(&host, &dir, "").code;
    let tips = host.git(&repo, &["for-each-ref", "--format=%(refname)"]);
    let kept = tips.lines().any(|tip| {
        let log = host.try_git(&repo, &["cat-file", "blob", &format!("{tip}:log")]);
        log.stdout.starts_with(b"mine")
    });
    assert!(kept, "code {code}, {tips}");
    assert!(history(&repo, "main").len() > 2);
    assert_sound(&repo);
}

/// Says so however its scope is left.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_file_that_is_cut_while_it_is_read_fails_no_commit_and_no_fork() {
    if !can("a_file_that_is_cut_while_it_is_read_fails_no_commit_and_no_fork") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "-o passthrough");
    fs::write(dir.join(".gitattributes"), "converted text\n").expect("write");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = Ends(&ended);
        for name in ["cut", "converted"] {
            let (file, ended) = (File::create(dir.join(name)).expect("create"), &ended);
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    file.write_all_at(&[b'x'; LEN], 0).expect("write");
                    file.set_len(10).expect("cut");
                }
            });
        }
        for round in 0..20 {
            host.toft_with(&["commit", "-m", "round", text(&dir)]).expect_code(0);
            let name = format!("fork{round}");
            host.toft_with(&["fork", text(&dir), &name]).expect_code(0);
        }
    });
    umount(&host, &dir, "").expect_code(0);
    for name in ["cut", "converted"] {
        assert_eq!(on_the_remote(&host, &repo, name), [b'x'; 10]);
    }
    assert_sound(&repo);
}

#[test]
fn it_is_for_root_and_for_one_workspace() {
    if !can("it_is_for_root_and_for_one_workspace") {
        return;
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    if support::can_mount_as_user("it_is_for_root_and_for_one_workspace") {
        let user = Host::ordinary_user();
        let dir = user.path("work/r");
        let ran = try_mount(&user, &server.url("r.git"), &dir, "-o passthrough").expect_code(2);
        assert!(ran.stderr.contains("only root may"), "{}", ran.stderr);
        assert!(ran.stderr.contains("fix:"), "{}", ran.stderr);
    }
    let host = Host::new();
    let (root, url) = (host.path("work/root"), server.url("r.git"));
    let words = ["serve", text(&root), "--template", &url, "-o", "passthrough"];
    let ran = host.toft_with(&words).expect_code(2);
    assert!(ran.stderr.contains("a mount of many workspaces cannot"), "{}", ran.stderr);
}
