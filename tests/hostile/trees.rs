//! T2: trees that are too wide or too deep.

use super::support::repo::Builder;
use super::support::{self, Host, Kind, Server};
use super::work::{history, mount, text, try_mount, umount};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The largest memory that the processes of `host` had so far, in MB.
pub fn peak_memory_mb(host: &Host) -> u64 {
    let peak = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    host.processes().iter().filter_map(peak).max().expect("a daemon runs") / 1024
}

#[test]
fn a_folder_of_very_many_entries_is_served_in_bounded_memory() {
    if !support::can_mount("a_folder_of_very_many_entries_is_served") {
        return;
    }
    let entries: u32 =
        if std::env::var_os("TOFT_TEST_LONG").is_some() { 1_000_000 } else { 30_000 };
    let server = Server::start(Kind::File);
    let repo = server.repo("wide.git");
    let builder = Builder::init(&repo, "sha1");
    let blob = builder.blob(b"x\n");
    let mut lines = String::new();
    for at in 0..entries {
        write!(lines, "100644 blob {blob}\te{at:07}\0").expect("memory");
    }
    let wide = builder.git_with(&["mktree", "-z"], lines.as_bytes());
    let root = builder.git_with(&["mktree"], format!("040000 tree {wide}\twide\n").as_bytes());
    builder.branch("main", &builder.commit(&root, &[], "wide"));
    let host = Host::new();
    let dir = mount(&host, &server.url("wide.git"), "wide", "");
    let last = format!("wide/e{:07}", entries - 1);
    assert_eq!(fs::read(dir.join(last)).expect("read"), b"x\n");
    assert_eq!(fs::read_dir(dir.join("wide")).expect("ls").count(), entries as usize);
    fs::write(dir.join("wide/new"), "new\n").expect("write");
    host.toft_with(&["flush", text(&dir)]).expect_code(0);
    let peak = peak_memory_mb(&host);
    assert!(peak < 600, "{peak} MB for {entries} entries");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
}

/// A commit of a folder in a folder, so many times, with a file in the innermost one.
fn deep(repo: &Path, levels: usize) {
    let builder = Builder::init(repo, "sha1");
    let mut import = String::from("blob\nmark :1\ndata 2\nx\n");
    // fast-import takes a tree by its path, of which each level is one letter
    import += "commit refs/heads/main\ncommitter T <t@e> 1600000000 +0000\ndata 4\ndeep\n";
    writeln!(import, "M 100644 :1 {}f", "d/".repeat(levels)).expect("memory");
    builder.git_with(&["fast-import", "--quiet"], import.as_bytes());
}

#[test]
fn a_tree_as_deep_as_git_allows_is_walked_sealed_and_pushed() {
    if !support::can_mount("a_tree_as_deep_as_git_allows") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.repo("deep.git");
    deep(&repo, 2000);
    let host = Host::new();
    let dir = mount(&host, &server.url("deep.git"), "deep", "");
    let inside = dir.join("d/".repeat(1800));
    assert_eq!(fs::read_dir(&inside).expect("ls").count(), 1);
    fs::write(inside.join("new"), "new\n").expect("write");
    host.toft_with(&["status", text(&dir)]).expect_code(0);
    umount(&host, &dir, "").expect_code(0);
    let made = format!("main:{}new", "d/".repeat(1800));
    assert_eq!(host.git(&repo, &["cat-file", "blob", &made]), "new");
}

#[test]
fn a_tree_deeper_than_git_allows_is_refused_and_takes_nothing_down() {
    if !support::can_mount("a_tree_deeper_than_git_allows") {
        return;
    }
    let server = Server::start(Kind::File);
    deep(&server.repo("deep.git"), 10_000);
    let host = Host::new();
    let dir = host.path("work/deep");
    let ran = try_mount(&host, &server.url("deep.git"), &dir, "");
    if ran.code == 0 {
        // a git that has no such limit
        assert!(dir.join("d/".repeat(1000)).is_dir());
        host.toft_with(&["status", text(&dir)]).expect_code(0);
        umount(&host, &dir, "").expect_code(0);
    } else {
        assert!(ran.stderr.contains("error["), "{}", ran.stderr);
        assert!([1, 69].contains(&ran.code), "{}: {}", ran.code, ran.stderr);
        assert!(support::mounts::below(&host.path("work")).is_empty());
        assert!(!dir.exists() && host.processes().is_empty());
    }
}
