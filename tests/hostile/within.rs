//! T12: the daemon must never wait for itself.

use super::support::{self, Host, Kind, Ran, Server};
use super::work::{assert_sound, history, mount, text, umount};
use std::fs;
use std::path::Path;

fn toft_in(host: &Host, cwd: &Path, home: Option<&Path>, arguments: &[&str]) -> Ran {
    let mut command = host.command(host.program());
    command.current_dir(cwd).args(arguments);
    if let Some(home) = home {
        command.env("HOME", home).env("XDG_CONFIG_HOME", home.join("config"));
    }
    host.run(command)
}

#[test]
fn every_command_answers_from_inside_the_mount() {
    if !support::can_mount("every_command_answers_from_inside_the_mount") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    let inside = dir.join("src");
    for words in ["status", "list", "diff", "log", "fsck", "commit", "push", "flush", "doctor"] {
        fs::write(inside.join("new"), words).expect("write");
        let ran = toft_in(&host, &inside, None, &[words]);
        assert_eq!(ran.code, 0, "{words}: {}", ran.stderr);
    }
    // it stands in its own way, and says who does
    let ran = toft_in(&host, &inside, None, &["umount", text(&dir)]);
    assert!([0, 1].contains(&ran.code), "{}", ran.stderr);
    for pid in host.processes() {
        let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        assert!(!cwd.starts_with(&dir), "{}", cwd.display());
    }
    if ran.code != 0 {
        umount(&host, &dir, "").expect_code(0);
    }
    assert!(history(&repo, "main").len() >= 2);
    assert_sound(&repo);
}

#[test]
fn a_home_inside_the_mount_stops_no_flush() {
    if !support::can_mount("a_home_inside_the_mount_stops_no_flush") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = host.folder("r");
    // all that git reads for a user will be inside: its configuration, its ignore rules, its attributes
    let ran = toft_in(
        &host,
        &host.path("work"),
        Some(&dir),
        &["mount", &server.url("r.git"), text(&dir)],
    );
    ran.expect_code(0);
    let config = format!(
        "[user]\n\tname = In Side\n\temail = in@side\n[core]\n\texcludesFile = {0}/ignored\n\
         \tattributesFile = {0}/attributes\n[credential]\n\thelper = store --file={0}/credentials\n",
        text(&dir)
    );
    fs::write(dir.join(".gitconfig"), config).expect("write");
    fs::write(dir.join("ignored"), "*.o\n").expect("write");
    fs::write(dir.join("attributes"), "*.txt text\n").expect("write");
    fs::write(dir.join("x.o"), "no\n").expect("write");
    fs::write(dir.join("x.txt"), "one\r\n").expect("write");
    for verb in ["flush", "status", "diff", "umount"] {
        let ran = toft_in(&host, &host.path("work"), Some(&dir), &[verb, text(&dir)]);
        assert_eq!(ran.code, 0, "{verb}: {}", ran.stderr);
    }
    assert_eq!(host.git(&repo, &["log", "-1", "--format=%an", "main"]), "In Side");
    let listed = host.git(&repo, &["ls-tree", "--name-only", "main"]);
    assert!(listed.contains("x.txt") && !listed.contains("x.o"), "{listed}");
    assert_sound(&repo);
}

#[test]
fn a_mount_at_the_folder_where_one_stands_is_clear_of_itself() {
    if !support::can_mount("a_mount_at_the_folder_where_one_stands") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = host.folder("here");
    toft_in(&host, &dir, None, &["mount", &server.url("r.git"), "."]).expect_code(0);
    fs::write(dir.join("new"), "x\n").expect("write");
    // below it, state and cache have no place either
    for ours in ["TOFT_STATE_DIR", "TOFT_CACHE_DIR", "TOFT_RUNTIME_DIR"] {
        let mut command = host.command(host.program());
        command.env(ours, dir.join("inside")).args([
            "mount",
            &server.url("r.git"),
            text(&host.path("work/x")),
        ]);
        let ran = host.run(command);
        assert_ne!(ran.code, 0, "{ours} in the mount of another workspace");
    }
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
}
