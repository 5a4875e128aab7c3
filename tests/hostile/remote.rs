//! T7: a remote that lies.

use super::support::{self, Host, Kind, Server};
use super::work::{assert_sound, history, mount, text, umount};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn hook(repo: &Path, name: &str, script: &str) {
    fs::create_dir_all(repo.join("hooks")).expect("mkdir");
    let path = repo.join("hooks").join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

#[test]
fn a_remote_that_takes_a_push_and_forgets_it_gets_it_again() {
    if !support::can_mount("a_remote_that_takes_a_push_and_forgets_it") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let first = host.git(&repo, &["rev-parse", "main"]);
    let dir = mount(&host, &server.url("r.git"), "r", "");
    hook(&repo, "post-receive", &format!("git update-ref refs/heads/main {first}"));
    fs::write(dir.join("a"), "a\n").expect("write");
    host.toft_with(&["flush", text(&dir)]);
    assert_eq!(history(&repo, "main"), [first]);
    fs::remove_file(repo.join("hooks/post-receive")).expect("rm");
    fs::write(dir.join("b"), "b\n").expect("write");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(host.git(&repo, &["show", "main:a"]), "a");
    assert_eq!(host.git(&repo, &["show", "main:b"]), "b");
    assert_sound(&repo);
}

#[test]
fn a_remote_that_moves_backwards_loses_nothing_of_ours() {
    if !support::can_mount("a_remote_that_moves_backwards_loses_nothing_of_ours") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let first = host.git(&repo, &["rev-parse", "main"]);
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join("a"), "a\n").expect("write");
    host.toft_with(&["flush", text(&dir)]).expect_code(0);
    // another history takes the place of what we pushed
    let tree = host.git(&repo, &["rev-parse", &format!("{first}^{{tree}}")]);
    let other = host.git(&repo, &["commit-tree", "-m", "other", "-p", &first, &tree]);
    host.git(&repo, &["update-ref", "refs/heads/main", &other]);
    fs::write(dir.join("b"), "b\n").expect("write");
    let ran = umount(&host, &dir, "");
    assert!([0, 78].contains(&ran.code), "{}: {}", ran.code, ran.stderr);
    // what stands there was not pushed over, and ours is there, on the branch or beside it
    host.try_git(&repo, &["merge-base", "--is-ancestor", &other, "main"]).expect_code(0);
    let holding = host.git(&repo, &["log", "--all", "--format=%H", "--", "b"]);
    let ours = holding.lines().next().expect("our commit is on the remote");
    assert_eq!(host.git(&repo, &["show", &format!("{ours}:a")]), "a");
    assert_sound(&repo);
}

#[test]
fn what_a_remote_says_reaches_no_terminal_as_it_is() {
    if !support::can_mount("what_a_remote_says_reaches_no_terminal") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    let say =
        r"printf '\033]0;owned\007\033[2Jread me\033[8m\302\2332Jhidden\342\200\256\n' >&2; exit 1";
    hook(&repo, "pre-receive", say);
    fs::write(dir.join("a"), "a\n").expect("write");
    let flushed = host.toft_with(&["flush", text(&dir)]).expect_code(76);
    let shown = host.toft_with(&["status", text(&dir)]);
    let json = host.toft_with(&["status", "--json", text(&dir)]);
    assert!(flushed.stderr.contains("read me"), "{}", flushed.stderr);
    for ran in [flushed, shown, json] {
        let said = ran.text() + &ran.stderr;
        let control = |char: char| char.is_control() && char != '\n' && char != '\t';
        assert!(!said.contains(control) && !said.contains('\u{202e}'), "{said:?}");
        assert!(!said.contains("\\u001b") && !said.contains("owned"), "{said:?}");
    }
    let log = super::canary::everything_below(&host.path("state"));
    let logs = log.iter().filter(|(path, _)| path.ends_with(".log"));
    for (path, bytes) in logs {
        assert!(!bytes.contains(&0x1b), "{path}");
    }
    fs::remove_file(repo.join("hooks/pre-receive")).expect("rm");
    umount(&host, &dir, "").expect_code(0);
    assert_sound(&repo);
}
