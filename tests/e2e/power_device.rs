//! Power loss on a block device: the state directory is ext4 on a loop device, whose image is copied
//! at random instants of a workload. What ext4 had not written then is missing from the copy. (A
//! kernel with device mapper could do more with dm-log-writes; this lane asks for none.)

use super::support::{self, Host, Kind, Ran, Server};
use super::work::{mount, status, text};
use rustix::fs::{SeekFrom, seek};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use toft::overlay::{FileData, NodeData, Overlay, Slot};
use toft::sys::{Disk, FsyncCounts, OsDisk, Reason};
use toft::types::{BootId, Ino, Name};

const BLOCK: usize = 4096;
const BLOCKS: u64 = 64;

fn copies() -> u64 {
    let asked = std::env::var("TOFT_DEVICE_COPIES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// The disk as another run of the host sees it.
#[derive(Default)]
struct OtherBoot(OsDisk);

impl Disk for OtherBoot {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(file, bytes, offset)
    }
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()> {
        self.0.fsync_file(file, reason)
    }
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.0.fsync_dir(dir, reason)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.0.sync_fs(dir, reason)
    }
    fn boot(&self) -> io::Result<BootId> {
        Ok(BootId([0x22; 16]))
    }
    fn counts(&self) -> FsyncCounts {
        self.0.counts()
    }
}

/// The newest version of each thing: a file that is replaced (`a0`…), a block of `big`, a line
/// count of `log`, a file that came (1) and went (2).
type Versions = BTreeMap<String, u64>;

#[derive(Default)]
struct Knowledge {
    /// What an fsync returned for.
    synced: Mutex<Versions>,
    /// What was begun.
    begun: Mutex<Versions>,
    syncing: AtomicU64,
    done: AtomicBool,
}

impl Knowledge {
    fn begin(&self, what: &str, version: u64) {
        self.begun.lock().expect("lock").insert(what.to_owned(), version);
    }

    fn sync(&self, file: &File, what: &str, version: u64) {
        self.syncing.fetch_add(1, Ordering::SeqCst);
        file.sync_all().expect("fsync");
        self.syncing.fetch_add(1, Ordering::SeqCst);
        self.synced.lock().expect("lock").insert(what.to_owned(), version);
    }
}

fn line(number: u64) -> String {
    format!("line {number:08} of the log\n")
}

fn replaced(what: &str, version: u64) -> String {
    format!("{version}\n{}", format!("{what} {version}\n").repeat(100))
}

/// Writes and syncs until it is told to end; unsynced writes of every kind lie between the syncs.
fn work(dir: &Path, seed: u64, known: &Knowledge) {
    let mut state = seed;
    let mut random = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let big = File::options().create(true).write(true).truncate(false).open(dir.join("big"));
    let big = big.expect("open");
    big.write_all_at(&vec![0; BLOCK * 64], 0).expect("write");
    big.sync_all().expect("fsync");
    let mut log = File::options().create(true).append(true).open(dir.join("log")).expect("open");
    let folder = File::open(dir).expect("open");
    for version in 1.. {
        if known.done.load(Ordering::SeqCst) {
            return;
        }
        match random(4) {
            0 => {
                let what = format!("a{}", random(4));
                known.begin(&what, version);
                let beside = dir.join("beside");
                fs::write(&beside, replaced(&what, version)).expect("write");
                File::open(&beside).expect("open").sync_all().expect("fsync");
                fs::rename(&beside, dir.join(&what)).expect("rename");
                known.sync(&folder, &what, version);
            }
            1 => {
                let count = known.begun.lock().expect("lock").get("log").copied().unwrap_or(0) + 1;
                known.begin("log", count);
                log.write_all(line(count - 1).as_bytes()).expect("append");
                if random(2) == 0 {
                    known.sync(&log, "log", count);
                }
            }
            2 => {
                let at = random(BLOCKS);
                let what = format!("b{at}");
                known.begin(&what, version);
                let block = version.to_le_bytes().repeat(BLOCK / 8);
                big.write_all_at(&block, at * BLOCK as u64).expect("write");
                if random(2) == 0 {
                    known.sync(&big, &what, version);
                }
            }
            _ => {
                let what = format!("d{version}");
                known.begin(&what, 1);
                let file = File::create(dir.join(&what)).expect("create");
                known.sync(&file, &what, 1);
                known.begin(&what, 2);
                fs::remove_file(dir.join(&what)).expect("rm");
                known.sync(&folder, &what, 2);
            }
        }
        std::thread::sleep(Duration::from_millis(random(12)));
    }
}

