use super::*;

/// Numbers as the kernel lays them out.
fn bytes(fields: &[(u64, usize)]) -> Vec<u8> {
    fields.iter().flat_map(|(value, size)| value.to_ne_bytes()[..*size].to_vec()).collect()
}

fn decode<'a>(opcode: u32, fields: &[(u64, usize)], rest: &'a [u8]) -> Decoded<Operation<'a>> {
    let mut structure = bytes(fields);
    structure.resize(128, 0);
    Operation::decode(opcode, &structure, rest)
}

#[test]
fn the_header_says_who_asks_for_what() {
    // len, opcode, unique, nodeid, uid, gid, pid, total_extlen, padding
    let header = bytes(&[(99, 4), (15, 4), (7, 8), (42, 8), (1, 4), (2, 4), (3, 4), (0, 4)]);
    let expected = Header { opcode: 15, unique: 7, node: 42, uid: 1, gid: 2, pid: 3 };
    assert_eq!(Header::decode(&header), Ok(expected));
    assert_eq!(Header::decode(&header[..35]), Err(Malformed));
}

#[test]
fn names_end_with_their_nul() {
    assert_eq!(decode(1, &[], b"a name\0"), Ok(Operation::Lookup { name: b"a name" }));
    let link = Operation::Symlink { name: b"link", target: b"../x" };
    assert_eq!(decode(6, &[], b"link\0../x\0"), Ok(link));
    let made = Operation::Mknod { name: b"n", mode: 0o20644, rdev: 0x103 };
    assert_eq!(decode(8, &[(0o20644, 4), (0x103, 4), (0o22, 4), (0, 4)], b"n\0"), Ok(made));
    let made = Operation::Create { name: b"n", mode: 0o100644 };
    assert_eq!(decode(35, &[(0o1101, 4), (0o100644, 4), (0o22, 4), (0, 4)], b"n\0"), Ok(made));
    let renamed = |flags| Operation::Rename { name: b"a", new_parent: 9, new_name: b"b", flags };
    // The structure of the older one has no flags; what follows is no part of it.
    assert_eq!(decode(12, &[(9, 8), (2, 4)], b"a\0b\0"), Ok(renamed(0)));
    assert_eq!(decode(45, &[(9, 8), (2, 4)], b"a\0b\0"), Ok(renamed(2)));
    let link = Operation::Link { node: 9, new_name: b"b" };
    assert_eq!(decode(13, &[(9, 8)], b"b\0"), Ok(link));
}

#[test]
fn bytes_are_as_many_as_were_said() {
    let fields = [(5, 8), (4096, 8), (3, 4), (1, 4), (77, 8), (0o2001, 4), (0, 4)];
    let write = Write { fh: 5, offset: 4096, data: b"abc", write_flags: 1, flags: 0o2001 };
    assert_eq!(decode(16, &fields, b"abc and what was there before"), Ok(Operation::Write(write)));
    assert_eq!(decode(16, &fields, b"ab"), Err(Malformed));
    let set = Operation::Setxattr { name: b"user.x", value: b"v\0", flags: 1 };
    assert_eq!(decode(21, &[(2, 4), (1, 4)], b"user.x\0v\0"), Ok(set));
    assert_eq!(decode(21, &[(3, 4), (1, 4)], b"user.x\0v\0"), Err(Malformed));
    let read = Operation::Read { fh: 5, offset: 8, size: 512 };
    assert_eq!(decode(15, &[(5, 8), (8, 8), (512, 4)], b""), Ok(read));
    let cookie = Operation::Readdir { offset: u64::MAX, size: 512 };
    assert_eq!(decode(28, &[(0, 8), (u64::MAX, 8), (512, 4)], b""), Ok(cookie));
    let copied = Operation::CopyFileRange { from: (1, 2), to: (3, 4, 5), len: 6 };
    assert_eq!(
        decode(47, &[(1, 8), (2, 8), (3, 8), (4, 8), (5, 8), (6, 8), (0, 8)], b""),
        Ok(copied)
    );
}

#[test]
fn attributes_are_set_that_are_said_to_be() {
    let fields = |valid| {
        let times = [(u64::MAX, 8), (20, 8), (30, 8), (1, 4), (2, 4), (3, 4)];
        let head = [(valid, 4), (0, 4), (0, 8), (9, 8), (0, 8)];
        let tail = [(0o106755, 4), (0, 4), (1000, 4), (1001, 4), (0, 4)];
        [&head[..], &times[..], &tail[..]].concat()
    };
    let at = |sec, nsec| Some(SetTime::At(Timespec { sec, nsec }));
    let all = SetAttr {
        perm: Some(0o6755),
        uid: Some(1000),
        gid: Some(1001),
        size: Some(9),
        atime: at(-1, 1),
        mtime: at(20, 2),
    };
    assert_eq!(decode(4, &fields(63), b""), Ok(Operation::Setattr(all)));
    assert_eq!(decode(4, &fields(0), b""), Ok(Operation::Setattr(SetAttr::default())));
    let now = SetAttr { atime: Some(SetTime::Now), ..SetAttr::default() };
    // ATIME | ATIME_NOW, and MTIME_NOW alone, which sets nothing.
    assert_eq!(decode(4, &fields(16 | 128 | 256), b""), Ok(Operation::Setattr(now)));
}

#[test]
fn what_cannot_be_is_refused_and_what_is_unknown_is_told() {
    assert_eq!(decode(1, &[], b"without an end"), Err(Malformed));
    assert_eq!(decode(6, &[], b"one\0"), Err(Malformed));
    assert_eq!(decode(15, &[(5, 8), (u64::MAX, 8)], b""), Err(Malformed), "before the start");
    assert_eq!(decode(4096, &[], b""), Ok(Operation::Other));
    for opcode in 0..=60 {
        for rest in [&b""[..], b"\0", b"\0\0", b"a\0b\0"] {
            let full = [0xff; 128];
            for size in 0..=full.len() {
                // Whatever comes, nothing panics.
                let _ = Operation::decode(opcode, &full[..size], rest);
            }
        }
    }
}
