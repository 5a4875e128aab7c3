//! The host goes down under a mount. Another run of the host is played by a mount namespace with
//! another boot id; what was not synced is in the page cache still, and must not be believed.

use super::support::{self, Host, Kind, Ran, Server};
use super::work::{assert_sound, history, mount, status, text};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A workspace after power loss: `synced` was fsynced, `later` was not.
struct Dark {
    _server: Server,
    repo: PathBuf,
    host: Host,
    id: String,
}

fn possible(test: &str) -> bool {
    if !support::is_root() {
        support::skip(test, "needs root, for another boot id");
    }
    support::is_root() && support::can_mount(test)
}

/// Works in a mount until the power goes; `last` is done after the last sync.
fn dark(last: impl FnOnce(&Host, &Path)) -> Dark {
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    let report = status(&host, text(&dir));
    let (pid, id) = (report["daemon"]["pid"].to_string(), report["workspace"]["id"].clone());
    fs::write(dir.join("synced"), "synced\n").expect("write");
    File::open(dir.join("synced")).and_then(|file| file.sync_all()).expect("fsync");
    fs::write(dir.join("later"), "later\n").expect("write");
    last(&host, &dir);
    let mut end = host.command("sh");
    end.args(["-c", "kill -9 $0; umount -l $1", &pid, text(&dir)]);
    host.run(end).expect_code(0);
    let id = id.as_str().expect("an id").to_owned();
    Dark { _server: server, repo, host, id }
}

impl Dark {
    /// Runs toft in the next run of the host.
    fn toft(&self, arguments: &[&str]) -> Ran {
        let boot = self.host.path("work/boot_id");
        fs::write(&boot, "11111111-2222-3333-4444-555555555555\n").expect("write");
        let mut command = self.host.command("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c"]);
        let script = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";
        command.args([script, text(&boot), env!("CARGO_BIN_EXE_toft")]).args(arguments);
        self.host.run(command)
    }
}

#[test]
fn after_power_loss_the_files_are_as_they_were_at_the_last_sync() {
    if !possible("after_power_loss_the_files_are_as_they_were_at_the_last_sync") {
        return;
    }
    let dark = dark(|_, _| ());
    let report = dark.toft(&["status", "--json", &dark.id]).ok();
    assert!(report.contains("the host went down"), "{report}");
    dark.toft(&["flush", &dark.id]).expect_code(0);
    assert_eq!(dark.host.git(&dark.repo, &["show", "main:synced"]), "synced");
    dark.host.try_git(&dark.repo, &["show", "main:later"]).expect_code(128);
    let report = dark.toft(&["status", "--json", &dark.id]).ok();
    assert!(!report.contains("the host went down"), "told until it was committed: {report}");
    assert_sound(&dark.repo);
}

#[test]
fn a_commit_that_is_newer_than_the_files_is_not_taken_back() {
    if !possible("a_commit_that_is_newer_than_the_files_is_not_taken_back") {
        return;
    }
    let dark = dark(|host, dir| {
        host.git(dir, &["add", "later"]);
        host.git(dir, &["commit", "-q", "-m", "by hand"]);
    });
    let refused = dark.toft(&["flush", &dark.id]).expect_code(79);
    assert!(refused.stderr.contains("rolled-back"), "{}", refused.stderr);
    assert_eq!(history(&dark.repo, "main").len(), 1);
    dark.toft(&["flush", &dark.id, "--allow", "rolled-back"]).expect_code(0);
    assert_eq!(dark.host.git(&dark.repo, &["show", "main~1:later"]), "later");
    assert_eq!(dark.host.git(&dark.repo, &["show", "main:synced"]), "synced");
    assert_sound(&dark.repo);
}
