//! A mount whose daemon died: nothing is written past it, and its work is reached all the same.

use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, history, mount, status, text, umount};
use std::fs;
use std::path::{Path, PathBuf};

/// A mount at a folder that was there before, with a change in it; its daemon was killed.
fn killed() -> (Server, PathBuf, Host, PathBuf) {
    killed_with("work")
}

fn killed_with(file: &str) -> (Server, PathBuf, Host, PathBuf) {
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    host.folder("r");
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join(file), "work\n").expect("write");
    let pid = status(&host, text(&dir))["daemon"]["pid"].to_string();
    let mut kill = host.command("kill");
    kill.args(["-9", &pid]);
    host.run(kill).expect_code(0);
    wait_until("the daemon is dead", || fs::metadata(&dir).is_err());
    (server, repo, host, dir)
}

/// Whoever goes on writing gets an error, and no file in the folder below.
fn assert_in_the_way(dir: &Path) {
    let error = fs::write(dir.join("lost"), "lost\n").expect_err("nobody serves it");
    assert_eq!(error.kind(), std::io::ErrorKind::NotConnected, "{error}");
    assert!(support::mounts::at(dir).is_some());
}

#[test]
fn a_dead_mount_stays_in_the_way_until_it_is_unmounted() {
    if !support::can_mount("a_dead_mount_stays_in_the_way_until_it_is_unmounted") {
        return;
    }
    let (_server, repo, host, dir) = killed();
    for verb in ["status", "diff", "log", "commit", "push", "flush"] {
        let ran = host.toft_with(&[verb, text(&dir)]).expect_code(0);
        assert_in_the_way(&dir);
        if ["status", "commit", "push", "flush"].contains(&verb) {
            let said = format!("{}{}", ran.text(), ran.stderr);
            assert!(said.contains("daemon of this mount is gone"), "{verb}: {said}");
            assert!(said.contains("fix:"), "{verb}: {said}");
        }
    }
    assert_eq!(history(&repo, "main").len(), 2, "its work is on the remote");
    assert_eq!(status(&host, text(&dir))["daemon"]["state"], "dead");
    assert_eq!(status(&host, text(&dir))["durability"]["pushed"], true);
    umount(&host, &dir, "").expect_code(0);
    assert!(support::mounts::below(&host.path("work")).is_empty());
    assert_eq!(fs::read_dir(&dir).expect("the folder is there").count(), 0, "as it was");
    assert!(!host.toft("list").ok().contains("w-"), "nothing is left");
    assert_sound(&repo);
}

#[test]
fn a_dead_mount_that_was_flushed_is_mounted_again() {
    if !support::can_mount("a_dead_mount_that_was_flushed_is_mounted_again") {
        return;
    }
    for way in ["mount", "recover"] {
        let (server, repo, host, dir) = killed();
        host.toft_with(&["flush", text(&dir)]).expect_code(0);
        if way == "recover" {
            host.toft("recover").expect_code(0);
            assert_eq!(fs::read_dir(&dir).expect("the folder is there").count(), 0);
        }
        mount(&host, &server.url("r.git"), "r", "");
        assert_eq!(fs::read_to_string(dir.join("work")).expect("read"), "work\n");
        fs::write(dir.join("more"), "more\n").expect("write");
        umount(&host, &dir, "").expect_code(0);
        assert_eq!(history(&repo, "main").len(), 3);
        assert_sound(&repo);
    }
}

#[test]
fn a_dead_mount_is_not_removed_while_it_holds_work() {
    if !support::can_mount("a_dead_mount_is_not_removed_while_it_holds_work") {
        return;
    }
    let (_server, repo, host, dir) = killed();
    let ran = host.toft_with(&["rm", text(&dir)]).expect_code(76);
    assert!(ran.stderr.contains("1 new"), "{}", ran.stderr);
    assert_in_the_way(&dir);
    host.toft_with(&["rm", "--discard", text(&dir)]).expect_code(0);
    assert!(support::mounts::below(&host.path("work")).is_empty());
    assert_eq!(history(&repo, "main").len(), 1);
}

#[test]
fn a_guard_keeps_a_dead_mount_as_it_keeps_a_live_one() {
    if !support::can_mount("a_guard_keeps_a_dead_mount_as_it_keeps_a_live_one") {
        return;
    }
    let (_server, repo, host, dir) = killed_with(".env");
    let ran = umount(&host, &dir, "").expect_code(79);
    assert!(ran.stderr.contains("--allow secret"), "{}", ran.stderr);
    assert_in_the_way(&dir);
    umount(&host, &dir, "--allow secret").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
    assert!(support::mounts::below(&host.path("work")).is_empty());
}
