//! The remote is there and takes no push: told in its own words, and nothing is lost.

use super::support::{self, Host, Kind, Ran, Server};
use super::work::{assert_sound, history, mount, status, text, umount};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A way in which a remote refuses, and how that ends.
struct Refusal {
    name: &'static str,
    kind: Kind,
    begin: fn(&Path),
    end: fn(&Path),
    /// What the user reads.
    said: &'static str,
    code: i32,
}

const REFUSALS: &[Refusal] = &[
    Refusal {
        name: "a protected branch",
        kind: Kind::Http,
        begin: |repo| {
            let script = "[ \"$1\" != refs/heads/main ] || { echo 'GH006: Protected branch update \
                          failed: changes must be made through a pull request.' >&2; exit 1; }";
            hook(repo, "update", script);
        },
        end: |repo| fs::remove_file(repo.join("hooks/update")).expect("rm"),
        said: "through a pull request",
        code: 76,
    },
    Refusal {
        name: "a quota",
        kind: Kind::Http,
        begin: |repo| configure(repo, "receive.maxInputSize", "1000"),
        end: |repo| configure(repo, "receive.maxInputSize", "0"),
        said: "maximum allowed size",
        code: 76,
    },
    Refusal {
        name: "a branch that is checked out there",
        kind: Kind::File,
        begin: |repo| configure(repo, "core.bare", "false"),
        end: |repo| configure(repo, "core.bare", "true"),
        said: "checked out",
        code: 76,
    },
    Refusal {
        name: "a remote that may only be read",
        kind: Kind::Http,
        begin: |repo| configure(repo, "http.receivepack", "false"),
        end: |repo| configure(repo, "http.receivepack", "true"),
        said: "403",
        code: 77,
    },
];

fn hook(repo: &Path, name: &str, script: &str) {
    fs::create_dir_all(repo.join("hooks")).expect("mkdir");
    let path = repo.join("hooks").join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

fn configure(repo: &Path, key: &str, value: &str) {
    Host::new().git(repo, &["config", key, value]);
}

/// What no compression makes small.
fn noise(len: u32) -> Vec<u8> {
    (0..len).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (n >> 3) as u8).collect()
}

#[test]
fn a_remote_that_refuses_is_quoted_and_gets_the_work_when_it_takes_it() {
    let test = "a_remote_that_refuses_is_quoted_and_gets_the_work_when_it_takes_it";
    if !support::can_mount(test) {
        return;
    }
    for refusal in REFUSALS {
        let name = refusal.name;
        let server = Server::start(refusal.kind);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let dir = mount(&host, &server.url("r.git"), "r", "");
        fs::write(dir.join("work"), noise(100_000)).expect("write");
        (refusal.begin)(&repo);
        let told = |ran: Ran| {
            let ran = ran.expect_code(refusal.code);
            assert!(ran.stderr.contains(refusal.said), "{name}: {}", ran.stderr);
            assert!(ran.stderr.contains("fix:"), "{name}: {}", ran.stderr);
        };
        told(host.toft_with(&["flush", text(&dir)]));
        let report = status(&host, text(&dir));
        assert_eq!(report["durability"]["unpushed_commits"], 1, "{name}: {report}");
        assert_eq!(report["outbox"]["pending"], 1, "{name}: {report}");
        told(umount(&host, &dir, ""));
        assert_eq!(history(&repo, "main").len(), 1, "{name}");
        (refusal.end)(&repo);
        host.toft("recover").expect_code(0);
        assert_eq!(history(&repo, "main").len(), 2, "{name}");
        assert_sound(&repo);
    }
}

#[test]
fn where_the_branch_is_protected_a_new_branch_is_taken() {
    if !support::can_mount("where_the_branch_is_protected_a_new_branch_is_taken") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    (REFUSALS[0].begin)(&repo);
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "--new-branch fix");
    fs::write(dir.join("work"), "work\n").expect("write");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "fix").len(), 2);
    assert_sound(&repo);
}
