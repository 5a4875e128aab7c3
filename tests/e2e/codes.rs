//! The exit codes of the contract, each by a real command.

use super::support::proxy::{Mode, Proxy};
use super::support::{self, Host, Kind, Ran, Server};
use super::work::{assert_sound, guest, history, mount, status, text, try_mount, umount};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each code with a way to get it; every way checks its code itself.
const WAYS: &[(u8, fn())] = &[
    (0, everything_pushed),
    (1, no_such_workspace),
    (2, no_such_flag),
    (69, nobody_listens),
    (75, held_by_a_live_mount),
    (76, the_remote_is_gone),
    (77, credentials_refused),
    (78, both_sides_changed_the_same),
    (79, a_guard_refuses),
    (124, the_remote_hangs),
];

#[test]
fn every_exit_code_of_the_help_is_one_that_commands_end_with() {
    if !support::can_mount("every_exit_code_of_the_help_is_one_that_commands_end_with") {
        return;
    }
    let help = Host::new().toft("--help").ok();
    let listed = help.split("Exit codes:").nth(1).expect("exit codes in the help");
    let listed = listed.lines().skip(1).take_while(|line| line.starts_with("  "));
    let listed = listed.filter_map(|line| line.split_whitespace().next());
    let listed: BTreeSet<u8> = listed.map(|code| code.parse().expect("a code")).collect();
    assert_eq!(listed, WAYS.iter().map(|(code, _)| *code).collect::<BTreeSet<u8>>());
    for (code, way) in WAYS {
        eprintln!("exit code {code}");
        way();
    }
}

/// `toft VERB DIR`.
fn at(host: &Host, verb: &str, dir: &Path) -> Ran {
    let words = verb.split(' ').chain([text(dir)]);
    host.toft_with(&words.collect::<Vec<_>>())
}

/// A mount of a new repository at a path, with a new file in it.
fn edited() -> (Server, PathBuf, Host, PathBuf) {
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join("new"), "new\n").expect("write");
    (server, repo, host, dir)
}

fn everything_pushed() {
    let (_server, repo, host, dir) = edited();
    for verb in ["commit", "push", "flush", "umount"] {
        at(&host, verb, &dir).expect_code(0);
    }
    assert_eq!(history(&repo, "main").len(), 2);
}

fn no_such_workspace() {
    let host = Host::new();
    for verb in ["umount", "flush", "commit", "push"] {
        at(&host, verb, &host.path("work/none")).expect_code(1);
    }
}

fn no_such_flag() {
    let host = Host::new();
    for verb in ["umount", "flush", "commit", "push"] {
        at(&host, &format!("{verb} --frobnicate"), &host.path("work")).expect_code(2);
    }
}

fn nobody_listens() {
    let host = Host::new();
    let url = format!("http://127.0.0.1:{}/r.git", support::server::free_port());
    try_mount(&host, &url, &host.path("work/r"), "").expect_code(69);
}

fn held_by_a_live_mount() {
    let (_server, _repo, host, dir) = edited();
    let report = status(&host, text(&dir));
    let id = report["workspace"]["id"].as_str().expect("an id");
    at(&host, &format!("mount --workspace {id}"), &host.path("work/elsewhere")).expect_code(75);
    host.toft_with(&["rm", id]).expect_code(75);
}

fn the_remote_is_gone() {
    for last in ["umount", "flush", "push"] {
        let (server, repo, host, dir) = edited();
        let away = server.path("away");
        fs::rename(&repo, &away).expect("rename");
        at(&host, "commit", &dir).expect_code(0);
        let ran = at(&host, last, &dir).expect_code(76);
        assert!(ran.stderr.contains("queued and safe"), "{}", ran.stderr);
        fs::rename(&away, &repo).expect("rename");
        host.toft("recover").expect_code(0);
        if last != "umount" {
            umount(&host, &dir, "").expect_code(0);
        }
        assert_eq!(history(&repo, "main").len(), 2, "{last}");
        assert_sound(&repo);
    }
}

fn credentials_refused() {
    let server = Server::start(Kind::HttpsBasic);
    let repo = server.seeded("r.git");
    let (host, flags) = guest(&server, Host::new());
    let dir = mount(&host, &server.url("r.git"), "r", &flags);
    server.accept(&["ana:another"]);
    fs::write(dir.join("new"), "new\n").expect("write");
    for verb in ["flush", "push", "umount"] {
        let ran = at(&host, verb, &dir).expect_code(77);
        assert!(ran.stderr.contains("fix:"), "{}", ran.stderr);
    }
    try_mount(&host, &server.url("r.git"), &host.path("work/two"), &flags).expect_code(77);
    assert_eq!(history(&repo, "main").len(), 1);
}

/// The conflict stays one, whoever is asked how often, until somebody merges.
fn both_sides_changed_the_same() {
    for first in ["flush", "push", "umount"] {
        let (server, repo, ben, his) = edited();
        let ana = Host::new();
        let hers = mount(&ana, &server.url("r.git"), "r", "");
        fs::write(hers.join("README"), "hers\n").expect("write");
        fs::write(his.join("README"), "his\n").expect("write");
        umount(&ana, &hers, "").expect_code(0);
        at(&ben, "commit", &his).expect_code(0);
        let ran = at(&ben, first, &his).expect_code(78);
        assert!(ran.stderr.contains("README") && ran.stderr.contains("fix:"), "{}", ran.stderr);
        let side = ["for-each-ref", "--format=%(refname)", "refs/heads/toft/conflict"];
        let sides = ana.git(&repo, &side);
        assert_eq!(sides.lines().count(), 1, "{sides}");
        assert_eq!(ana.git(&repo, &["show", &format!("{sides}:README")]), "his");
        assert_eq!(ana.git(&repo, &["show", "main:README"]), "hers");
        if first != "umount" {
            umount(&ben, &his, "").expect_code(78);
            assert_eq!(ana.git(&repo, &side), sides, "one side branch is enough");
        }
        assert!(support::mounts::below(&ben.path("work")).is_empty());
        assert!(ben.toft("list").ok().contains("w-"), "the workspace is kept");
        assert_sound(&repo);
    }
}

fn a_guard_refuses() {
    let (_server, repo, host, dir) = edited();
    fs::write(dir.join(".env"), "TOKEN=1\n").expect("write");
    for verb in ["commit", "flush", "umount"] {
        let ran = at(&host, verb, &dir).expect_code(79);
        assert!(ran.stderr.contains("--allow"), "{}", ran.stderr);
    }
    assert!(support::mounts::at(&dir).is_some(), "it stays mounted");
    at(&host, "umount --allow secret", &dir).expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
}

fn the_remote_hangs() {
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let proxy = Proxy::start(server.port());
    let host = Host::new();
    let dir = mount(&host, &server.url_at("r.git", proxy.port()), "r", "");
    fs::write(dir.join("new"), "new\n").expect("write");
    proxy.set(Mode::Hang);
    for verb in ["flush --timeout 1", "umount --timeout 1"] {
        at(&host, verb, &dir).expect_code(124);
    }
    proxy.set(Mode::Forward);
    host.toft("recover").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
}
