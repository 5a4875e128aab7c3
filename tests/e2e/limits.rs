//! Limits of whoever mounts are not limits of the mount.

use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, history, mount, status, text, umount};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `toft mount` by a shell that may have the limit of open files that `limit` sets.
fn mount_with_few_files(host: &Host, limit: &str, flags: &str, url: &str, dir: &Path) {
    let mut command = host.command("bash");
    let script = format!("ulimit {limit} && exec \"$0\" mount {flags} \"$1\" \"$2\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_toft"), url, text(dir)]);
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
    mount_with_few_files(&host, "-S -n 256", "", &server.url("r.git"), &dir);
    hold_open(&host, &dir, "<>", "echo $n >&$fd");
    assert_eq!(fs::read_to_string(dir.join("f1999")).expect("read"), "1999\n");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);

    mount_with_few_files(&host, "-S -n 256", "", &server.url("r.git"), &dir);
    hold_open(&host, &dir, "<", "read -u $fd line && [ \"$line\" = $n ]");
    umount(&host, &dir, "").expect_code(0);
    let limits = fs::read_to_string(&log).expect("git was called");
    assert!(limits.lines().all(|line| line.ends_with(" 256")), "{limits}");
    assert_sound(&repo);
}

/// What a file that needs a descriptor of its own holds: a small one needs none.
fn large(path: &Path) -> String {
    path.to_string_lossy().repeat(10_000)
}

/// Makes files in `dir` and keeps them open until that fails; those that were acked whole.
fn use_up(dir: &Path) -> Vec<(PathBuf, File)> {
    let mut open = Vec::new();
    loop {
        let path = dir.join(format!("f{}", open.len()));
        let made = File::create(&path).and_then(|mut file| {
            file.write_all(large(&path).as_bytes())?;
            Ok(file)
        });
        match made {
            Ok(file) => open.push((path, file)),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::ENFILE), "{error}");
                return open;
            }
        }
        assert!(open.len() < 1000, "the limit is not there");
    }
}

#[test]
fn a_daemon_without_descriptors_says_so_loses_nothing_and_goes_on() {
    let test = "a_daemon_without_descriptors_says_so_loses_nothing_and_goes_on";
    if !support::can_mount(test) {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = host.path("work/r");
    // A file that the kernel opens by itself needs none. There it has to ask, who it is that opens it.
    let asks = "-o allow_root";
    mount_with_few_files(&host, "-n 96", asks, &server.url("r.git"), &dir);
    for round in 0..2 {
        let inside = dir.join(format!("round{round}"));
        fs::create_dir(&inside).expect("mkdir");
        let open = use_up(&inside);
        assert!(open.len() > 20, "{}", open.len());
        for (path, file) in &open {
            let mut file = file;
            // There is no descriptor left to sync by. That is no failed fsync.
            let synced = file.sync_all().map_err(|error| error.raw_os_error());
            assert!(matches!(synced, Ok(()) | Err(Some(libc::ENFILE))), "{synced:?}");
            file.write_all(b"!").expect("what is open goes on");
            assert_eq!(fs::read_to_string(dir.join("README")).expect("read"), "hello\n");
            assert!(path.exists());
        }
        // It may not be able to answer, but it says so in time.
        assert!([1, 124].contains(&host.toft_with(&["flush", text(&dir)]).code));
        let paths: Vec<PathBuf> = open.into_iter().map(|(path, _)| path).collect();
        wait_until("there are descriptors again", || fs::write(dir.join("after"), "x").is_ok());
        for path in &paths {
            let bytes = fs::read_to_string(path).expect("read");
            assert!(bytes == large(path) + "!", "{}: {} bytes", path.display(), bytes.len());
        }
        File::open(dir.join("after")).and_then(|file| file.sync_all()).expect("fsync");
        host.toft_with(&["flush", text(&dir)]).expect_code(0);
    }
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 3);
    assert_sound(&repo);
}

/// Clock ticks (10 ms) that a process has used, proc_pid_stat(5).
fn ticks(pid: i64) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<_> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    [11, 12].map(|at: usize| fields[at].parse::<u64>().expect("a number")).iter().sum()
}

#[test]
fn a_mount_that_nobody_uses_takes_no_cpu_also_right_after_much_use() {
    let test = "a_mount_that_nobody_uses_takes_no_cpu_also_right_after_much_use";
    if !support::can_mount(test) {
        return;
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "--flush-on manual");
    let daemon = status(&host, text(&dir))["daemon"]["pid"].as_i64().expect("it runs");
    for name in 0..3000 {
        assert!(!dir.join(format!("none-{name}")).exists());
    }
    std::thread::sleep(Duration::from_millis(100));
    let before = ticks(daemon);
    std::thread::sleep(Duration::from_secs(2));
    let used = ticks(daemon) - before;
    assert!(used < 20, "{used} of 200 ticks");
    umount(&host, &dir, "--discard").expect_code(0);
}
