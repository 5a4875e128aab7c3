//! fallocate, holes, SEEK_DATA and SEEK_HOLE, copy_file_range.

use crate::world::{BIG, World, big, check_errnos, errno, stat};
use rustix::fs::{FallocateFlags, SeekFrom, copy_file_range, fallocate, seek};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};

const MIB: u64 = 1 << 20;

fn open(world: &World, name: &str) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).open(world.path(name)).unwrap()
}

#[test]
fn a_sparse_file_of_4_gib_takes_no_space() {
    let mut world = World::new();
    let file = open(&world, "sparse");
    file.set_len(4096 * MIB).unwrap();
    file.write_all_at(b"end", 4096 * MIB - 3).unwrap();
    assert_eq!(stat(world.path("sparse")).len(), 4096 * MIB);
    assert!(stat(world.path("sparse")).blocks() < 100, "holes are not filled");
    drop(file);
    world.remount();
    let file = open(&world, "sparse");
    let mut buf = [1; 8];
    file.read_exact_at(&mut buf, 3000 * MIB).unwrap();
    assert_eq!(buf, [0; 8]);
    file.read_exact_at(&mut buf[..3], 4096 * MIB - 3).unwrap();
    assert_eq!(&buf[..3], b"end");
    assert!(seek(&file, SeekFrom::Data(0)).unwrap() >= 4095 * MIB);
}

#[test]
fn data_and_holes_are_found() {
    let world = World::new();
    let file = open(&world, "holes");
    file.write_all_at(&[1; 4096], 2 * MIB).unwrap();
    file.set_len(4 * MIB).unwrap();
    assert_eq!(seek(&file, SeekFrom::Hole(0)).unwrap(), 0);
    assert_eq!(seek(&file, SeekFrom::Data(0)).unwrap(), 2 * MIB);
    assert_eq!(seek(&file, SeekFrom::Hole(2 * MIB)).unwrap(), 2 * MIB + 4096);
    assert_eq!(errno(seek(&file, SeekFrom::Data(3 * MIB))), libc::ENXIO);
    assert_eq!(errno(seek(&file, SeekFrom::Hole(4 * MIB))), libc::ENXIO);
    let base = File::open(world.path("big.bin")).unwrap();
    assert_eq!(seek(&base, SeekFrom::Data(7)).unwrap(), 7);
    assert_eq!(seek(&base, SeekFrom::Hole(7)).unwrap(), BIG as u64);
    assert_eq!(errno(seek(&base, SeekFrom::Data(BIG as u64))), libc::ENXIO);
}

#[test]
fn space_is_reserved_and_freed() {
    let world = World::new();
    let file = open(&world, "README");
    fallocate(&file, FallocateFlags::empty(), 0, MIB).unwrap();
    assert_eq!(stat(world.path("README")).len(), MIB);
    assert!(stat(world.path("README")).blocks() >= 2048);
    fallocate(&file, FallocateFlags::KEEP_SIZE, 2 * MIB, MIB).unwrap();
    assert_eq!(stat(world.path("README")).len(), MIB);
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let before = stat(world.path("README")).blocks();
    fallocate(&file, punch, 0, MIB).unwrap();
    assert_eq!(fs::read(world.path("README")).unwrap(), vec![0; MIB as usize]);
    assert!(stat(world.path("README")).blocks() <= before - 2048, "space comes back");
    let base = open(&world, "big.bin");
    fallocate(&base, punch, 4096, 8192).unwrap();
    let mut wanted = big();
    wanted[4096..12_288].fill(0);
    assert!(fs::read(world.path("big.bin")).unwrap() == wanted);
    fallocate(&base, FallocateFlags::ZERO_RANGE, 0, 100).unwrap();
    wanted[..100].fill(0);
    assert!(fs::read(world.path("big.bin")).unwrap() == wanted);
    let reader = File::open(world.path("README")).unwrap();
    check_errnos(&[
        ("no length", errno(fallocate(&file, FallocateFlags::empty(), 0, 0)), libc::EINVAL),
        ("too much", errno(fallocate(&file, FallocateFlags::empty(), 1 << 62, MIB)), libc::EFBIG),
        ("a reader", errno(fallocate(&reader, FallocateFlags::empty(), 0, 1)), libc::EBADF),
        // Linux lets FUSE have neither.
        (
            "collapse",
            errno(fallocate(&file, FallocateFlags::COLLAPSE_RANGE, 0, 4096)),
            libc::EOPNOTSUPP,
        ),
        (
            "insert",
            errno(fallocate(&file, FallocateFlags::INSERT_RANGE, 0, 4096)),
            libc::EOPNOTSUPP,
        ),
    ]);
}

#[test]
fn ranges_are_copied_between_all_kinds_of_files() {
    let world = World::new();
    let copy = |from: &File, from_offset: u64, to: &File, to_offset: u64, len: usize| {
        let (mut from_offset, mut to_offset) = (from_offset, to_offset);
        let mut left = len;
        while left > 0 {
            let from = (from, Some(&mut from_offset));
            let count = copy_file_range(from.0, from.1, to, Some(&mut to_offset), left).unwrap();
            if count == 0 {
                break;
            }
            left -= count;
        }
        len - left
    };
    let base = File::open(world.path("big.bin")).unwrap();
    let made = open(&world, "made");
    assert_eq!(copy(&base, 0, &made, 0, BIG), BIG);
    assert!(fs::read(world.path("made")).unwrap() == big());
    let second = open(&world, "second");
    assert_eq!(copy(&made, 1000, &second, 10, 500_000), 500_000);
    assert!(fs::read(world.path("second")).unwrap()[10..] == big()[1000..501_000]);
    let readme = open(&world, "README");
    assert_eq!(copy(&made, 0, &readme, 3, 4), 4, "a base file is written");
    assert_eq!(fs::read(world.path("README")).unwrap()[..3], *b"hel");
    assert_eq!(copy(&made, BIG as u64 - 5, &second, 0, 100), 5, "as far as the source goes");
    assert_eq!(copy(&made, BIG as u64 + 5, &second, 0, 100), 0);
    assert_eq!(copy(&made, 0, &made, 2_000_000, 1000), 1000, "inside one file");
    assert!(fs::read(world.path("made")).unwrap()[2_000_000..2_001_000] == big()[..1000]);
    let (mut from, mut to) = (0, 10);
    let overlap = copy_file_range(&made, Some(&mut from), &made, Some(&mut to), 1000);
    assert_eq!(errno(overlap), libc::EINVAL);
    fs::copy(world.path("big.bin"), world.path("copied")).unwrap();
    assert!(fs::read(world.path("copied")).unwrap() == big());
}
