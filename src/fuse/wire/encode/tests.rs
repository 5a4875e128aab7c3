use super::*;

const SHOWN: Attr = Attr {
    ino: Ino(0x0102_0304_0506_0708),
    kind: FileKind::Regular,
    perm: 0o644,
    nlink: 2,
    uid: 1000,
    gid: 1001,
    rdev: 0x103,
    size: 4097,
    blocks: 16,
    atime: Timespec { sec: -2, nsec: 200_000_000 },
    mtime: Timespec { sec: 5, nsec: 6 },
    ctime: Timespec { sec: 7, nsec: 8 },
};

#[expect(clippy::host_endian_bytes, reason = "the kernel's order is this machine's")]
fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_ne_bytes(wide)
}

/// `fuse_attr` at `at`, field by field.
fn check_attr(bytes: &[u8], at: usize) {
    let long = [SHOWN.ino.0, 4097, 16, -2_i64 as u64, 5, 7];
    let short = [200_000_000, 6, 8, 0o100644, 2, 1000, 1001, 0x103, 4096, 0];
    for (index, wanted) in long.into_iter().enumerate() {
        assert_eq!(number::<8>(bytes, at + 8 * index), wanted, "u64 {index}");
    }
    for (index, wanted) in short.into_iter().enumerate() {
        assert_eq!(number::<4>(bytes, at + 48 + 4 * index), wanted, "u32 {index}");
    }
}

#[test]
fn attributes_lie_where_the_kernel_looks() {
    let bytes = attr(&SHOWN, Duration::new(9, 10));
    assert_eq!(bytes.len(), 104);
    assert_eq!((number::<8>(&bytes, 0), number::<4>(&bytes, 8)), (9, 10));
    check_attr(&bytes, 16);
}

#[test]
fn an_entry_says_how_long_it_holds() {
    let ttl = Duration::new(9, 10);
    let bytes = created(&SHOWN, ttl, 77, 0x22);
    assert_eq!(bytes.len(), 144);
    assert_eq!(bytes[..128], entry(&SHOWN, ttl));
    assert_eq!(number::<8>(&bytes, 0), SHOWN.ino.0);
    assert_eq!((number::<8>(&bytes, 16), number::<8>(&bytes, 24)), (9, 9));
    assert_eq!((number::<4>(&bytes, 32), number::<4>(&bytes, 36)), (10, 10));
    check_attr(&bytes, 40);
    assert_eq!(bytes[128..], opened(77, 0x22));
    assert_eq!((number::<8>(&bytes, 128), number::<4>(&bytes, 136)), (77, 0x22));
    let nothing = entry_of_nothing(ttl);
    assert_eq!((number::<8>(&nothing, 0), number::<8>(&nothing, 16)), (0, 9));
}

#[test]
fn counts_and_sizes() {
    assert_eq!(number::<4>(&written(7), 0), 7);
    assert_eq!(number::<8>(&lseek(-1), 0), u64::MAX);
    let stat = FsStat {
        blocks: 1,
        free: 2,
        available: 3,
        files: 4,
        files_free: 5,
        block_size: 6,
        fragment: 8,
        name_max: 7,
    };
    let bytes = statfs(&stat);
    assert_eq!((0..5).map(|at| number::<8>(&bytes, 8 * at)).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!((0..3).map(|at| number::<4>(&bytes, 40 + 4 * at)).collect::<Vec<_>>(), [6, 7, 8]);
}

#[test]
fn a_listing_is_padded_and_ends_where_there_is_no_room() {
    let mut room = [0xff; 24 + 8 + 24 + 16];
    let mut names = Dirents::new(&mut room);
    assert!(names.add(1, Ino(5), FileKind::Directory, b"."));
    assert!(names.add(2, Ino(6), FileKind::Regular, b"nine char"));
    assert!(!names.add(3, Ino(7), FileKind::Regular, b"x"));
    assert_eq!(names.used(), 72);
    // ino, off, namelen, type, name, padding
    assert_eq!((number::<8>(&room, 0), number::<8>(&room, 8)), (5, 1));
    assert_eq!((number::<4>(&room, 16), number::<4>(&room, 20)), (1, 4));
    assert_eq!(&room[24..32], b".\0\0\0\0\0\0\0");
    assert_eq!((number::<8>(&room, 32), number::<4>(&room, 48), number::<4>(&room, 52)), (6, 9, 8));
    assert_eq!(&room[56..], b"nine char\0\0\0\0\0\0\0");

    let mut room = [0; 128 + 24 + 8];
    let mut names = Dirents::new(&mut room);
    assert!(names.add_plus(4, b"name", &SHOWN, Duration::from_secs(9)));
    assert!(!names.add_plus(5, b"more", &SHOWN, Duration::from_secs(9)));
    assert_eq!(room[..128], entry(&SHOWN, Duration::from_secs(9)));
    assert_eq!((number::<8>(&room, 128), number::<8>(&room, 136)), (SHOWN.ino.0, 4));
    assert_eq!(&room[152..], b"name\0\0\0\0");
}
