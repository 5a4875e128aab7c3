//! What the kernel shows of a mount, and the ways of the kernel to end it.

use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, history, mount, status, text, umount};
use std::fs;

#[test]
fn findmnt_shows_the_type_and_the_source_with_its_branch() {
    if !support::can_mount("findmnt_shows_the_type_and_the_source_with_its_branch") {
        return;
    }
    let server = Server::start(Kind::Http);
    server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    let mut findmnt = host.command("findmnt");
    findmnt.args(["-n", "-o", "FSTYPE,SOURCE", text(&dir)]);
    let shown = host.run(findmnt).ok();
    let words: Vec<&str> = shown.split_whitespace().collect();
    assert_eq!(words, ["fuse.toft", &format!("{}#main", server.url("r.git"))]);
    let report = status(&host, text(&dir));
    assert_eq!(report["schema"], "toft.status/1");
    assert_eq!(report["kernel_mount"], true);
    assert_eq!(report["fstype"], "fuse.toft");
    assert_eq!(report["daemon"]["state"], "ok");
    umount(&host, &dir, "").expect_code(0);
}

#[test]
fn the_kernels_own_unmounts_lose_nothing() {
    if !support::can_mount("the_kernels_own_unmounts_lose_nothing") {
        return;
    }
    let ways: &[&[&str]] = match support::is_root() {
        true => &[&["fusermount3", "-u"], &["umount"], &["umount", "-l"]],
        false => &[&["fusermount3", "-u"], &["fusermount3", "-u", "-z"]],
    };
    for way in ways {
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let dir = mount(&host, &server.url("r.git"), "r", "");
        fs::write(dir.join("work"), "work\n").expect("write");
        let mut command = host.command(way[0]);
        command.args(&way[1..]).arg(&dir);
        host.run(command).expect_code(0);
        // a plain umount cannot wait: the daemon flushes right after
        wait_until("the remote has it", || history(&repo, "main").len() == 2);
        wait_until("the daemon is gone", || host.processes().is_empty());
        assert_eq!(host.git(&repo, &["show", "main:work"]), "work");
        assert_sound(&repo);
    }
}

#[test]
fn a_daemon_that_is_told_to_end_flushes_first() {
    if !support::can_mount("a_daemon_that_is_told_to_end_flushes_first") {
        return;
    }
    for signal in ["TERM", "INT"] {
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let dir = mount(&host, &server.url("r.git"), "r", "");
        fs::write(dir.join("work"), "work\n").expect("write");
        let pid = status(&host, text(&dir))["daemon"]["pid"].to_string();
        let mut kill = host.command("kill");
        kill.args([&format!("-{signal}"), &pid]);
        host.run(kill).expect_code(0);
        wait_until("the daemon is gone", || host.processes().is_empty());
        assert_eq!(history(&repo, "main").len(), 2, "{signal}");
        assert!(support::mounts::below(&host.path("work")).is_empty());
        assert_sound(&repo);
    }
}

#[test]
fn a_killed_daemon_leaves_all_that_was_acked_to_recover() {
    if !support::can_mount("a_killed_daemon_leaves_all_that_was_acked_to_recover") {
        return;
    }
    for next in ["mount", "recover", "umount"] {
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let url = server.url("r.git");
        let dir = mount(&host, &url, "r", "");
        fs::write(dir.join("work"), "work\n").expect("write");
        fs::rename(dir.join("README"), dir.join("READ ME")).expect("rename");
        let pid = status(&host, text(&dir))["daemon"]["pid"].to_string();
        let mut kill = host.command("kill");
        kill.args(["-9", &pid]);
        host.run(kill).expect_code(0);
        match next {
            "mount" => {
                mount(&host, &url, "r", "");
                assert_eq!(fs::read_to_string(dir.join("work")).expect("read"), "work\n");
                umount(&host, &dir, "").expect_code(0);
            }
            "recover" => drop(host.toft("recover").expect_code(0)),
            _ => drop(umount(&host, &dir, "").expect_code(0)),
        }
        wait_until("the remote has it", || history(&repo, "main").len() == 2);
        assert_eq!(host.git(&repo, &["show", "main:work"]), "work", "{next}");
        assert_eq!(host.git(&repo, &["show", "main:READ ME"]), "hello", "{next}");
        assert!(support::mounts::below(&host.path("work")).is_empty(), "{next}");
        assert_sound(&repo);
    }
}

/// A process that was killed holds its locks until the last of it is gone.
#[test]
fn recover_waits_for_a_daemon_that_is_still_dying() {
    if !support::can_mount("recover_waits_for_a_daemon_that_is_still_dying") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join("work"), "work\n").expect("write");
    let report = status(&host, text(&dir));
    let (pid, id) = (report["daemon"]["pid"].to_string(), &report["workspace"]["id"]);
    let lock = host.path("state/workspaces").join(id.as_str().expect("id")).join("lock");
    assert!(lock.exists(), "{}", lock.display());
    let mut kill = host.command("sh");
    kill.args(["-c", "kill -9 $0; while ! flock -n $1 true; do sleep 0.1; done"]);
    kill.args([&pid, text(&lock)]);
    host.run(kill).expect_code(0);
    let mut dying = host.command("flock").args([text(&lock), "sleep", "2"]).spawn().expect("flock");
    let mut held = host.command("flock");
    held.args(["-n", text(&lock), "true"]);
    wait_until("the lock is held", || !held.status().expect("flock").success());
    host.toft("recover").expect_code(0);
    dying.wait().expect("wait");
    assert_eq!(host.git(&repo, &["show", "main:work"]), "work");
    assert_sound(&repo);
}
