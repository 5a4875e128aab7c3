//! Limits of whoever mounts are not limits of the mount.

use super::support::{self, Host, Kind, Server};
use super::work::{assert_sound, history, text, umount};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// `toft mount` by a shell that may have 256 files open.
fn mount_with_few_files(host: &Host, url: &str, dir: &Path) {
    let mut command = host.command("bash");
    let script = "ulimit -S -n 256 && exec \"$0\" mount \"$1\" \"$2\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_toft"), url, text(dir)]);
    host.run(command).expect_code(0);
}

/// Opens 2,000 files in `dir` by `how`, and then does `what` with each, by its number `$n` and `$fd`.
fn hold_open(host: &Host, dir: &Path, how: &str, what: &str) {
    let script = format!(
        "ulimit -S -n 4096 && cd \"$0\" || exit 3
         for n in {{1..2000}}; do exec {{fd}}{how}f$n && fds[n]=$fd || exit 4; done
         for n in {{1..2000}}; do fd=${{fds[n]}}; {what} || exit 5; done"
    );
    let mut command = host.command("bash");
    command.args(["-c", &script, text(dir)]);
    host.run(command).expect_code(0);
}

#[test]
fn two_thousand_files_are_open_at_once_though_the_shell_may_have_256() {
    let test = "two_thousand_files_are_open_at_once_though_the_shell_may_have_256";
    if !support::can_mount(test) {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    // a git in front that notes its limit
    let (log, real) = (host.path("limits"), fs::read_link(host.path("bin/git")).expect("a link"));
    fs::remove_file(host.path("bin/git")).expect("rm");
    let script = format!(
        "#!/bin/sh\necho \"$PPID $(ulimit -S -n)\" >>{}\nexec {} \"$@\"\n",
        log.display(),
        real.display()
    );
    fs::write(host.path("bin/git"), script).expect("write");
    fs::set_permissions(host.path("bin/git"), fs::Permissions::from_mode(0o755)).expect("chmod");

    let dir = host.path("work/r");
    mount_with_few_files(&host, &server.url("r.git"), &dir);
    hold_open(&host, &dir, "<>", "echo $n >&$fd");
    assert_eq!(fs::read_to_string(dir.join("f1999")).expect("read"), "1999\n");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);

    mount_with_few_files(&host, &server.url("r.git"), &dir);
    hold_open(&host, &dir, "<", "read -u $fd line && [ \"$line\" = $n ]");
    umount(&host, &dir, "").expect_code(0);
    let limits = fs::read_to_string(&log).expect("git was called");
    assert!(limits.lines().all(|line| line.ends_with(" 256")), "{limits}");
    assert_sound(&repo);
}
