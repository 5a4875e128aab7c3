//! Wrong sources, wrong folders, second mounts: a clear error, a documented code, nothing lost.

use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, history, mount, text, try_mount, umount};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn sources_that_are_none_are_refused_with_a_fix() {
    if !support::can_mount("sources_that_are_none_are_refused_with_a_fix") {
        return;
    }
    let server = Server::start(Kind::Http);
    server.seeded("r.git");
    let host = Host::new();
    let not_a_repo = host.folder("not-a-repo");
    let dir = host.path("work/dir");
    let no_such = [
        server.url("none.git"),
        "/nowhere/at/all.git".to_owned(),
        format!("file://{}", not_a_repo.display()),
        text(&not_a_repo).to_owned(),
        "".to_owned(),
        "--upload-pack=touch /tmp/x".to_owned(),
        "ext::sh -c id".to_owned(),
    ];
    for source in no_such {
        let ran = try_mount(&host, &source, &dir, "");
        assert!([1, 2, 69].contains(&ran.code), "{source}: {} {}", ran.code, ran.stderr);
        assert!(ran.stderr.contains("error"), "{source}: {}", ran.stderr);
        assert!(!dir.exists(), "{source}");
    }
    for flags in ["-b no-such-branch", "--at 0123456789abcdef0123456789abcdef01234567", "--depth 0"]
    {
        let ran = try_mount(&host, &server.url("r.git"), &dir, flags);
        assert!([1, 2].contains(&ran.code), "{flags}: {} {}", ran.code, ran.stderr);
        assert!(!dir.exists(), "{flags}");
    }
    assert!(support::mounts::below(&host.path("work")).is_empty());
    // Who has answered may take a moment to end.
    wait_until("nothing is left running", || host.processes().is_empty());
}

#[test]
fn folders_that_cannot_be_a_mount_point_are_refused() {
    if !support::can_mount("folders_that_cannot_be_a_mount_point_are_refused") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let url = server.url("r.git");
    let host = Host::new();
    let full = host.folder("full");
    fs::write(full.join("mine"), "mine\n").expect("write");
    let file = host.path("work/file");
    fs::write(&file, "").expect("write");
    symlink("nowhere", host.path("work/dangling")).expect("link");
    for dir in
        [full.clone(), file, host.path("work/dangling"), host.path("state/x"), repo.join("x")]
    {
        let ran = try_mount(&host, &url, &dir, "");
        assert!([1, 2].contains(&ran.code), "{}: {} {}", dir.display(), ran.code, ran.stderr);
        assert!(support::mounts::below(&host.path("")).is_empty(), "{}", dir.display());
    }
    assert_eq!(fs::read_to_string(full.join("mine")).expect("still there"), "mine\n");

    // a folder that is there, is empty, and stays after the umount
    let empty = host.folder("empty");
    try_mount(&host, &url, &empty, "").expect_code(0);
    umount(&host, &empty, "").expect_code(0);
    assert!(empty.exists());
    // missing folders are made, and taken away again
    let made = host.path("work/a/b");
    try_mount(&host, &url, &made, "").expect_code(0);
    umount(&host, &made, "").expect_code(0);
    assert!(!made.exists());
    assert_sound(&repo);
}

#[test]
fn a_second_mount_is_told_who_holds_the_workspace() {
    if !support::can_mount("a_second_mount_is_told_who_holds_the_workspace") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let url = server.url("r.git");
    let host = Host::new();
    let dir = mount(&host, &url, "one", "");
    fs::write(dir.join("mine"), "mine\n").expect("write");

    // the same pair again: nothing to do
    try_mount(&host, &url, &dir, "").expect_code(0);
    assert_eq!(support::mounts::below(&dir).len(), 1);
    // something else on top: refused
    let other = server.seeded("other.git");
    let ran = try_mount(&host, text(&other), &dir, "");
    assert_ne!(ran.code, 0);
    // the same workspace elsewhere: held
    let list = host.toft("list --json").ok();
    let id = list.split('"').find(|word| word.starts_with("w-")).expect("an id").to_owned();
    let elsewhere = host.path("work/elsewhere");
    let ran = host.toft_with(&["mount", "--workspace", &id, text(&elsewhere)]).expect_code(75);
    assert!(ran.stderr.contains("one"), "it says where: {}", ran.stderr);
    // the same source elsewhere: a workspace of its own
    let two = mount(&host, &url, "two", "");
    assert!(!two.join("mine").exists());
    umount(&host, &two, "").expect_code(0);
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
    assert_sound(&repo);
}

#[test]
fn unknown_words_are_refused_as_usage() {
    let host = Host::new();
    for line in [
        "",
        "frobnicate",
        "mount",
        "mount a b c",
        "mount x -o brnach=main",
        "umount --timeout soon",
        "flush nowhere-at-all --frob",
    ] {
        let ran = host.toft(line);
        assert_eq!(ran.code, 2, "toft {line}: {}", ran.stderr);
    }
    for line in ["umount nowhere", "status nowhere", "flush w-none", "push nowhere", "rm w-none"] {
        let ran = host.toft(line).expect_code(1);
        assert!(ran.stderr.contains("error"), "toft {line}: {}", ran.stderr);
    }
}
