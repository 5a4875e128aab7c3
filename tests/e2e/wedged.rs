//! A daemon that does not answer: commands say so in time, nobody hangs for ever, nothing is lost.

use super::support::proxy::{Mode, Proxy};
use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, history, mount, status, text, umount};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than any answer about a stuck daemon takes, on a slow machine.
const SOON: Duration = Duration::from_secs(40);

fn daemon(host: &Host, dir: &Path) -> Pid {
    let pid = status(host, text(dir))["daemon"]["pid"].as_i64().expect("it runs");
    Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid")
}

fn signal(pid: Pid, signal: Signal) {
    kill_process(pid, signal).expect("it runs");
}

/// A mount with a change that was acked.
fn mounted() -> (Server, PathBuf, Host, PathBuf) {
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join("acked"), "acked\n").expect("write");
    (server, repo, host, dir)
}

/// Calls into the mount that hang; each ends with an errno.
fn hang_in(dir: &Path) -> Vec<JoinHandle<Option<i32>>> {
    let (to_read, to_make, to_list) = (dir.join("README"), dir.join("new"), dir.join("src"));
    let calls: [Box<dyn FnOnce() -> std::io::Result<()> + Send>; 3] = [
        // never read before, so that no cache answers
        Box::new(move || File::open(to_read)?.read(&mut [0; 10]).map(drop)),
        Box::new(move || fs::write(to_make, "x")),
        Box::new(move || fs::read_dir(to_list)?.next().transpose().map(drop)),
    ];
    let start = |call: Box<dyn FnOnce() -> std::io::Result<()> + Send>| {
        std::thread::spawn(move || call().err().and_then(|error| error.raw_os_error()))
    };
    calls.map(start).into_iter().collect()
}

/// They are let go with an error.
fn assert_let_go(calls: Vec<JoinHandle<Option<i32>>>) {
    let start = Instant::now();
    for call in calls {
        wait_until("a call that hung is let go", || call.is_finished());
        let code = call.join().expect("no panic");
        // The last is for what was on its way into a ring.
        let let_go = [libc::ECONNABORTED, libc::ENOTCONN, libc::ECANCELED];
        assert!(code.is_some_and(|code| let_go.contains(&code)), "{code:?}");
    }
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_stopped_daemon_is_told_by_every_command_and_taken_away_by_force() {
    if !support::can_mount("a_stopped_daemon_is_told_by_every_command_and_taken_away_by_force") {
        return;
    }
    let (server, repo, host, dir) = mounted();
    let pid = daemon(&host, &dir);
    signal(pid, Signal::STOP);
    let calls = hang_in(&dir);
    let codes = [("rm", 75), ("status", 0), ("list", 0), ("recover", 1)];
    let stuck = ["flush", "commit", "push", "umount", "diff", "log", "fsck"].map(|verb| (verb, 1));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for (verb, code) in codes.into_iter().chain(stuck) {
            let (host, dir) = (&host, &dir);
            let all = [verb, text(dir)];
            let words = if ["list", "recover"].contains(&verb) { &all[..1] } else { &all };
            let words = words.to_vec();
            scope.spawn(move || {
                let ran = host.toft_with(&words).expect_code(code);
                if code == 1 {
                    assert!(ran.stderr.contains("does not answer"), "{verb}: {}", ran.stderr);
                    assert!(ran.stderr.contains("toft umount --force"), "{verb}: {}", ran.stderr);
                }
            });
        }
    });
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert!(calls.iter().all(|call| !call.is_finished()), "they wait for the daemon");
    umount(&host, &dir, "--force --no-push --keep").expect_code(0);
    assert_let_go(calls);
    assert!(support::mounts::below(&host.path("work")).is_empty());
    wait_until("the daemon is gone", || host.processes().is_empty());
    let dir = mount(&host, &server.url("r.git"), "r", "");
    assert_eq!(fs::read_to_string(dir.join("acked")).expect("read"), "acked\n");
    fs::write(dir.join("more"), "more\n").expect("write");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(host.git(&repo, &["show", "main:acked"]), "acked");
    assert_eq!(history(&repo, "main").len(), 3);
    assert_sound(&repo);
}