/// The bytes of a sparse file where it has some.
fn extents(image: &File) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Ok(start) = seek(image, SeekFrom::Data(at)) {
        let end = seek(image, SeekFrom::Hole(start)).expect("seek");
        let mut bytes = vec![0; usize::try_from(end - start).expect("small")];
        image.read_exact_at(&mut bytes, start).expect("read");
        found.push((start, bytes));
        at = end;
    }
    found
}

/// The bytes that `overlay` has for a file at its root.
fn content(overlay: &Overlay, name: &str) -> Option<Vec<u8>> {
    let index = overlay.read();
    let root = index.node(Ino::ROOT).expect("a root").directory().expect("a folder").clone();
    let Some(Slot::Entry(ino)) = root.delta.get(&Name::new(name.as_bytes()).expect("a name"))
    else {
        return None;
    };
    match index.node(*ino).expect("a node").data {
        NodeData::Regular(FileData::Value(value)) => {
            Some(overlay.values().open(value).expect("open").read().expect("read"))
        }
        NodeData::Regular(FileData::Body(id)) => {
            let body = overlay.bodies().open(id).expect("open");
            let len = usize::try_from(body.stat().expect("stat").len).expect("small");
            let mut bytes = vec![0; len];
            assert_eq!(body.read_at(&mut bytes, 0).expect("read"), len);
            Some(bytes)
        }
        ref other => panic!("{name}: {other:?}"),
    }
}

/// What was synced before the copy is there, and nothing that was never written.
fn assert_kept(overlay: &Overlay, synced: &Versions, begun: &Versions) {
    let big = content(overlay, "big").expect("big is there");
    let log = content(overlay, "log").unwrap_or_default();
    for (what, newest) in begun {
        let least = synced.get(what).copied().unwrap_or(0);
        let range = least..=*newest;
        let (kind, number) = what.split_at(1);
        match kind {
            "a" => {
                let bytes = content(overlay, what);
                assert!(bytes.is_some() || least == 0, "{what} is gone");
                let Some(bytes) = bytes else { continue };
                let text = String::from_utf8(bytes).expect("text");
                let version = text.lines().next().and_then(|line| line.parse().ok()).expect("one");
                assert!(range.contains(&version), "{what}: {version} not in {range:?}");
                assert_eq!(text, replaced(what, version));
            }
            "b" => {
                let at = number.parse::<usize>().expect("a number") * BLOCK;
                for word in big[at..at + BLOCK].chunks(8) {
                    let version = u64::from_le_bytes(word.try_into().expect("eight"));
                    assert!(range.contains(&version), "{what}: {version} not in {range:?}");
                }
            }
            "d" => {
                let there = content(overlay, what).is_some();
                assert!(least != 1 || *newest != 1 || there, "{what} is gone");
                assert!(least != 2 || !there, "{what} is there again");
            }
            _ => {
                let whole: String = (0..*newest).map(line).collect();
                assert!(whole.as_bytes().starts_with(&log), "the log holds what nobody wrote");
                let lines = log.len() / line(0).len();
                assert!(range.contains(&(lines as u64)), "log: {lines} lines, not in {range:?}");
            }
        }
    }
}

fn sh(host: &Host, script: &str, words: &[&str]) -> Ran {
    let mut command = host.command("sh");
    command.args(["-c", script]).args(words);
    host.run(command)
}

