//! read, write, append, truncate, O_DIRECT.

use crate::world::{BIG, World, big, check_errnos, errno, sh, stat};
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::process::{Command, Stdio};

#[test]
fn a_base_file_is_written_in_the_middle() {
    let mut world = World::new();
    let ino = stat(world.path("big.bin")).ino();
    let file = OpenOptions::new().read(true).write(true).open(world.path("big.bin")).unwrap();
    file.write_all_at(b"CHANGED", 1_000_001).unwrap();
    let mut wanted = big();
    wanted[1_000_001..1_000_008].copy_from_slice(b"CHANGED");
    let mut got = vec![0; BIG];
    file.read_exact_at(&mut got, 0).unwrap();
    assert!(got == wanted);
    drop(file);
    world.remount();
    assert!(fs::read(world.path("big.bin")).unwrap() == wanted);
    assert_eq!(stat(world.path("big.bin")).ino(), ino, "copy-up keeps the number");
}

#[test]
fn handles_of_one_file_see_each_other() {
    let world = World::new();
    let reader = File::open(world.path("README")).unwrap();
    let mut other = OpenOptions::new().write(true).open(world.path("README")).unwrap();
    let mut buf = [0; 16];
    assert_eq!(reader.read_at(&mut buf, 0).unwrap(), 6);
    other.write_all(b"HELLO, WORLD\n").unwrap();
    assert_eq!(reader.read_at(&mut buf, 0).unwrap(), 13);
    assert_eq!(&buf[..13], b"HELLO, WORLD\n");
    other.set_len(2).unwrap();
    assert_eq!(reader.read_at(&mut buf, 0).unwrap(), 2);
    other.set_len(4).unwrap();
    assert_eq!(reader.read_at(&mut buf, 0).unwrap(), 4);
    assert_eq!(&buf[..4], b"HE\0\0");
}

#[test]
fn truncation_in_every_way() {
    let world = World::new();
    let table: [(&str, u64); 6] = [
        ("README", 0),
        ("README", 3),
        ("big.bin", 12_345),
        ("big.bin", BIG as u64 + 5000),
        ("empty", 10),
        ("dir/a", 4),
    ];
    for (name, size) in table {
        let world = World::new();
        let mut wanted = fs::read(world.path(name)).unwrap();
        wanted.resize(size as usize, 0);
        let file = OpenOptions::new().write(true).open(world.path(name)).unwrap();
        file.set_len(size).unwrap();
        assert_eq!(stat(world.path(name)).len(), size, "{name} to {size}");
        assert!(fs::read(world.path(name)).unwrap() == wanted, "{name} to {size}");
    }
    File::create(world.path("big.bin")).unwrap();
    assert_eq!(stat(world.path("big.bin")).len(), 0, "O_TRUNC");
    let file = OpenOptions::new().write(true).truncate(true).open(world.path("README")).unwrap();
    file.write_all_at(b"x", 4).unwrap();
    assert_eq!(fs::read(world.path("README")).unwrap(), b"\0\0\0\0x");
}

#[test]
fn times_follow_content() {
    let world = World::new();
    let before = stat(world.path("README"));
    let mut file = OpenOptions::new().append(true).open(world.path("README")).unwrap();
    assert_eq!(stat(world.path("README")).mtime(), before.mtime(), "opening changes nothing");
    file.write_all(b"more\n").unwrap();
    let after = stat(world.path("README"));
    assert!(after.mtime() > before.mtime() && after.ctime() > before.ctime());
    assert_eq!(after.atime(), before.atime(), "reading and writing leave atime alone");
    assert_eq!((after.mode(), after.uid(), after.nlink()), (before.mode(), before.uid(), 1));
    fs::read(world.path("README")).unwrap();
    assert_eq!(stat(world.path("README")).mtime_nsec(), after.mtime_nsec());
}

