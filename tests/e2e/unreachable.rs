//! The remote is away, slow, or says no: writes do not wait, nothing is lost, codes tell.

use super::support::proxy::{Mode, Proxy};
use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, history, mount, status, text, try_mount, umount};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

#[test]
fn a_remote_that_is_away_at_umount_gets_the_commit_later() {
    if !support::can_mount("a_remote_that_is_away_at_umount_gets_the_commit_later") {
        return;
    }
    for mode in [Mode::Refuse, Mode::Reset] {
        let server = Server::start(Kind::Http);
        let repo = server.seeded("r.git");
        let proxy = Proxy::start(server.port());
        let host = Host::new();
        let dir = mount(&host, &server.url_at("r.git", proxy.port()), "r", "");
        fs::write(dir.join("work"), "work\n").expect("write");
        proxy.set(mode);
        umount(&host, &dir, "").expect_code(76);
        assert!(support::mounts::below(&host.path("work")).is_empty());
        assert_eq!(history(&repo, "main").len(), 1);
        proxy.set(Mode::Forward);
        host.toft("recover").expect_code(0);
        wait_until("the remote has it", || history(&repo, "main").len() == 2);
        assert_sound(&repo);
    }
}

#[test]
fn a_push_that_breaks_off_anywhere_is_delivered_once() {
    if !support::can_mount("a_push_that_breaks_off_anywhere_is_delivered_once") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let proxy = Proxy::start(server.port());
    let host = Host::new();
    let dir = mount(&host, &server.url_at("r.git", proxy.port()), "r", "--flush-on manual");
    for (number, bytes) in [0_u64, 1, 50, 150, 250, 400, 600].into_iter().enumerate() {
        fs::write(dir.join("count"), number.to_string()).expect("write");
        proxy.set(Mode::ResetAfter(bytes));
        let code = host.toft_with(&["flush", text(&dir)]).code;
        assert!([0, 76].contains(&code), "{code}");
        proxy.set(Mode::Forward);
        host.toft_with(&["push", text(&dir)]).expect_code(0);
        assert_eq!(history(&repo, "main").len(), number + 2, "after {bytes} bytes");
    }
    umount(&host, &dir, "").expect_code(0);
    assert_sound(&repo);
}

#[test]
fn a_daemon_delivers_by_itself_when_the_remote_comes_back() {
    if !support::can_mount("a_daemon_delivers_by_itself_when_the_remote_comes_back") {
        return;
    }
    let mut server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join("work"), "work\n").expect("write");
    server.stop();
    host.toft_with(&["flush", text(&dir)]).expect_code(76);
    let report = status(&host, text(&dir));
    assert_eq!(report["outbox"]["pending"], 1, "{report}");
    assert!(report["outbox"]["last_error"].is_string(), "{report}");
    assert!(report["outbox"]["next_retry_s"].is_number(), "{report}");
    server.resume();
    wait_until("the remote has it", || history(&repo, "main").len() == 2);
    umount(&host, &dir, "").expect_code(0);
    assert_sound(&repo);
}

#[test]
fn an_umount_waits_no_longer_than_it_was_told() {
    if !support::can_mount("an_umount_waits_no_longer_than_it_was_told") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let proxy = Proxy::start(server.port());
    let host = Host::new();
    let dir = mount(&host, &server.url_at("r.git", proxy.port()), "r", "");
    fs::write(dir.join("work"), "work\n").expect("write");
    proxy.set(Mode::Hang);
    let start = Instant::now();
    umount(&host, &dir, "--timeout 2").expect_code(124);
    assert!(start.elapsed() < Duration::from_secs(30));
    assert!(support::mounts::below(&host.path("work")).is_empty());
    proxy.set(Mode::Forward);
    host.toft("recover").expect_code(0);
    wait_until("the remote has it", || history(&repo, "main").len() == 2);
    assert_sound(&repo);
}

#[test]
fn writes_do_not_wait_for_a_remote_that_hangs() {
    if !support::can_mount("writes_do_not_wait_for_a_remote_that_hangs") {
        return;
    }
    let server = Server::start(Kind::Http);
    server.seeded("r.git");
    let proxy = Proxy::start(server.port());
    let host = Host::new();
    let dir = mount(&host, &server.url_at("r.git", proxy.port()), "r", "");
    fs::write(dir.join("work"), "work\n").expect("write");
    proxy.set(Mode::Hang);
    let mut flush = host.command(env!("CARGO_BIN_EXE_toft"));
    flush.args(["flush", text(&dir), "--timeout", "4"]);
    let mut flush = flush.spawn().expect("toft runs");
    wait_until("the push hangs", || proxy.connections() > 1);
    let start = Instant::now();
    for number in 0..100 {
        fs::write(dir.join(format!("f{number}")), "x").expect("write");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    flush.wait().expect("it ends");
    proxy.set(Mode::Forward);
    umount(&host, &dir, "").expect_code(0);
}

#[test]
fn a_hook_that_refuses_is_told_and_nothing_is_lost() {
    if !support::can_mount("a_hook_that_refuses_is_told_and_nothing_is_lost") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let hook = repo.join("hooks/pre-receive");
    fs::create_dir_all(repo.join("hooks")).expect("mkdir");
    fs::write(&hook, "#!/bin/sh\necho 'branch is protected: ask ana' >&2\nexit 1\n")
        .expect("write");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("chmod");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join("work"), "work\n").expect("write");
    let ran = host.toft_with(&["flush", text(&dir)]);
    assert!([1, 76].contains(&ran.code), "{}", ran.code);
    assert!(ran.stderr.contains("ask ana"), "the hook's words are shown: {}", ran.stderr);
    let report = status(&host, text(&dir));
    assert_eq!(report["durability"]["unpushed_commits"], 1, "{report}");
    fs::remove_file(&hook).expect("rm");
    host.toft_with(&["push", text(&dir)]).expect_code(0);
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
    assert_sound(&repo);
}

#[test]
fn a_remote_that_cannot_be_reached_mounts_nothing() {
    if !support::can_mount("a_remote_that_cannot_be_reached_mounts_nothing") {
        return;
    }
    let host = Host::new();
    let dir = host.path("work/r");
    let port = support::server::free_port();
    for url in [format!("http://127.0.0.1:{port}/r.git"), format!("ssh://127.0.0.1:{port}/r.git")] {
        try_mount(&host, &url, &dir, "").expect_code(69);
        assert!(!dir.exists());
    }
}