/// Mounts a copy of the image, and looks at it as the next run of the host does.
fn assert_copy(host: &Host, id: &str, image: &[(u64, Vec<u8>)], len: u64, seen: [&Versions; 2]) {
    let (path, state) = (host.path("copy.image"), host.path("copy"));
    let copy = File::create(&path).expect("create");
    copy.set_len(len).expect("size");
    image.iter().for_each(|(at, bytes)| copy.write_all_at(bytes, *at).expect("write"));
    drop(copy);
    sh(host, "mount -o loop \"$0\" \"$1\"", &[text(&path), text(&state)]).expect_code(0);
    let dir = state.join("workspaces").join(id);
    let (overlay, _) = Overlay::open(&dir, Arc::new(OtherBoot::default())).expect("it opens");
    assert_kept(&overlay, seen[0], seen[1]);
    drop(overlay);
    let boot = host.path("work/boot_id");
    fs::write(&boot, "11111111-2222-3333-4444-555555555555\n").expect("write");
    let script = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";
    // git syncs neither HEAD nor refs: recover puts the gitdir right, as a mount does
    for line in [&["recover", "--no-push"], &["fsck", id]] {
        let mut toft = host.command("unshare");
        toft.args(["--mount", "--propagation", "private", "sh", "-c", script, text(&boot)]);
        toft.args([env!("CARGO_BIN_EXE_toft"), "--state-dir", text(&state)]);
        toft.args(["--runtime-dir", text(&host.path("copy-run"))]).args(line);
        host.run(toft).expect_code(0);
    }
    sh(host, "umount \"$0\"", &[text(&state)]).expect_code(0);
}

#[test]
fn what_was_fsynced_is_in_every_copy_of_the_block_device() {
    let test = "what_was_fsynced_is_in_every_copy_of_the_block_device";
    if !support::is_root() || !Path::new("/dev/loop-control").exists() {
        return support::skip(test, "needs root and loop devices");
    }
    if !support::can_mount(test) {
        return;
    }
    let seed = std::env::var("TOFT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let host = Host::new();
    for name in ["copy", "copy-run"] {
        fs::create_dir(host.path(name)).expect("mkdir");
    }
    let (image, state) = (host.path("image"), host.path("state"));
    let script = "truncate -s 48M \"$0\" && mkfs.ext4 -q -b 4096 -m 0 \"$0\" && \
                  mount -o loop \"$0\" \"$1\" && chmod 700 \"$1\"";
    sh(&host, script, &[text(&image), text(&state)]).expect_code(0);
    // a folder that was there before: a copy that is recovered removes none
    host.folder("r");
    let dir = mount(&host, &server.url("r.git"), "r", "--flush-on manual");
    let id = status(&host, text(&dir))["workspace"]["id"].as_str().expect("an id").to_owned();
    let known = Knowledge::default();
    let (mut again, mut within) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| work(&dir, seed, &known));
        // whatever happens to a copy, the workload ends
        let outcome = std::panic::catch_unwind(|| {
            let (mut again, mut within, mut state) = (0, 0, seed);
            let file = File::open(&image).expect("open");
            let len = file.metadata().expect("stat").len();
            support::wait_until("something was synced", || {
                known.synced.lock().expect("lock").len() > 3
            });
            for _ in 0..copies() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                std::thread::sleep(Duration::from_millis((state >> 33) % 300));
                // equal twice: all of it stood so at one instant between the two
                let (synced, extents, during) = loop {
                    let synced = known.synced.lock().expect("lock").clone();
                    let begun = known.syncing.load(Ordering::SeqCst);
                    let (one, two) = (extents(&file), extents(&file));
                    let same = begun == known.syncing.load(Ordering::SeqCst);
                    if one == two {
                        break (synced, two, same && begun % 2 == 1);
                    }
                    again += 1;
                };
                let begun = known.begun.lock().expect("lock").clone();
                within += u64::from(during);
                assert_copy(&host, &id, &extents, len, [&synced, &begun]);
            }
            (again, within)
        });
        known.done.store(true, Ordering::SeqCst);
        (again, within) = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let syncs = known.syncing.load(Ordering::SeqCst) / 2;
    println!(
        "seed {seed}: {} copies ({within} within an fsync, {again} taken again), {syncs} fsyncs",
        copies()
    );
    host.toft_with(&["umount", text(&dir), "--discard"]).expect_code(0);
    sh(&host, "umount \"$0\"", &[text(&state)]).expect_code(0);
}