#[test]
fn four_processes_append_and_no_line_is_torn() {
    let world = World::new();
    let children: Vec<_> = (0..4)
        .map(|number| {
            let script = format!(
                "i=0; while [ $i -lt 300 ]; do echo \"{number} $i ........................\" >&3; \
                 i=$((i+1)); done"
            );
            Command::new("sh")
                .args(["-ec", &format!("exec 3>>log; {script}")])
                .current_dir(world.root())
                .stdin(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = fs::read_to_string(world.path("log")).unwrap();
    let mut next = [0; 4];
    for line in text.lines() {
        let mut words = line.split(' ');
        let who: usize = words.next().unwrap().parse().unwrap();
        let number: usize = words.next().unwrap().parse().unwrap();
        assert_eq!(words.next(), Some("........................"), "{line}");
        assert_eq!(number, next[who], "each process's lines come in order");
        next[who] += 1;
    }
    assert_eq!(next, [300; 4]);
}

#[test]
fn appending_goes_to_the_end_whatever_the_offset() {
    let world = World::new();
    let mut file = OpenOptions::new().read(true).append(true).open(world.path("README")).unwrap();
    file.seek(SeekFrom::Start(1)).unwrap();
    file.write_all(b"end").unwrap();
    file.write_all_at(b"!", 0).unwrap();
    assert_eq!(fs::read(world.path("README")).unwrap(), b"hello\nend!");
    let mut big = vec![b'z'; 5 << 20];
    big[0] = b'a';
    file.write_all(&big).unwrap();
    assert_eq!(stat(world.path("README")).len(), 10 + (5 << 20), "several requests");
    assert_eq!(&fs::read(world.path("README")).unwrap()[9..12], b"!az");
}

#[test]
fn direct_io_is_accepted() {
    let world = World::new();
    let mut flags = OpenOptions::new();
    flags.read(true).write(true).create(true).custom_flags(libc::O_DIRECT);
    let file = flags.open(world.path("direct")).unwrap();
    let layout = std::alloc::Layout::from_size_align(8192, 4096).unwrap();
    let mut space = vec![0_u8; 8192 + layout.align()];
    let start = space.as_ptr().align_offset(4096);
    let block = &mut space[start..start + 8192];
    block.fill(7);
    assert_eq!(file.write_at(block, 4096).unwrap(), 8192);
    block.fill(0);
    assert_eq!(file.read_at(block, 4096).unwrap(), 8192);
    assert!(block.iter().all(|byte| *byte == 7));
    assert_eq!(fs::read(world.path("direct")).unwrap().len(), 12_288);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(world.path("big.bin"))
        .unwrap();
    assert_eq!(file.read_at(&mut space[start..start + 8192], 8192).unwrap(), 8192);
    assert!(space[start..start + 8192] == big()[8192..16_384]);
}

#[test]
fn reading_at_and_beyond_the_end() {
    let world = World::new();
    for name in ["README", ".git", "empty"] {
        let mut file = File::open(world.path(name)).unwrap();
        let len = file.metadata().unwrap().len();
        let mut buf = [0; 8];
        assert_eq!(file.read_at(&mut buf, len).unwrap(), 0, "{name}");
        assert_eq!(file.read_at(&mut buf, len + 10_000).unwrap(), 0, "{name}");
        assert_eq!(file.read_at(&mut buf, u64::MAX >> 2).unwrap(), 0, "{name}");
        let mut all = Vec::new();
        file.read_to_end(&mut all).unwrap();
        assert_eq!(all.len() as u64, len);
    }
}

#[test]
fn errnos_of_open_read_write() {
    let world = World::new();
    let read_only = File::open(world.path("README")).unwrap();
    let write_only = OpenOptions::new().write(true).open(world.path("README")).unwrap();
    let dir = File::open(world.path("dir")).unwrap();
    let mut buf = [0; 4];
    let too_far = 1_u64 << 62;
    check_errnos(&[
        ("write on a reader", errno(read_only.write_at(b"x", 0)), libc::EBADF),
        ("read on a writer", errno(write_only.read_at(&mut buf, 0)), libc::EBADF),
        ("read of a directory", errno(dir.read_at(&mut buf, 0)), libc::EISDIR),
        (
            "write beyond what a file can hold",
            errno(write_only.write_at(b"xxxxxxxx", too_far)),
            libc::EFBIG,
        ),
        ("truncate beyond it", errno(write_only.set_len(1 << 62)), libc::EFBIG),
        ("truncate of a reader", errno(read_only.set_len(1)), libc::EINVAL),
        ("open of nothing", errno(File::open(world.path("nothing"))), libc::ENOENT),
        ("open below a file", errno(File::open(world.path("README/x"))), libc::ENOTDIR),
        (
            "O_CREAT on a directory",
            errno(rustix::fs::open(
                world.path("dir"),
                OFlags::CREATE | OFlags::WRONLY,
                Mode::from_raw_mode(0o600),
            )),
            libc::EISDIR,
        ),
    ]);
    assert_eq!(fs::read(world.path("README")).unwrap(), b"hello\n");
}

#[test]
fn a_running_program_is_not_written_and_not_emptied() {
    let world = World::new();
    let program = world.path("program");
    fs::copy("/bin/sleep", &program).unwrap();
    let len = stat(&program).len();
    let mut running = Command::new(&program).arg("60").spawn().unwrap();
    let open = |flags| errno(rustix::fs::open(&program, flags, Mode::empty()));
    let cases = [
        ("write", open(OFlags::WRONLY), libc::ETXTBSY),
        ("read and write", open(OFlags::RDWR), libc::ETXTBSY),
        ("write and empty", open(OFlags::WRONLY | OFlags::TRUNC), libc::ETXTBSY),
        ("read and empty", open(OFlags::RDONLY | OFlags::TRUNC), libc::ETXTBSY),
    ];
    let lives = running.try_wait().unwrap().is_none();
    running.kill().unwrap();
    running.wait().unwrap();
    check_errnos(&cases);
    assert!(lives, "the program still runs");
    assert_eq!(stat(&program).len(), len, "a refused open changes nothing");
}

#[test]
fn a_script_of_the_base_runs_and_one_that_is_made_too() {
    let world = World::new();
    assert_eq!(sh(world.root(), "./run.sh"), "ran\n");
    sh(world.root(), "printf '#!/bin/sh\\necho mine\\n' > mine; chmod +x mine");
    assert_eq!(sh(world.root(), "./mine"), "mine\n");
    // As on ext4: a program that runs is not written.
    sh(
        world.root(),
        "cp /bin/sleep s; ./s 5 & p=$!; sleep 0.2; ! (: > s) 2>/dev/null; kill $p; wait $p || true",
    );
}
