//! Credentials that are wrong, end, or are renewed while a mount lives, and where they must not be.

use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, guest, history, mount, status, text, try_mount, umount};
use std::fs;
use std::path::Path;

const ASKING: [(Kind, &str, &str); 2] = [
    (Kind::HttpsBasic, "ana:wr0ng-canary", "ana:renewed-canary"),
    (Kind::HttpsBearer, "wr0ng-canary", "renewed-canary"),
];

#[test]
fn a_wrong_credential_is_refused_with_its_own_code_and_mounts_nothing() {
    if !support::can_mount("a_wrong_credential_is_refused") {
        return;
    }
    for (kind, wrong, _) in ASKING {
        let server = Server::start(kind);
        server.seeded("r.git");
        let (host, _) = guest(&server, Host::new());
        let dir = host.path("work/r");
        for secret in [Some(wrong), None] {
            let flags = secret.map_or(String::new(), |secret| {
                format!("--credential file:{}", host.secret("wrong", secret).display())
            });
            let ran = try_mount(&host, &server.url("r.git"), &dir, &flags).expect_code(77);
            assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
            assert!(support::mounts::below(&host.path("work")).is_empty());
            assert!(!dir.exists(), "the folder that we made is gone");
        }
    }
    let server = Server::start(Kind::Ssh);
    server.seeded("r.git");
    let stranger = Host::new();
    stranger.configure("core.sshCommand", "ssh -F /dev/null -o BatchMode=yes");
    let ran = try_mount(&stranger, &server.url("r.git"), &stranger.path("work/r"), "");
    // ssh does not know the host: not a matter of credentials for git, but never a success
    assert!([69, 77].contains(&ran.code), "{}: {}", ran.code, ran.stderr);
}

#[test]
fn a_credential_that_ends_in_mid_session_loses_nothing_and_a_renewed_one_delivers() {
    if !support::can_mount("a_credential_that_ends_in_mid_session_loses_nothing") {
        return;
    }
    for (kind, _, renewed) in ASKING {
        let server = Server::start(kind);
        let repo = server.seeded("r.git");
        let (host, flags) = guest(&server, Host::new());
        let dir = mount(&host, &server.url("r.git"), "r", &flags);
        fs::write(dir.join("while-good"), "1\n").expect("write");
        host.toft_with(&["flush", text(&dir)]).expect_code(0);
        assert_eq!(history(&repo, "main").len(), 2);

        server.accept(&[renewed]);
        fs::write(dir.join("while-expired"), "2\n").expect("write");
        host.toft_with(&["flush", text(&dir)]).expect_code(77);
        assert_eq!(history(&repo, "main").len(), 2);
        let report = status(&host, text(&dir));
        assert_eq!(report["durability"]["unpushed_commits"], 1, "{report}");
        assert_eq!(report["durability"]["pushed"], false, "{report}");
        assert_eq!(report["outbox"]["pending"], 1, "{report}");

        host.secret("toft-credential", renewed);
        host.toft_with(&["push", text(&dir)]).expect_code(0);
        assert_eq!(history(&repo, "main").len(), 3);
        umount(&host, &dir, "").expect_code(0);
        assert_sound(&repo);
    }
}

#[test]
fn an_umount_with_an_expired_credential_keeps_the_work_until_it_is_renewed() {
    if !support::can_mount("an_umount_with_an_expired_credential_keeps_the_work") {
        return;
    }
    let (kind, _, renewed) = ASKING[1];
    let server = Server::start(kind);
    let repo = server.seeded("r.git");
    let (host, flags) = guest(&server, Host::new());
    let dir = mount(&host, &server.url("r.git"), "r", &flags);
    fs::write(dir.join("work"), "work\n").expect("write");
    server.accept(&[renewed]);
    let said = umount(&host, &dir, "").expect_code(77);
    assert!(!said.stderr.contains("token-of-the-first-hour"), "{}", said.stderr);
    host.secret("toft-credential", renewed);
    host.toft("recover").expect_code(0);
    wait_until("the remote has it", || history(&repo, "main").len() == 2);
    assert_sound(&repo);
}

/// Whether any file below `dir` holds `canary`.
fn leaks(dir: &Path, canary: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            found.extend(leaks(&path, canary));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(canary.len()).any(|window| window == canary.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_secret_reaches_no_command_line_log_or_state_file() {
    if !support::can_mount("a_secret_reaches_no_command_line_log_or_state_file") {
        return;
    }
    for kind in [Kind::HttpsBasic, Kind::HttpsBearer] {
        let canary = "c4n4ry-5ecret";
        let secret = if kind == Kind::HttpsBasic { "ana:c4n4ry-5ecret" } else { canary };
        let server = Server::start(kind);
        server.seeded("r.git");
        server.accept(&[secret]);
        let (host, _) = guest(&server, Host::new());
        let flags = format!("--credential file:{}", host.secret("c", secret).display());
        // a git in front that notes every command line
        let log = host.path("argv");
        let real = fs::read_link(host.path("bin/git")).expect("a link");
        fs::remove_file(host.path("bin/git")).expect("rm");
        let script =
            format!("#!/bin/sh\necho \"$@\" >>{}\nexec {} \"$@\"\n", log.display(), real.display());
        fs::write(host.path("bin/git"), script).expect("write");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(host.path("bin/git"), mode).expect("chmod");

        let dir = mount(&host, &server.url("r.git"), "r", &flags);
        fs::write(dir.join("x"), "x\n").expect("write");
        host.toft_with(&["flush", text(&dir)]).expect_code(0);
        server.accept(&["ana:other", "other"][(kind == Kind::HttpsBearer) as usize..][..1]);
        fs::write(dir.join("y"), "y\n").expect("write");
        let ran = host.toft_with(&["flush", text(&dir)]).expect_code(77);
        assert!(!ran.stderr.contains(canary) && !ran.text().contains(canary));
        assert!(!host.toft("status --json").text().contains(canary));
        let said = fs::read_to_string(&log).expect("git was called");
        assert!(said.contains("push") && !said.contains(canary), "{said}");
        for place in ["state", "cache", "run"] {
            assert_eq!(leaks(&host.path(place), canary), [""; 0]);
        }
        umount(&host, &dir, "--discard").expect_code(0);
    }
}

#[test]
fn a_password_in_the_url_is_refused_or_never_shown() {
    if !support::can_mount("a_password_in_the_url_is_refused_or_never_shown") {
        return;
    }
    let server = Server::start(Kind::HttpsBasic);
    server.seeded("r.git");
    let (host, _) = guest(&server, Host::new());
    let url = server.url("r.git").replace("https://", "https://ana:correct-horse@");
    let dir = host.path("work/r");
    let ran = try_mount(&host, &url, &dir, "");
    assert!(!ran.stderr.contains("correct-horse"), "{}", ran.stderr);
    if ran.code == 0 {
        let source = support::mounts::at(&dir).expect("mounted").source;
        assert!(!source.contains("correct-horse"), "{source}");
        for place in ["state", "cache", "run"] {
            assert_eq!(leaks(&host.path(place), "correct-horse"), [""; 0]);
        }
        umount(&host, &dir, "").expect_code(0);
    }
}
