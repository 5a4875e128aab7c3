//! Mount points with names that hurt: blanks, line breaks, bytes, length, links.

use super::support::{self, Host, Kind, Ran, Server, wait_until};
use super::work::{assert_sound, history};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

fn toft(host: &Host, verb: &str, arguments: &[&OsStr]) -> Ran {
    let arguments: Vec<&OsStr> =
        [OsStr::new(verb)].into_iter().chain(arguments.iter().copied()).collect();
    host.toft_with(&arguments)
}

/// Mounts at `dir`, writes one file by `host`'s user, and unmounts.
fn round(host: &Host, url: &str, dir: &Path, number: usize) {
    toft(host, "mount", &[url.as_ref(), dir.as_ref()]).expect_code(0);
    assert!(support::mounts::at(dir).is_some(), "{}", dir.display());
    let mut touch = host.command("touch");
    touch.arg(dir.join(format!("file-{number}")));
    host.run(touch).expect_code(0);
    let status = toft(host, "status", &["--json".as_ref(), dir.as_ref()]).expect_code(0);
    assert!(status.text().contains("\"kernel_mount\": true"), "{}", status.text());
    toft(host, "umount", &[dir.as_ref()]).expect_code(0);
    assert!(support::mounts::at(dir).is_none() && !dir.exists(), "{}", dir.display());
}

#[test]
fn a_mount_point_may_have_any_name_that_a_folder_may_have() {
    let test = "a_mount_point_may_have_any_name_that_a_folder_may_have";
    if !support::can_mount(test) {
        return;
    }
    let mut names: Vec<OsString> = [
        "with blank",
        " ",
        "new\nline",
        "tab\tand\\040back\\slash",
        "comma,ro,fsname=x",
        "hash#main",
        "-rf",
        "w-isnoid",
        "quote\"and'quote",
        "$(touch x)",
        "deleted (deleted)",
    ]
    .into_iter()
    .map(OsString::from)
    .collect();
    names.push(OsStr::from_bytes(b"\xff\xfe bytes").to_owned());
    names.push("n".repeat(255).into());
    names.push(vec!["d".repeat(200); 15].join("/").into());
    let mut hosts = vec![Host::new()];
    if support::is_root() && support::can_mount_as_user(test) {
        hosts.push(Host::ordinary_user());
    }
    for host in hosts {
        let server = Server::start(Kind::Http);
        let repo = server.seeded("r.git");
        let url = server.url("r.git");
        for (number, name) in names.iter().enumerate() {
            round(&host, &url, &host.path("work").join(name), number);
        }
        assert_eq!(history(&repo, "main").len(), 1 + names.len());
        assert_sound(&repo);
    }
}

#[test]
fn a_mount_point_is_found_by_every_way_to_it() {
    let test = "a_mount_point_is_found_by_every_way_to_it";
    if !support::can_mount(test) {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let real = host.folder("real");
    fs::create_dir(real.join("m")).expect("mkdir");
    symlink(&real, host.path("work/link")).expect("link");
    symlink(real.join("m"), host.path("work/direct")).expect("link");
    let at = |dir: &str| {
        let mut command = host.command("sh");
        let script = "cd \"$1\" && shift && exec \"$0\" \"$@\"";
        command.args(["-c", script, env!("CARGO_BIN_EXE_toft"), dir]);
        command
    };
    // a relative way, over a link, with dots and slashes at its end
    let mut mount = at("real");
    mount.args(["mount", &server.url("r.git"), "../link/./m//"]);
    host.run(mount).expect_code(0);
    fs::write(real.join("m/work"), "work\n").expect("write");
    for (dir, target) in [
        (".", "real/m"),
        (".", "link/m/"),
        (".", "direct"),
        (".", "direct/src"),
        ("real", "./m/../m"),
        ("real/m", "."),
        ("real/m/src", ".."),
        ("link/m/src", ""),
    ] {
        let mut status = at(dir);
        status.args(["status", "--json"]);
        status.args([target].iter().filter(|target| !target.is_empty()));
        let said = host.run(status).ok();
        assert!(said.contains("\"added\": 1"), "{dir} {target}: {said}");
    }
    // from inside, by no name: toft leaves the folder itself, and nobody else is there
    let mut umount = at("link/m/src");
    umount.arg("umount");
    host.run(umount).expect_code(0);
    assert!(support::mounts::at(&real.join("m")).is_none());
    assert_eq!(history(&repo, "main").len(), 2);
    assert!(real.join("m").exists(), "it was there before");
    assert_sound(&repo);
}

/// Whoever shares a group with nobody has 002 by default.
#[test]
fn a_umask_that_lets_others_write_is_no_hindrance() {
    let test = "a_umask_that_lets_others_write_is_no_hindrance";
    if !support::can_mount(test) {
        return;
    }
    for umask in ["000", "002", "077"] {
        let server = Server::start(Kind::Http);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let toft = |words: &str| {
            let mut shell = host.command("sh");
            let line = format!("umask {umask}; exec {} {words}", host.program().display());
            shell.args(["-c", &line]);
            host.run(shell).expect_code(0).text()
        };
        toft(&format!("mount {} r", server.url("r.git")));
        let dir = host.path("work/r");
        fs::write(dir.join("new"), "new\n").expect("write");
        toft("commit r -m first");
        fs::write(dir.join("new"), "more\n").expect("write");
        let status: serde_json::Value =
            serde_json::from_str(&toft("status --json r")).expect("JSON");
        let mut kill = host.command("kill");
        kill.args(["-9", &status["daemon"]["pid"].to_string()]);
        host.run(kill).expect_code(0);
        wait_until("the daemon is dead", || host.processes().is_empty());
        // By the command itself, now that there is no daemon.
        toft("umount r -m second");
        assert_eq!(host.git(&repo, &["show", "main:new"]), "more", "{umask}");
        assert_sound(&repo);
        for place in ["state", "cache", "run"] {
            let mode = fs::metadata(host.path(place)).expect("it is there").mode();
            assert_eq!(mode & 0o077, 0, "{place}: {mode:o}");
        }
    }
}
