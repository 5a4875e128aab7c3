//! The disk below is full: writers are told, nothing acked is lost, and room makes all of it whole.

use super::support::{self, Host, Kind, Server, wait_until};
use super::work::{assert_sound, history, mount, status, text, try_mount, umount};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A host that has one of its directories on a small disk of its own.
struct Small {
    host: Host,
    which: &'static str,
}

const FILL: usize = 64 << 20;

impl Small {
    /// `which` of the host's directories becomes small; None where that cannot be made.
    fn new(test: &str, kind: &str, which: &'static str) -> Option<Small> {
        if !support::is_root() {
            support::skip(test, "needs root, to mount a small disk");
            return None;
        }
        let small = Small { host: Host::new(), which };
        let image = small.host.path("image");
        let script = match kind {
            "tmpfs" => "mount -t tmpfs -o size=12m,mode=700 small \"$0\"",
            _ => {
                "truncate -s 24M \"$1\" && mkfs.ext4 -q -m 0 \"$1\" && mount -o loop \"$1\" \"$0\""
            }
        };
        let mut command = small.host.command("sh");
        command.args(["-c", script, text(&small.disk()), text(&image)]);
        let ran = small.host.run(command);
        if ran.code != 0 {
            // the small disk in memory is enough where there are no loop devices
            eprintln!("no {kind} here: {}", ran.stderr);
            assert_ne!(kind, "tmpfs");
            return None;
        }
        Some(small)
    }

    fn disk(&self) -> PathBuf {
        self.host.path(self.which)
    }

    /// Takes all the room that is left, but so many bytes.
    fn fill(&self, but: u64) {
        let path = self.disk().join("filler");
        fill(&path, FILL);
        let len = fs::metadata(&path).expect("stat").len();
        File::options().write(true).open(&path).expect("open").set_len(len - but).expect("cut");
    }

    fn free(&self) {
        fs::remove_file(self.disk().join("filler")).expect("rm");
    }
}

/// Writes until there is no room; how many bytes were acked.
fn fill(path: &Path, limit: usize) -> usize {
    let mut file = File::create(path).expect("create");
    let mut acked = 0;
    while acked < limit {
        match file.write(&[b'x'; 4096]) {
            Ok(len) => acked += len,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                return acked;
            }
        }
    }
    panic!("{} took {limit} bytes", path.display());
}

/// Makes small files until there is no room; how many were acked whole.
fn crowd(dir: &Path) -> usize {
    fs::create_dir_all(dir).expect("mkdir");
    for number in 0..100_000 {
        if let Err(error) = fs::write(dir.join(number.to_string()), number.to_string()) {
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
            return number;
        }
    }
    panic!("the disk takes everything");
}

fn assert_there(dir: &Path, big: usize, small: usize) {
    assert_eq!(fs::read_to_string(dir.join("kept")).expect("read"), "kept\n");
    let bytes = fs::read(dir.join("big")).expect("read");
    assert!(bytes.len() >= big && bytes.iter().all(|byte| *byte == b'x'), "{}", bytes.len());
    for number in 0..small {
        let path = dir.join("crowd").join(number.to_string());
        assert_eq!(fs::read_to_string(&path).expect("read"), number.to_string());
    }
}

#[test]
fn a_full_disk_is_told_to_writers_and_loses_nothing_that_was_acked() {
    let test = "a_full_disk_is_told_to_writers_and_loses_nothing_that_was_acked";
    if !support::can_mount(test) {
        return;
    }
    for kind in ["tmpfs", "ext4"] {
        let Some(small) = Small::new(test, kind, "state") else { continue };
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let dir = mount(&small.host, &server.url("r.git"), "r", "");
        fs::write(dir.join("kept"), "kept\n").expect("write");
        small.fill(2 << 20);
        // first the small files: after the big one there is room for none
        fs::write(dir.join("README"), "hello again\n").expect("write");
        let big = fill(&dir.join("big"), FILL);
        let small_files = crowd(&dir.join("crowd"));
        eprintln!("{kind}: {big} bytes, {small_files} files");
        assert_there(&dir, big, small_files);

        // often, so that there is no room for the daemon's log either
        for verb in ["flush"; 20].into_iter().chain(["umount"]) {
            let ran = small.host.toft_with(&[verb, text(&dir)]).expect_code(1);
            assert!(ran.stderr.contains("error[disk-full]"), "{kind} {verb}: {}", ran.stderr);
            assert!(ran.stderr.contains("No space left"), "{kind} {verb}: {}", ran.stderr);
            assert!(ran.stderr.contains("fix:"), "{kind} {verb}: {}", ran.stderr);
            assert!(support::mounts::at(&dir).is_some(), "it stays mounted");
            assert_eq!(history(&repo, "main").len(), 1);
        }
        let report = status(&small.host, text(&dir));
        assert_eq!(report["durability"]["pushed"], false, "{report}");

        small.free();
        small.host.toft_with(&["flush", text(&dir)]).expect_code(0);
        assert_there(&dir, big, small_files);
        fs::write(dir.join("after"), "after\n").expect("there is room again");
        umount(&small.host, &dir, "").expect_code(0);
        let again = small.host.another();
        let dir = mount(&again, &server.url("r.git"), "r", "");
        assert_there(&dir, big, small_files);
        assert_eq!(fs::read_to_string(dir.join("README")).expect("read"), "hello again\n");
        umount(&again, &dir, "").expect_code(0);
        assert_sound(&repo);
    }
}

