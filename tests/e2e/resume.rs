//! A workspace is taken up again although something around it is gone: its store, files of its
//! gitdir that git had not synced.

use super::support::{self, Host, Kind, Server};
use super::work::{assert_sound, history, mount, status, text, umount};
use std::fs;
use std::path::{Path, PathBuf};

/// Leaves a workspace with a commit that is not pushed and a file that is not committed.
fn leave(host: &Host, server: &Server) -> (PathBuf, String) {
    let dir = mount(host, &server.url("r.git"), "r", "--flush-on manual");
    fs::write(dir.join("committed"), "1\n").expect("write");
    host.toft_with(&["commit", text(&dir), "-m", "kept here"]).expect_code(0);
    fs::write(dir.join("README"), "changed\n").expect("write");
    let id = status(host, text(&dir))["workspace"]["id"].as_str().expect("an id").to_owned();
    let mut end = host.command("sh");
    end.args(["-c", "kill -TERM $0; while kill -0 $0 2>/dev/null; do sleep 0.1; done"]);
    end.arg(status(host, text(&dir))["daemon"]["pid"].to_string());
    host.run(end).expect_code(0);
    assert!(support::mounts::below(&host.path("work")).is_empty());
    (dir, id)
}

fn assert_all_is_there(host: &Host, server: &Server, repo: &Path, dir: &Path) {
    mount(host, &server.url("r.git"), "r", "");
    assert_eq!(fs::read_to_string(dir.join("committed")).expect("read"), "1\n");
    assert_eq!(fs::read_to_string(dir.join("README")).expect("read"), "changed\n");
    assert!(fs::read_to_string(dir.join("src/main.c")).is_ok(), "the base is there");
    assert_eq!(host.git(dir, &["log", "-1", "--format=%s"]), "kept here");
    umount(host, dir, "").expect_code(0);
    assert_eq!(history(repo, "main").len(), 3);
    assert_eq!(host.git(repo, &["show", "main:README"]), "changed");
    assert_sound(repo);
}

#[test]
fn a_cache_that_was_deleted_is_fetched_again() {
    if !support::can_mount("a_cache_that_was_deleted_is_fetched_again") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let (dir, _) = leave(&host, &server);
    fs::remove_dir_all(host.path("cache")).expect("rm");
    assert_all_is_there(&host, &server, &repo, &dir);
}

#[test]
fn a_deleted_cache_stops_no_flush_of_a_workspace_at_rest() {
    if !support::can_mount("a_deleted_cache_stops_no_flush_of_a_workspace_at_rest") {
        return;
    }
    for command in ["flush", "recover"] {
        let server = Server::start(Kind::Http);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let (_, id) = leave(&host, &server);
        fs::remove_dir_all(host.path("cache")).expect("rm");
        let words: &[&str] = if command == "flush" { &["flush", &id] } else { &["recover"] };
        host.toft_with(words).expect_code(0);
        assert_eq!(history(&repo, "main").len(), 3, "{command}");
        assert_sound(&repo);
    }
}

#[test]
fn a_cache_that_moved_is_found_where_it_is_now() {
    if !support::can_mount("a_cache_that_moved_is_found_where_it_is_now") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let (_, id) = leave(&host, &server);
    let moved = host.path("elsewhere");
    fs::rename(host.path("cache"), &moved).expect("mv");
    host.toft_with(&["--cache-dir", text(&moved), "flush", &id]).expect_code(0);
    assert_eq!(history(&repo, "main").len(), 3);
    assert_sound(&repo);
}

#[test]
fn without_cache_and_remote_it_says_so_and_loses_nothing() {
    if !support::can_mount("without_cache_and_remote_it_says_so_and_loses_nothing") {
        return;
    }
    let mut server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let (dir, id) = leave(&host, &server);
    fs::remove_dir_all(host.path("cache")).expect("rm");
    server.stop();
    let failed = host.toft_with(&["mount", "--workspace", &id]).expect_code(69);
    assert!(failed.stderr.contains("gone from the cache"), "{}", failed.stderr);
    server.resume();
    assert_all_is_there(&host, &server, &repo, &dir);
}

/// git syncs neither refs nor HEAD unless told to: after power loss they can be there, and empty.
#[test]
fn a_gitdir_whose_files_power_loss_emptied_is_put_right() {
    if !support::can_mount("a_gitdir_whose_files_power_loss_emptied_is_put_right") {
        return;
    }
    for victims in [&["HEAD", "index"][..], &["refs/heads/main", "index"], &["config", "HEAD"]] {
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let (dir, id) = leave(&host, &server);
        for victim in victims {
            fs::write(host.path("state/workspaces").join(&id).join("gitdir").join(victim), "")
                .expect("empty it");
        }
        assert_all_is_there(&host, &server, &repo, &dir);
    }
}