#[test]
fn a_daemon_that_stops_while_it_works_is_not_waited_for() {
    if !support::can_mount("a_daemon_that_stops_while_it_works_is_not_waited_for") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let proxy = Proxy::start(server.port());
    let host = Host::new();
    let dir = mount(&host, &server.url_at("r.git", proxy.port()), "r", "");
    fs::write(dir.join("acked"), "acked\n").expect("write");
    let pid = daemon(&host, &dir);
    proxy.set(Mode::Hang);
    let before = proxy.connections();
    let mut flush = host.command(env!("CARGO_BIN_EXE_toft"));
    flush.args(["flush", text(&dir)]).stderr(std::process::Stdio::piped());
    let flush = flush.spawn().expect("toft runs");
    wait_until("the push hangs", || proxy.connections() > before);
    signal(pid, Signal::STOP);
    let start = Instant::now();
    let said = flush.wait_with_output().expect("it ends");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("does not answer"), "{said}");
    proxy.set(Mode::Forward);
    umount(&host, &dir, "--force").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
    assert_eq!(host.git(&repo, &["show", "main:acked"]), "acked");
    assert_sound(&repo);
}

/// A disk of its own for the host's state, which can be made to hang.
struct Frozen<'a> {
    host: &'a Host,
    disk: PathBuf,
    over: Arc<AtomicBool>,
}

impl Frozen<'_> {
    fn new<'a>(host: &'a Host, test: &str) -> Option<Frozen<'a>> {
        let (disk, image) = (host.path("state"), host.path("image"));
        let script = "truncate -s 24M \"$1\" && mkfs.ext4 -q \"$1\" && mount -o loop \"$1\" \"$0\" \
                      && chmod 700 \"$0\" && rmdir \"$0/lost+found\"";
        let mut command = host.command("sh");
        command.args(["-c", script, text(&disk), text(&image)]);
        let ran = host.run(command);
        if ran.code != 0 {
            support::skip(test, "there are no loop devices");
            return None;
        }
        Some(Frozen { host, disk, over: Arc::default() })
    }

    /// Everything that writes to it hangs until it is dropped, or a minute has passed.
    fn freeze(&self) {
        let mut command = self.host.command("fsfreeze");
        command.args(["-f", text(&self.disk)]);
        self.host.run(command).expect_code(0);
        let (disk, over) = (self.disk.clone(), self.over.clone());
        std::thread::spawn(move || {
            let deadline = Instant::now() + Duration::from_secs(60);
            while Instant::now() < deadline && !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(100));
            }
            thaw(&disk);
        });
    }
}

fn thaw(disk: &Path) {
    let _ = std::process::Command::new("fsfreeze").arg("-u").arg(disk).output();
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        thaw(&self.disk);
    }
}

#[test]
fn a_daemon_whose_disk_hangs_is_taken_away_and_recovered_when_it_does_not() {
    let test = "a_daemon_whose_disk_hangs_is_taken_away_and_recovered_when_it_does_not";
    if !support::can_mount(test) {
        return;
    }
    if !support::is_root() {
        return support::skip(test, "needs root, to freeze a disk");
    }
    let host = Host::new();
    let Some(disk) = Frozen::new(&host, test) else { return };
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join("acked"), "acked\n").expect("write");
    daemon(&host, &dir);
    disk.freeze();
    // the kernel holds the daemon's threads as long as the disk hangs: no signal reaches them
    let path = dir.join("hangs");
    let call = std::thread::spawn(move || fs::write(path, "x").err()?.raw_os_error());
    std::thread::sleep(Duration::from_millis(300));
    assert!(!call.is_finished(), "it waits for the disk");
    let start = Instant::now();
    let ran = umount(&host, &dir, "--force").expect_code(124);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert!(ran.stderr.contains("the kernel holds"), "{}", ran.stderr);
    assert!(ran.stderr.contains("toft recover"), "{}", ran.stderr);
    assert_let_go(vec![call]);
    assert!(support::mounts::below(&host.path("work")).is_empty());
    drop(disk);
    wait_until("the daemon is gone", || host.processes().is_empty());
    host.toft("recover").expect_code(0);
    assert_eq!(host.git(&repo, &["show", "main:acked"]), "acked");
    assert_sound(&repo);
}
