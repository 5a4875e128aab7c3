//! Files that the kernel reads and writes by itself. (Root only; the whole suite is run in such
//! mounts, too.)

use crate::view::State;
use crate::world::{BIG, World, big, is_root, lower, opens};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use toft::fuse::Opens;
use toft::overlay::FileData;

fn world() -> Option<World<'static>> {
    is_root().then(|| World::opened(State::new(lower()), Opens::Passed))
}

fn count(world: &World<'_>, kind: &str) -> u64 {
    let all: BTreeMap<_, _> = world.session().requests().so_far();
    all.get(kind).copied().unwrap_or(0)
}

/// What `work` asks of us to read and to write.
fn transfers(world: &World<'_>, work: impl FnOnce()) -> (u64, u64) {
    let before = (count(world, "read"), count(world, "write"));
    work();
    (count(world, "read") - before.0, count(world, "write") - before.1)
}

fn writer(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Waits until the kernel was told of what a close made stale.
fn settle(path: &Path, is: impl Fn(&fs::Metadata) -> bool) {
    for _ in 0..500 {
        if is(&fs::metadata(path).unwrap()) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{:?}", fs::metadata(path).unwrap());
}

#[test]
fn what_is_made_here_is_written_and_read_without_a_request() {
    let Some(mut world) = world() else { return };
    let path = world.path("made");
    let asked = transfers(&world, || {
        let mut file = File::create(&path).unwrap();
        (0..100).for_each(|number| writeln!(file, "line {number:04}").unwrap());
        assert_eq!(file.metadata().unwrap().len(), 1000);
        assert_eq!(fs::read(&path).unwrap().len(), 1000, "another sees it at once");
    });
    assert_eq!(asked, (0, 0));
    world.remount();
    assert!(fs::read_to_string(&path).unwrap().ends_with("line 0099\n"));
    let asked = transfers(&world, || {
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"more\n").unwrap();
    });
    assert_eq!((asked, fs::metadata(&path).unwrap().len()), ((0, 0), 1005));
}

#[test]
fn who_wants_to_know_of_closes_is_told_of_these_too() {
    let Some(world) = world() else { return };
    fs::write(world.path("made"), "made").unwrap();
    fs::read(world.path("made")).unwrap();
    let told = || world.workspace.closed_after_write() == 1;
    assert!((0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        told()
    }));
    assert!(told(), "and of the reader nothing");
}

#[test]
fn a_large_file_of_the_base_is_copied_when_it_is_opened_for_writing() {
    let Some(world) = world() else { return };
    let path = world.path("big.bin");
    let mut expected = big();
    let asked = transfers(&world, || {
        let file = writer(&path);
        file.write_all_at(b"edited", 1000).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), BIG);
    });
    assert_eq!(asked, (0, 0));
    expected[1000..1006].copy_from_slice(b"edited");
    assert!(fs::read(&path).unwrap() == expected);
}

/// The kernel takes all opens of a file in one way, that of the first.
#[test]
fn who_came_first_and_who_came_later_see_the_same_bytes() {
    let Some(world) = world() else { return };
    let path = world.path("big.bin");
    let reader = File::open(&path).unwrap();
    let mut byte = [0];
    reader.read_exact_at(&mut byte, 0).unwrap();
    // It asks us, so the writer does.
    let file = writer(&path);
    assert!(transfers(&world, || file.write_all_at(b"1", 0).unwrap()).1 > 0);
    reader.read_exact_at(&mut byte, 0).unwrap();
    assert_eq!(byte, *b"1");
    drop((reader, file));
    // The kernel tells us of a close when it likes.
    let is_free = || {
        let file = writer(&path);
        transfers(&world, || file.write_all_at(b"2", 0).unwrap()).1 == 0
    };
    assert!((0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        is_free()
    }));
    // And the other way round: pages that it had are not believed any more.
    assert_eq!(fs::read(&path).unwrap()[..1], *b"2");
    let (file, reader) = (writer(&path), File::open(&path).unwrap());
    file.write_all_at(b"3", 0).unwrap();
    reader.read_exact_at(&mut byte, 0).unwrap();
    assert_eq!(byte, *b"3");
}

#[test]
fn a_freeze_does_not_hold_what_is_being_written_and_a_writer_that_comes_later_gets_a_copy() {
    let Some(world) = world() else { return };
    let (early, late) = (world.path("early"), world.path("late"));
    fs::write(&late, "before").unwrap();
    let writing = File::create(&early).unwrap();
    settle(&late, |stat| stat.len() == 6);
    // A close that we were not told of yet would count as a writer.
    let body_of = |path: &Path| {
        let ino = toft::types::Ino(fs::metadata(path).unwrap().ino());
        let index = world.workspace.overlay().read();
        match index.node(ino).unwrap().data {
            toft::overlay::NodeData::Regular(data @ FileData::Body(_)) => data,
            ref other => panic!("{other:?}"),
        }
    };
    let (early_body, late_body) = (body_of(&early), body_of(&late));
    let freeze = (0..500)
        .map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            world.workspace.overlay().freeze()
        })
        .find(|freeze| !freeze.is_passed(late_body))
        .expect("it is closed");
    assert!(freeze.is_passed(early_body));
    writing.write_all_at(b"goes on", 0).unwrap();
    writer(&late).write_all_at(b"after!", 0).unwrap();
    assert_eq!(body_of(&early), early_body);
    assert_ne!(body_of(&late), late_body, "copied, as the freeze has the other");
    let FileData::Body(id) = late_body else { unreachable!() };
    let mut bytes = [0; 6];
    freeze.body(id).unwrap().read_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"before");
    assert_eq!(fs::read(&late).unwrap(), b"after!");
}

#[test]
#[expect(unsafe_code, reason = "a mapping is what is looked at")]
fn what_a_mapping_wrote_shows_in_the_time_of_the_file() {
    let Some(world) = world() else { return };
    let path = world.path("mapped");
    fs::write(&path, vec![0; 8192]).unwrap();
    let file = writer(&path);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    file.set_modified(old).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mtime(), 1_000_000);
    // SAFETY: a mapping of its own, within the file's length, unmapped before the file is closed.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        let start = libc::mmap(std::ptr::null_mut(), 8192, protection, libc::MAP_SHARED, fd, 0);
        assert!(start != libc::MAP_FAILED);
        start.cast::<u8>().add(5000).write_volatile(b'z');
        assert_eq!(libc::munmap(start, 8192), 0);
    }
    drop(file);
    settle(&path, |stat| stat.mtime() > 1_000_000);
    assert_eq!(fs::read(&path).unwrap()[5000], b'z');
}

#[test]
fn a_file_that_lends_its_owners_rights_is_not_written_past_us() {
    let Some(world) = world() else { return };
    let path = world.path("lends");
    fs::write(&path, "program").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o4755)).unwrap();
    let asked = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let file = writer(&path);
        transfers(&world, || file.write_all_at(b"P", 0).unwrap()).1 > 0
    });
    assert!(asked, "once the one who made it is gone");
}

#[test]
fn the_whole_suite_passes_in_such_mounts() {
    if !is_root() || opens() == Opens::Passed {
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        // `ring` turns a switch of the whole machine: one process at a time.
        .args(["--test-threads", "2", "--skip", "user::", "--skip", "passthrough::"])
        .args(["--skip", "ring::"])
        .env("TOFT_TEST_OPENS", "passed")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("test result: ok. "), "{said}");
}
