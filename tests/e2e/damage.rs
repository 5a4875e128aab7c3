//! Objects that are damaged on disk: an error for the file that they are, never a deletion.

use super::support::hard_cases::{self, Damage};
use super::support::{self, Host, Kind, Server};
use super::work::{assert_sound, history, mount, text, umount};
use std::fs;
use std::path::{Path, PathBuf};

/// The store that holds the objects of the only remote of `host`.
fn store(host: &Host) -> PathBuf {
    let stores = fs::read_dir(host.path("cache/stores")).expect("stores");
    let stores: Vec<PathBuf> = stores.flatten().map(|entry| entry.path()).collect();
    let is_repo = |path: &&PathBuf| path.join("objects").is_dir();
    stores.iter().find(is_repo).unwrap_or_else(|| panic!("no store in {stores:?}")).clone()
}

fn blob(host: &Host, repo: &Path, path: &str) -> String {
    host.git(repo, &["rev-parse", &format!("main:{path}")])
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_commit_that_deletes_it() {
    if !support::can_mount("a_damaged_file_is_an_error") {
        return;
    }
    for how in Damage::ALL {
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let url = server.url("r.git");
        // a first mount fills the store
        let dir = mount(&host, &url, "warm", "");
        umount(&host, &dir, "").expect_code(0);
        hard_cases::damage(&store(&host), &blob(&host, &repo, "src/main.c"), how);

        let dir = mount(&host, &url, "r", "");
        let error = fs::read(dir.join("src/main.c")).expect_err("damaged");
        assert_eq!(error.raw_os_error(), Some(5), "{how:?}: EIO");
        assert_eq!(fs::read_to_string(dir.join("README")).expect("read"), "hello\n", "{how:?}");
        fs::write(dir.join("new"), "new\n").expect("write");
        let ran = umount(&host, &dir, "");
        if ran.code != 0 {
            assert!([1, 79].contains(&ran.code), "{how:?}: {} {}", ran.code, ran.stderr);
            assert_eq!(history(&repo, "main").len(), 1);
        }
        let names = host.git(&repo, &["ls-tree", "-r", "--name-only", "main"]);
        assert!(names.contains("src/main.c"), "{how:?}: {names}");
        assert_eq!(host.git(&repo, &["show", "main:README"]), "hello", "{how:?}");
        assert_sound(&repo);
        umount(&host, &dir, "--discard");
    }
}

#[test]
fn a_damaged_directory_is_an_error_and_everything_else_works() {
    if !support::can_mount("a_damaged_directory_is_an_error_and_everything_else_works") {
        return;
    }
    for how in Damage::ALL {
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let url = server.url("r.git");
        let dir = mount(&host, &url, "warm", "");
        umount(&host, &dir, "").expect_code(0);
        let _ = fs::remove_dir_all(store(&host).join("toft"));
        hard_cases::damage(&store(&host), &blob(&host, &repo, "src"), how);

        let dir = mount(&host, &url, "r", "");
        let error = fs::read_dir(dir.join("src")).map(Iterator::count).expect_err("damaged");
        assert_eq!(error.raw_os_error(), Some(5), "{how:?}: EIO");
        assert_eq!(fs::read_to_string(dir.join("README")).expect("read"), "hello\n", "{how:?}");
        fs::write(dir.join("new"), "new\n").expect("write");
        let ran = umount(&host, &dir, "");
        if ran.code != 0 {
            assert!([1, 79].contains(&ran.code), "{how:?}: {} {}", ran.code, ran.stderr);
            assert_eq!(history(&repo, "main").len(), 1);
        }
        let names = host.git(&repo, &["ls-tree", "-r", "--name-only", "main"]);
        assert!(names.contains("src/main.c"), "{how:?}: {names}");
        assert_sound(&repo);
        umount(&host, &dir, "--discard");
    }
}

#[test]
fn fsck_finds_what_is_missing_and_says_sound_of_what_is_not() {
    if !support::can_mount("fsck_finds_what_is_missing_and_says_sound_of_what_is_not") {
        return;
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "--flush-on manual");
    fs::write(dir.join("README"), "changed\n").expect("write");
    fs::write(dir.join("large"), "long\n".repeat(100_000)).expect("write");
    fs::rename(dir.join("src"), dir.join("source")).expect("rename");
    let sound = host.toft_with(&["fsck", text(&dir)]).expect_code(0);
    assert!(sound.text().contains("sound"), "{}", sound.text());
    umount(&host, &dir, "--no-push --keep").expect_code(0);
    let id = host.toft("list --json").ok();
    let id: serde_json::Value = serde_json::from_str(&id).expect("json");
    let id = id["workspaces"][0]["id"].as_str().expect("an id").to_owned();
    host.toft_with(&["fsck", &id]).expect_code(0);
    let state = host.path("state/workspaces").join(&id);

    let bodies = fs::read_dir(state.join("bodies/0")).expect("bodies").flatten();
    // Others are made ahead, and empty.
    let body = bodies.max_by_key(|body| body.metadata().expect("stat").len());
    let body = body.expect("a body").path();
    let aside = host.path("work/aside");
    fs::rename(&body, &aside).expect("mv");
    let found = host.toft_with(&["fsck", "--json", &id]).expect_code(1);
    let report: serde_json::Value = serde_json::from_slice(&found.stdout).expect("json");
    let problems = report["problems"].to_string();
    assert!(problems.contains("body"), "{problems}");
    fs::rename(&aside, &body).expect("mv back");
    host.toft_with(&["fsck", &id]).expect_code(0);

    fs::rename(state.join("values"), &aside).expect("mv");
    let found = host.toft_with(&["fsck", "--json", &id]).expect_code(1);
    let report: serde_json::Value = serde_json::from_slice(&found.stdout).expect("json");
    let problems = report["problems"].to_string();
    assert!(problems.contains("segment"), "{problems}");
    fs::remove_dir_all(state.join("values")).expect("rm");
    fs::rename(&aside, state.join("values")).expect("mv back");
    host.toft_with(&["fsck", &id]).expect_code(0);

    fs::rename(host.path("cache"), &aside).expect("mv");
    let found = host.toft_with(&["fsck", &id]).expect_code(1);
    assert!(found.text().contains("git: "), "{}", found.text());
}