#[test]
fn a_daemon_that_ends_with_a_full_disk_is_recovered_when_there_is_room() {
    let test = "a_daemon_that_ends_with_a_full_disk_is_recovered_when_there_is_room";
    if !support::can_mount(test) {
        return;
    }
    for end in ["kill -9 $0", "kill -TERM $0", "umount $1"] {
        let Some(small) = Small::new(test, "tmpfs", "state") else { return };
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let host = &small.host;
        let dir = mount(host, &server.url("r.git"), "r", "");
        fs::write(dir.join("kept"), "kept\n").expect("write");
        small.fill(1 << 20);
        let big = fill(&dir.join("big"), FILL);
        let pid = status(host, text(&dir))["daemon"]["pid"].to_string();
        let mut command = host.command("sh");
        command.args(["-c", end, &pid, text(&dir)]);
        host.run(command).expect_code(0);
        wait_until("the daemon is gone", || host.processes().is_empty());
        assert_eq!(history(&repo, "main").len(), 1, "{end}");
        let ran = host.toft("recover").expect_code(1);
        assert!(ran.stderr.contains("No space left"), "{end}: {}", ran.stderr);
        small.free();
        host.toft("recover").expect_code(0);
        assert_eq!(history(&repo, "main").len(), 2, "{end}");
        let len = host.git(&repo, &["cat-file", "-s", "main:big"]);
        assert!(len.parse::<usize>().expect("a size") >= big, "{end}: {len}");
        assert_sound(&repo);
    }
}

#[test]
fn what_is_removed_in_the_mount_makes_room_on_a_full_disk() {
    let test = "what_is_removed_in_the_mount_makes_room_on_a_full_disk";
    if !support::can_mount(test) {
        return;
    }
    for kind in ["tmpfs", "ext4"] {
        let Some(small) = Small::new(test, kind, "state") else { continue };
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let dir = mount(&small.host, &server.url("r.git"), "r", "");
        small.fill(2 << 20);
        let first = fill(&dir.join("big"), FILL);
        crowd(&dir.join("crowd"));
        fs::remove_file(dir.join("big")).expect("rm");
        // not at once: the kernel tells us late that a file was closed
        wait_until("there is room again", || fs::write(dir.join("small"), "small\n").is_ok());
        let again = fill(&dir.join("big again"), FILL);
        assert!(again * 10 > first * 9, "{kind}: {first} bytes at first, then {again}");
        fs::remove_file(dir.join("big again")).expect("rm");
        umount(&small.host, &dir, "").expect_code(0);
        assert_eq!(small.host.git(&repo, &["show", "main:small"]), "small");
        assert_sound(&repo);
    }
}

#[test]
fn files_are_removed_although_the_disk_is_full_to_the_last_byte() {
    let test = "files_are_removed_although_the_disk_is_full_to_the_last_byte";
    if !support::can_mount(test) {
        return;
    }
    for kind in ["tmpfs", "ext4"] {
        let Some(small) = Small::new(test, kind, "state") else { continue };
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let dir = mount(&small.host, &server.url("r.git"), "r", "");
        let files: Vec<PathBuf> = (0..100).map(|number| dir.join(format!("f{number}"))).collect();
        files.iter().for_each(|file| fs::write(file, "1\n").expect("write"));
        small.fill(0);
        for file in &files[1..] {
            fs::remove_file(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        fs::rename(&files[0], dir.join("renamed")).expect("rename");
        small.free();
        umount(&small.host, &dir, "").expect_code(0);
        let names = small.host.git(&repo, &["ls-tree", "--name-only", "main"]);
        assert!(names.contains("renamed") && !names.contains("f1"), "{names}");
        assert_sound(&repo);
    }
}

#[test]
fn a_disk_that_small_files_fill_is_emptied_by_removing_them() {
    let test = "a_disk_that_small_files_fill_is_emptied_by_removing_them";
    if !support::can_mount(test) {
        return;
    }
    for kind in ["tmpfs", "ext4"] {
        let Some(small) = Small::new(test, kind, "state") else { continue };
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let dir = mount(&small.host, &server.url("r.git"), "r", "");
        small.fill(2 << 20);
        let made = crowd(&dir.join("crowd"));
        assert!(made > 1000, "{kind}: {made}");
        // Others take what is left: there is no room but what was set aside.
        let others = small.disk().join("others");
        fill(&others, FILL);
        fs::remove_dir_all(dir.join("crowd")).expect("rm -r");
        let again = || fs::create_dir_all(dir.join("new")).is_ok() && crowd(&dir.join("new")) > 100;
        wait_until("there is room again", again);
        fs::remove_file(others).expect("rm");
        small.free();
        umount(&small.host, &dir, "").expect_code(0);
        assert_sound(&repo);
    }
}

#[test]
fn a_cache_without_room_mounts_nothing_and_says_so() {
    let test = "a_cache_without_room_mounts_nothing_and_says_so";
    if !support::can_mount(test) {
        return;
    }
    let Some(small) = Small::new(test, "tmpfs", "cache") else { return };
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = &small.host;
    small.fill(16 << 10);
    let dir = host.path("work/r");
    let ran = try_mount(host, &server.url("r.git"), &dir, "").expect_code(1);
    assert!(ran.stderr.contains("error[disk-full]"), "{}", ran.stderr);
    assert!(!dir.exists() && support::mounts::below(&host.path("work")).is_empty());
    small.free();
    let dir = mount(host, &server.url("r.git"), "r", "");
    umount(host, &dir, "").expect_code(0);
    assert_sound(&repo);
}
