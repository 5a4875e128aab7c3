//! `--flush-on`: when a mount flushes by itself, and when it does not.

use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, history, mount, status, text, try_mount, umount};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

struct World {
    _server: Server,
    repo: PathBuf,
    host: Host,
    dir: PathBuf,
}

/// A mount with these flags; None where nothing can be mounted.
fn mounted(test: &str, flags: &str) -> Option<World> {
    if !support::can_mount(test) {
        return None;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", flags);
    Some(World { _server: server, repo, host, dir })
}

impl World {
    fn write(&self, name: &str) {
        fs::write(self.dir.join(name), format!("{name}\n")).expect("write");
    }

    fn commits(&self) -> usize {
        history(&self.repo, "main").len()
    }

    fn wait_for(&self, commits: usize) {
        wait_until("it is pushed", || self.commits() == commits);
    }

    fn policy(&self) -> String {
        let report = status(&self.host, text(&self.dir));
        report["workspace"]["flush_on"].as_str().expect("a policy").to_owned()
    }

    /// Unmounts when there is nothing left to flush.
    fn leave(self, commits: usize) {
        umount(&self.host, &self.dir, "").expect_code(0);
        assert_eq!(self.commits(), commits);
        assert_sound(&self.repo);
    }
}

#[test]
fn without_a_policy_a_mount_flushes_when_it_is_unmounted() {
    let test = "without_a_policy_a_mount_flushes_when_it_is_unmounted";
    for flags in ["", "--flush-on umount"] {
        let Some(world) = mounted(test, flags) else { return };
        assert_eq!(world.policy(), "umount");
        world.write("a");
        sleep(Duration::from_secs(2));
        assert_eq!(world.commits(), 1);
        world.leave(2);
    }
}

#[test]
fn on_close_a_file_that_was_written_is_pushed_when_it_is_closed() {
    let test = "on_close_a_file_that_was_written_is_pushed_when_it_is_closed";
    let Some(world) = mounted(test, "--flush-on close") else { return };
    assert_eq!(world.policy(), "close");
    let mut file = File::create(world.dir.join("open")).expect("create");
    file.write_all(b"half").expect("write");
    sleep(Duration::from_secs(2));
    assert_eq!(world.commits(), 1, "it is still being written");
    file.write_all(b" and half\n").expect("write");
    drop(file);
    world.wait_for(2);
    assert_eq!(world.host.git(&world.repo, &["show", "main:open"]), "half and half");
    // a file that is only read is no reason
    fs::read(world.dir.join("README")).expect("read");
    world.leave(2);
}

#[test]
fn when_idle_a_mount_flushes_once_nothing_changed_for_so_long() {
    let test = "when_idle_a_mount_flushes_once_nothing_changed_for_so_long";
    let Some(world) = mounted(test, "-o flush_on=idle=3") else { return };
    assert_eq!(world.policy(), "idle=3");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        world.write("busy");
        sleep(Duration::from_millis(100));
    }
    assert_eq!(world.commits(), 1, "it was never idle");
    world.wait_for(2);
    world.leave(2);
}

#[test]
fn at_intervals_a_mount_flushes_although_it_is_never_idle() {
    let test = "at_intervals_a_mount_flushes_although_it_is_never_idle";
    let Some(world) = mounted(test, "--flush-on interval=1") else { return };
    assert_eq!(world.policy(), "interval=1");
    sleep(Duration::from_secs(2));
    assert_eq!(world.commits(), 1, "nothing changed, no commit");
    let mut number = 0;
    wait_until("two flushes", || {
        number += 1;
        fs::write(world.dir.join("busy"), number.to_string()).expect("write");
        world.commits() >= 3
    });
    let dir = world.dir.clone();
    umount(&world.host, &dir, "").expect_code(0);
    assert_eq!(world.host.git(&world.repo, &["show", "main:busy"]), number.to_string());
    assert_sound(&world.repo);
}

#[test]
fn by_hand_nothing_is_pushed_that_was_not_asked_for() {
    let test = "by_hand_nothing_is_pushed_that_was_not_asked_for";
    for end in ["fusermount3 -u", "kill -TERM"] {
        let Some(world) = mounted(test, "--flush-on manual") else { return };
        assert_eq!(world.policy(), "manual");
        world.write("asked");
        world.host.toft_with(&["flush", text(&world.dir)]).expect_code(0);
        assert_eq!(world.commits(), 2);
        world.write("kept");
        let report = status(&world.host, text(&world.dir));
        let id = report["workspace"]["id"].as_str().expect("an id").to_owned();
        let pid = report["daemon"]["pid"].to_string();
        let (program, flag) = end.split_once(' ').expect("two words");
        let mut command = world.host.command(program);
        command.args([flag, if program == "kill" { &pid } else { text(&world.dir) }]);
        world.host.run(command).expect_code(0);
        wait_until("the daemon is gone", || world.host.processes().is_empty());
        assert_eq!(world.commits(), 2, "{end}");
        let report = status(&world.host, &id);
        assert_eq!(report["changes"]["added"], 1, "it is still there: {report}");
        world.host.toft_with(&["mount", "--workspace", &id]).expect_code(0);
        assert_eq!(fs::read_to_string(world.dir.join("kept")).expect("read"), "kept\n");
        world.leave(3);
    }
}

/// Whatever else is wrong with the command line: nothing is looked at before.
#[test]
fn a_policy_that_is_none_is_usage() {
    let host = Host::new();
    for policy in ["never", "idle", "idle=", "idle=0", "idle=soon", "interval=-1", "", "Umount"] {
        for flags in [format!("--flush-on {policy}"), format!("-o flush_on={policy}")] {
            // an empty word would be lost between blanks
            let ran = match policy {
                "" => host.toft_with(&["mount", "x", "y", "--flush-on", ""]),
                _ => try_mount(&host, "x", &host.path("work/y"), &flags),
            };
            let ran = ran.expect_code(2);
            let named = ["--flush-on: ", "flush_on="].iter().any(|word| ran.stderr.contains(word));
            assert!(named, "{flags}: {}", ran.stderr);
        }
    }
}
