//! The test servers themselves, driven by plain git: what a test of toft relies on must hold
//! without toft.

#![allow(clippy::disallowed_methods, reason = "tests start children")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use support::proxy::{Mode, Proxy};
use support::{GitProgram, Host, Kind, Server, Tree};

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

/// Clones with plain git, which must work.
fn clone(host: &Host, url: &str, name: &str) -> PathBuf {
    host.git(&host.path("work"), &["clone", "-q", url, name]);
    host.path("work").join(name)
}

fn round_trip(kind: Kind, git: GitProgram) {
    let server = Server::start(kind);
    let repo = server.seeded("dir/r.git");
    let host = Host::with_git(git);
    server.introduce_to(&host);
    server.sign_in_git(&host);
    let first = clone(&host, &server.url("dir/r.git"), "first");
    fs::write(first.join("new"), "new\n").expect("write");
    host.git(&first, &["add", "-A"]);
    host.git(&first, &["commit", "-q", "-m", "second"]);
    host.git(&first, &["push", "-q", "origin", "HEAD"]);

    let other = host.another();
    let second = clone(&other, &server.url("dir/r.git"), "second");
    Tree::read(&second).for_git().assert_equals(&Tree::read(&first).for_git());
    host.git(&repo, &["fsck", "--strict"]);
}

#[test]
fn each_server_can_be_cloned_from_and_pushed_to_with_each_git() {
    for kind in Kind::ALL {
        for git in GitProgram::installed() {
            round_trip(kind, git);
        }
    }
}

#[test]
fn both_gits_of_the_machine_are_told_apart() {
    let version = |git| {
        let host = Host::with_git(git);
        host.git(&host.path("work"), &["version"])
    };
    let versions: Vec<String> = GitProgram::installed().into_iter().map(version).collect();
    assert!(versions.iter().all(|line| line.starts_with("git version 2.")), "{versions:?}");
    if versions.len() < 2 {
        support::skip("both_gits_of_the_machine_are_told_apart", "only one git is installed");
    } else {
        assert_ne!(versions[0], versions[1]);
    }
}

fn base64(text: &str) -> String {
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", "printf %s \"$0\" | base64 -w0", text]).output();
    String::from_utf8(output.expect("sh runs").stdout).expect("base64 is text")
}

#[test]
fn secrets_expire_and_are_renewed_while_the_server_runs() {
    for (kind, old, new) in [
        (Kind::HttpsBasic, "ana:correct-horse", "bob:battery-staple"),
        (Kind::HttpsBearer, "token-of-the-first-hour", "token-of-the-second-hour"),
    ] {
        let server = Server::start(kind);
        server.seeded("r.git");
        let host = Host::new();
        server.introduce_to(&host);
        let reads = |secret: &str| {
            let header = match kind {
                Kind::HttpsBasic => format!("Basic {}", base64(secret)),
                _ => format!("Bearer {secret}"),
            };
            let header = format!("http.extraHeader=Authorization: {header}");
            let url = server.url("r.git");
            host.try_git(&host.path("work"), &["-c", &header, "ls-remote", &url]).code == 0
        };
        assert!(reads(old) && !reads(new), "{kind:?}");
        server.accept(&[new]);
        assert!(!reads(old) && reads(new), "{kind:?}");
        server.accept(&[old, new]);
        assert!(reads(old) && reads(new), "{kind:?}");
    }
}

#[test]
fn nobody_comes_in_without_a_secret_or_a_known_certificate() {
    for kind in [Kind::HttpsBasic, Kind::HttpsBearer, Kind::Ssh] {
        let server = Server::start(kind);
        server.seeded("r.git");
        let stranger = Host::new();
        stranger.configure("core.sshCommand", "ssh -F /dev/null -o BatchMode=yes");
        stranger.configure("core.askPass", "/bin/false");
        let url = server.url("r.git");
        let ran = stranger.try_git(&stranger.path("work"), &["ls-remote", &url]);
        assert_ne!(ran.code, 0, "{kind:?}");
        if kind != Kind::Ssh {
            assert!(ran.stderr.contains("certificate"), "{}", ran.stderr);
            server.introduce_to(&stranger);
            let ran = stranger.try_git(&stranger.path("work"), &["ls-remote", &url]);
            assert_ne!(ran.code, 0, "{kind:?}");
            assert!(!ran.stderr.contains("certificate"), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_server_can_go_away_and_come_back_on_its_port() {
    let mut server = Server::start(Kind::Http);
    server.seeded("r.git");
    let (host, url) = (Host::new(), server.url("r.git"));
    let reads = || host.try_git(&host.path("work"), &["ls-remote", &url]).code == 0;
    assert!(reads());
    server.stop();
    assert!(!reads());
    server.resume();
    assert!(reads());
}

#[test]
fn the_proxy_forwards_refuses_hangs_and_resets() {
    let server = Server::start(Kind::Http);
    server.seeded("r.git");
    let proxy = Proxy::start(server.port());
    let host = Host::new();
    let url = server.url_at("r.git", proxy.port());
    let ls = || host.try_git(&host.path("work"), &["ls-remote", &url]);
    assert_eq!(ls().code, 0);
    assert_eq!(proxy.connections(), 1);

    proxy.set(Mode::Refuse);
    let said = ls().stderr;
    assert!(said.contains("Failed to connect") || said.contains("refused"), "{said}");

    proxy.set(Mode::Reset);
    let said = ls().stderr;
    assert!(said.contains("reset by peer") || said.contains("Recv failure"), "{said}");

    proxy.set(Mode::ResetAfter(40));
    assert_ne!(ls().code, 0);

    proxy.set(Mode::Hang);
    let mut command = host.command("timeout");
    command.args(["1", "git", "ls-remote", &url]);
    assert_eq!(host.run(command).code, 124);

    proxy.set(Mode::Delay(20));
    assert_eq!(ls().code, 0);
    proxy.set(Mode::Forward);
    assert_eq!(ls().code, 0);
}

#[test]
fn nothing_of_a_host_or_a_server_outlives_it() {
    let server = Server::start(Kind::HttpsBasic);
    let place = server.path("");
    assert!(!support::mounts::processes_of(&place).is_empty());
    drop(server);
    assert!(support::mounts::processes_of(&place).is_empty());
    assert!(!place.exists());

    let host = Host::new();
    let place = host.path("work");
    let mut command = host.command("sleep");
    let mut left_behind = command.arg("1000").spawn().expect("sleep runs");
    if support::is_root() {
        let mut command = host.command("mount");
        command.args(["-t", "tmpfs", "left", text(&host.folder("a b\\c"))]);
        host.run(command).ok();
        assert_eq!(support::mounts::at(&place.join("a b\\c")).expect("mounted").source, "left");
    }
    drop(host);
    left_behind.wait().expect("it ended");
    assert!(support::mounts::below(&place).is_empty());
    assert!(!place.exists());
}
