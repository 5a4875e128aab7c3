//! T13: what a flush that nobody looked at must not commit.

use super::support::{self, Host, Kind, Server};
use super::work::{assert_sound, history, mount, text, umount};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A way to make a commit that nobody wanted, and what makes it one that somebody wants.
struct Case {
    name: &'static str,
    harm: fn(&Host, &Path),
    said: &'static str,
    way_out: WayOut,
}

enum WayOut {
    /// `--allow WORD`
    Allow(&'static str),
    /// The reason goes.
    Mend(fn(&Host, &Path)),
}

const CASES: &[Case] = &[
    Case {
        name: "everything is deleted",
        harm: |_, dir| {
            for name in ["README", "run", "link"] {
                fs::remove_file(dir.join(name)).expect("rm");
            }
            fs::remove_dir_all(dir.join("src")).expect("rm -r");
        },
        said: "mass-delete",
        way_out: WayOut::Allow("mass-delete"),
    },
    Case {
        name: "a huge file",
        harm: |_, dir| {
            let file = fs::File::create(dir.join("huge")).expect("create");
            file.write_all_at(b"end", 101_000_000).expect("write");
        },
        said: "big-file",
        way_out: WayOut::Allow("big-file"),
    },
    Case {
        name: "secrets of a project",
        harm: |_, dir| fs::write(dir.join(".env"), "PASSWORD=hunter2\n").expect("write"),
        said: ".env",
        way_out: WayOut::Allow("secret"),
    },
    Case {
        name: "a private key under a harmless name",
        harm: |_, dir| {
            let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW";
            let key = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n{body}\n");
            fs::write(dir.join("notes.txt"), key).expect("write");
        },
        said: "notes.txt",
        way_out: WayOut::Mend(|_, dir| fs::write(dir.join("notes.txt"), "x\n").expect("write")),
    },
    Case {
        name: "another branch",
        harm: |host, dir| {
            host.git(dir, &["checkout", "-q", "-b", "other"]);
            fs::write(dir.join("new"), "x\n").expect("write");
        },
        said: "branch",
        way_out: WayOut::Mend(|host, dir| drop(host.git(dir, &["checkout", "-q", "main"]))),
    },
    Case {
        name: "no branch",
        harm: |host, dir| {
            host.git(dir, &["checkout", "-q", "--detach"]);
            fs::write(dir.join("new"), "x\n").expect("write");
        },
        said: "HEAD",
        way_out: WayOut::Mend(|host, dir| drop(host.git(dir, &["checkout", "-q", "main"]))),
    },
    Case {
        name: "an unfinished merge",
        harm: |host, dir| {
            host.git(dir, &["checkout", "-q", "-b", "side"]);
            fs::write(dir.join("README"), "side\n").expect("write");
            host.git(dir, &["commit", "-qam", "side"]);
            host.git(dir, &["checkout", "-q", "main"]);
            fs::write(dir.join("README"), "main\n").expect("write");
            host.git(dir, &["commit", "-qam", "main"]);
            assert_ne!(host.try_git(dir, &["merge", "side"]).code, 0);
        },
        said: "merge",
        way_out: WayOut::Mend(|host, dir| drop(host.git(dir, &["merge", "--abort"]))),
    },
];

#[test]
fn each_guard_keeps_the_work_until_it_is_overruled_or_the_reason_is_gone() {
    if !support::can_mount("each_guard_keeps_the_work_until_it_is_overruled") {
        return;
    }
    for case in CASES {
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let first = history(&repo, "main");
        let host = Host::new();
        let dir = mount(&host, &server.url("r.git"), "r", "");
        (case.harm)(&host, &dir);
        let ran = host.toft_with(&["flush", text(&dir)]);
        assert_eq!(ran.code, 79, "{}: {}", case.name, ran.stderr);
        assert!(ran.stderr.contains(case.said), "{}: {}", case.name, ran.stderr);
        assert!(ran.stderr.contains("fix:"), "{}: {}", case.name, ran.stderr);
        assert_eq!(history(&repo, "main"), first, "{}", case.name);
        let flags = match case.way_out {
            WayOut::Allow(word) => format!("--allow {word}"),
            WayOut::Mend(mend) => {
                mend(&host, &dir);
                String::new()
            }
        };
        let ran = umount(&host, &dir, &flags);
        assert_eq!(ran.code, 0, "{}: {}", case.name, ran.stderr);
        assert!(history(&repo, "main").len() > first.len() || case.said == "HEAD", "{}", case.name);
        assert_sound(&repo);
    }
}
