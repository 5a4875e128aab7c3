//! Objects that are damaged on disk: an error for the file that they are, never a deletion.

use super::support::hard_cases::{self, Damage};
use super::support::{self, Host, Kind, Server};
use super::work::{assert_sound, history, mount, umount};
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
