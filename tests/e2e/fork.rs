//! `toft fork` and `toft mount --fork-of`: a workspace that begins exactly as another one stands.

use super::support::{self, Host, Kind, Server, Tree};
use super::work::{assert_sound, edit, history, mount, seen, status, text, umount};
use serde_json::Value;
use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

fn forked(host: &Host, of: &str, flags: &str) -> Value {
    let mut words = vec!["fork", "--json", of];
    words.extend(flags.split(' '));
    let said = host.toft_with(&words).ok();
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Mounts a fork of `of` at the folder `name`.
fn mount_fork(host: &Host, of: &str, name: &str) -> PathBuf {
    let dir = host.path("work").join(name);
    host.toft_with(&["mount", "--fork-of", of, text(&dir)]).expect_code(0);
    dir
}

/// Everything of a kind that a fork must have, and must have for itself.
fn furnish(dir: &Path) {
    edit(dir);
    fs::write(dir.join("large"), vec![1; 300_000]).expect("write");
    fs::hard_link(dir.join("large"), dir.join("large too")).expect("link");
    fs::remove_file(dir.join("notes")).unwrap_or(());
    fs::write(dir.join(".gitignore"), "ignored\n").expect("write");
    fs::write(dir.join("ignored"), "only here\n").expect("write");
}

/// Alters everything in the ways that could reach another workspace.
fn spoil(dir: &Path) {
    let large = fs::OpenOptions::new().write(true).open(dir.join("large")).expect("open");
    large.write_at(b"spoilt", 1000).expect("write in place");
    large.set_len(200_000).expect("truncate");
    large.set_modified(std::time::UNIX_EPOCH).expect("utimes");
    let mut appended =
        fs::OpenOptions::new().append(true).open(dir.join("new/empty")).expect("open");
    appended.write_all(b"spoilt\n").expect("append");
    appended.rewind().expect("seek");
    fs::rename(dir.join("source"), dir.join("moved")).expect("rename");
    fs::remove_file(dir.join("link")).expect("rm");
    fs::write(dir.join("README"), "spoilt\n").expect("write");
}

#[test]
fn a_fork_is_what_its_source_is_and_neither_sees_the_other_from_then_on() {
    if !support::can_mount("a_fork_is_what_its_source_is_and_neither_sees_the_other_from_then_on") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let first = mount(&host, &server.url("r.git"), "first", "");
    furnish(&first);
    host.git(&first, &["add", "new/script"]);
    let before = Tree::read(&first);
    let staged = host.git(&first, &["diff", "--cached", "--name-only"]);
    let second = mount_fork(&host, text(&first), "second");
    assert!(Tree::read(&second) == before, "the fork is the same");
    assert_eq!(host.git(&second, &["diff", "--cached", "--name-only"]), staged);
    assert_eq!(host.git(&second, &["symbolic-ref", "HEAD"]), "refs/heads/second");
    let nlink = |dir: &Path| fs::metadata(dir.join("large")).expect("stat").nlink();
    assert_eq!(nlink(&second), 2, "hard links are kept");

    // A fork of the fork, of a mounted and of a resting one.
    let id = status(&host, text(&second))["workspace"]["id"].as_str().expect("an id").to_owned();
    host.toft_with(&["umount", "--keep", "--no-push", text(&second)]).expect_code(0);
    let third = mount_fork(&host, &id, "third");
    assert!(Tree::read(&third) == before, "a fork of a fork at rest");

    spoil(&first);
    let spoilt = Tree::read(&first);
    assert!(Tree::read(&third) == before, "what is done in the source stays there");
    spoil(&third);
    fs::write(third.join("README"), "of the third\n").expect("write");
    assert!(Tree::read(&first) == spoilt, "what is done in the fork stays there");

    // Each delivers to a branch of its own, and what shows there is what it had.
    let shown = seen(&third);
    umount(&host, &third, "").expect_code(0);
    umount(&host, &first, "").expect_code(0);
    assert_eq!(host.git(&repo, &["show", "third:README"]), "of the third");
    assert_eq!(host.git(&repo, &["show", "main:README"]), "spoilt");
    let other = Host::new();
    let again = mount(&other, &server.url("r.git"), "again", "--branch third");
    assert!(seen(&again).0.keys().all(|path| shown.0.contains_key(path)));
    umount(&other, &again, "").expect_code(0);
    assert_sound(&repo);
}

#[test]
fn a_fork_tells_what_it_begins_with_and_delivers_it_only_when_something_is_done_in_it() {
    let name = "a_fork_tells_what_it_begins_with_and_delivers_it_only_when_something_is_done_in_it";
    if !support::can_mount(name) {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let first = mount(&host, &server.url("r.git"), "first", "--flush-on manual");
    fs::write(first.join("README"), "sealed\n").expect("write");
    host.toft_with(&["commit", text(&first), "-m", "sealed, not pushed"]).expect_code(0);
    fs::write(first.join("begun"), "not committed\n").expect("write");
    let said = forked(&host, text(&first), "idle");
    assert_eq!((&said["inherited"]["added"], &said["branch"]), (&1.into(), &"idle".into()));

    let idle = host.path("work").join("idle");
    let id = said["workspace"].as_str().expect("an id");
    host.toft_with(&["mount", "--workspace", id, text(&idle)]).expect_code(0);
    assert_eq!(fs::read_to_string(idle.join("begun")).expect("read"), "not committed\n");
    assert_eq!(status(&host, text(&idle))["changes"]["added"], 1);
    umount(&host, &idle, "").expect_code(0);
    host.try_git(&repo, &["rev-parse", "-q", "--verify", "idle"]).expect_code(1);
    // The source may drop it meanwhile: here it stays.
    host.toft_with(&["rm", id]).expect_code(76);
    host.toft_with(&["rm", "--discard", id]).expect_code(0);

    let busy = mount_fork(&host, text(&first), "busy");
    fs::write(busy.join("done"), "by the fork\n").expect("write");
    umount(&host, &busy, "-m done").expect_code(0);
    assert_eq!(history(&repo, "busy").len(), history(&repo, "main").len() + 2);
    assert_eq!(host.git(&repo, &["show", "busy:begun"]), "not committed");
    assert_eq!(host.git(&repo, &["log", "-2", "--format=%s", "busy"]), "done\nsealed, not pushed");

    // On the same branch the two meet, and what both have is there once.
    let same = forked(&host, text(&first), "same --same-branch");
    let id = same["workspace"].as_str().expect("an id");
    let dir = host.path("work").join("same");
    host.toft_with(&["mount", "--workspace", id, text(&dir)]).expect_code(0);
    fs::write(dir.join("more"), "of the same\n").expect("write");
    umount(&host, &dir, "").expect_code(0);
    umount(&host, &first, "").expect_code(0);
    assert_eq!(host.git(&repo, &["show", "main:begun"]), "not committed");
    assert_eq!(host.git(&repo, &["show", "main:more"]), "of the same");
    assert_sound(&repo);
}

#[test]
fn a_fork_is_refused_where_it_could_not_deliver_or_git_is_busy() {
    if !support::can_mount("a_fork_is_refused_where_it_could_not_deliver_or_git_is_busy") {
        return;
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let host = Host::new();
    let first = mount(&host, &server.url("r.git"), "first", "");
    let refused = |flags: &[&str], code: i32, says: &str| {
        let words: Vec<&str> = ["fork", text(&first)].into_iter().chain(flags.to_vec()).collect();
        let said = host.toft_with(&words).expect_code(code);
        assert!(said.stderr.contains(says), "{flags:?}: {}", said.stderr);
    };
    refused(&["x", "--branch", "main"], 2, "has it already");
    refused(&["x", "--branch", "../../../etc"], 2, "git takes no branch of that name");
    refused(&["x", "--branch", "-x"], 2, "");
    fs::write(
        host.path("state/workspaces")
            .read_dir()
            .expect("ls")
            .next()
            .expect("one")
            .expect("one")
            .path()
            .join("gitdir/MERGE_HEAD"),
        "x",
    )
    .expect("write");
    refused(&["x"], 79, "a merge is in progress");
    assert_eq!(host.toft("list").ok().lines().count(), 1, "nothing is left of any of them");
}

#[test]
fn a_kill_in_the_middle_of_forks_leaves_whole_ones_only() {
    if !support::can_mount("a_kill_in_the_middle_of_forks_leaves_whole_ones_only") {
        return;
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let host = Host::new();
    let first = mount(&host, &server.url("r.git"), "first", "");
    furnish(&first);
    let before = Tree::read(&first);
    for round in 0..4_u64 {
        let daemon = status(&host, text(&first))["daemon"]["pid"].as_u64().expect("a pid");
        let forks: Vec<_> = (0..6)
            .map(|number| {
                let mut fork = host.command(host.program());
                fork.args(["fork", text(&first), &format!("f{round}-{number}")]);
                fork.current_dir(host.path("work"));
                fork.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                fork.spawn().expect("toft")
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(round * 4));
        let pid = rustix::process::Pid::from_raw(i32::try_from(daemon).expect("small"));
        rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::KILL)
            .expect("kill");
        forks.into_iter().for_each(|mut fork| drop(fork.wait()));
        mount(&host, &server.url("r.git"), "first", "");
        assert!(Tree::read(&first) == before, "the source is as it was");
    }
    let list: Value = serde_json::from_str(&host.toft("list --json").ok()).expect("json");
    assert_eq!(list["problems"].as_array().map(Vec::len), Some(0), "{list}");
    for workspace in list["workspaces"].as_array().expect("a list") {
        let (id, branch) = (workspace["id"].as_str(), workspace["branch"].as_str());
        if let (Some(id), Some(branch @ ("f0-0" | "f1-0" | "f2-0" | "f3-0"))) = (id, branch) {
            let dir = host.path("work").join(branch);
            host.toft_with(&["mount", "--workspace", id, text(&dir)]).expect_code(0);
            assert!(Tree::read(&dir) == before, "{branch}: whole");
            host.toft_with(&["fsck", text(&dir)]).expect_code(0);
        }
    }
    let left = host.path("state/workspaces").read_dir().expect("ls").filter(|entry| {
        entry.as_ref().expect("an entry").file_name().as_encoded_bytes().starts_with(b".")
    });
    assert_eq!(left.count(), 0, "what was half made is gone");
}
