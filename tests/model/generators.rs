//! Random operations, and how they become steps in the state that there is.

use crate::ops::{DIR_SLOTS, Dir, FILE_SLOTS, Op, Pick, Place, Rename, Step, Time, Xattr};
use crate::reference::{Kind, Model};
use proptest::prelude::*;
use toft::types::FileKind;

/// Names that come up again and again.
const NAMES: [&[u8]; 10] =
    [b"a", b"b", b"c", b"d", b"README", b".git", b".gitignore", b"\xff\xfe", b"dir", b"GIT~1"];

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..=200)
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => making(),
        8 => naming(),
        9 => content(),
        4 => attributes(),
        2 => handles(),
        1 => world(),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![any::<u8>().prop_map(Pick::Existing), any::<u8>().prop_map(Pick::Fresh)]
}

fn fresh() -> impl Strategy<Value = Pick> {
    prop_oneof![
        4 => any::<u8>().prop_map(Pick::Fresh),
        1 => any::<u8>().prop_map(Pick::Existing),
    ]
}

fn existing() -> impl Strategy<Value = Pick> {
    prop_oneof![
        4 => any::<u8>().prop_map(Pick::Existing),
        1 => any::<u8>().prop_map(Pick::Fresh),
    ]
}

fn perm() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0o644), Just(0o755), Just(0o2775), 0..=0o7777_u32]
}

fn making() -> impl Strategy<Value = Op> {
    let dir = any::<u8>;
    let kind = prop_oneof![
        Just(FileKind::Fifo),
        Just(FileKind::Socket),
        Just(FileKind::CharDevice),
        Just(FileKind::BlockDevice),
    ];
    prop_oneof![
        4 => (dir(), fresh(), perm()).prop_map(|(dir, name, perm)| Op::Create { dir, name, perm }),
        4 => (dir(), fresh(), perm()).prop_map(|(dir, name, perm)| Op::Mkdir { dir, name, perm }),
        1 => (dir(), fresh(), any::<u8>())
            .prop_map(|(dir, name, target)| Op::Symlink { dir, name, target }),
        1 => (dir(), fresh(), kind, perm())
            .prop_map(|(dir, name, kind, perm)| Op::Mknod { dir, name, kind, perm }),
        2 => (any::<u8>(), dir(), fresh())
            .prop_map(|(file, dir, name)| Op::Link { file, dir, name }),
    ]
}

fn naming() -> impl Strategy<Value = Op> {
    let dir = any::<u8>;
    prop_oneof![
        3 => (dir(), existing()).prop_map(|(dir, name)| Op::Unlink { dir, name }),
        3 => (dir(), existing()).prop_map(|(dir, name)| Op::Rmdir { dir, name }),
        6 => (dir(), existing(), dir(), pick(), 0..5_u8).prop_map(
            |(from, name, to, new_name, mode)| Op::Rename { from, name, to, new_name, mode }
        ),
    ]
}

fn content() -> impl Strategy<Value = Op> {
    let slot = any::<u8>;
    let offset = || prop_oneof![0..64_u16, 0..20_000_u16];
    prop_oneof![
        4 => (slot(), any::<u8>(), prop::bool::weighted(0.2), prop::bool::weighted(0.3)).prop_map(
            |(slot, file, truncate, append)| Op::Open { slot, file, truncate, append }
        ),
        6 => (slot(), offset(), 1..6000_u16)
            .prop_map(|(slot, offset, len)| Op::Write { slot, offset, len }),
        1 => (slot(), 0..3_u8, offset(), 0..9000_u16)
            .prop_map(|(slot, mode, offset, len)| Op::Fallocate { slot, mode, offset, len }),
        1 => (slot(), offset(), slot(), offset(), 0..9000_u16).prop_map(
            |(from, from_offset, to, to_offset, len)| {
                Op::Copy { from, from_offset, to, to_offset, len }
            }
        ),
        2 => (any::<u8>(), offset()).prop_map(|(file, size)| Op::Truncate { file, size }),
    ]
}

fn attributes() -> impl Strategy<Value = Op> {
    let file = any::<u8>;
    let time = || {
        prop::option::of(prop_oneof![
            Just(Time::Now),
            (-1_000_000_i64..4_000_000_000, 0..1_000_000_000_u32)
                .prop_map(|(sec, nsec)| Time::At(sec, nsec)),
        ])
    };
    prop_oneof![
        2 => (file(), perm()).prop_map(|(file, perm)| Op::Chmod { file, perm }),
        1 => (file(), prop::option::of(0..3_u16), prop::option::of(0..3_u16))
            .prop_map(|(file, uid, gid)| Op::Chown { file, uid, gid }),
        2 => (file(), time(), time())
            .prop_map(|(file, atime, mtime)| Op::Utimens { file, atime, mtime }),
        2 => (file(), 0..5_u8, any::<u16>(), 0..3_u8)
            .prop_map(|(file, name, len, mode)| Op::SetXattr { file, name, len, mode }),
        1 => (file(), 0..5_u8).prop_map(|(file, name)| Op::RemoveXattr { file, name }),
    ]
}

fn handles() -> impl Strategy<Value = Op> {
    let slot = any::<u8>;
    prop_oneof![
        2 => slot().prop_map(|slot| Op::Close { slot }),
        2 => (slot(), any::<u8>()).prop_map(|(slot, dir)| Op::OpenDir { slot, dir }),
        1 => slot().prop_map(|slot| Op::CloseDir { slot }),
        1 => slot().prop_map(|slot| Op::Fsync { slot }),
    ]
}

fn world() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => Just(Op::Remount),
        2 => Just(Op::Forget),
        2 => Just(Op::Freeze),
        1 => Just(Op::Thaw),
    ]
}

impl Model {
    /// What `op` means now; None when there is nothing to do it to.
    pub fn resolve(&self, op: &Op, number: usize) -> Option<Step> {
        Some(match op {
            Op::Create { dir, name, perm } => Step::Create(self.place(*dir, *name), *perm),
            Op::Mkdir { dir, name, perm } => Step::Mkdir(self.place(*dir, *name), perm & 0o1777),
            Op::Symlink { dir, name, target } => {
                let target = vec![b't'; usize::from(*target) * 16 + 1];
                Step::Symlink(self.place(*dir, *name), target)
            }
            Op::Mknod { dir, name, kind, perm } => {
                Step::Mknod(self.place(*dir, *name), *kind, *perm)
            }
            Op::Unlink { dir, name } => Step::Unlink(self.place(*dir, *name)),
            Op::Rmdir { dir, name } => Step::Rmdir(self.place(*dir, *name)),
            Op::Rename { from, name, to, new_name, mode } => {
                let mode = match mode {
                    0 => Rename::NoReplace,
                    1 => Rename::Exchange,
                    _ => Rename::Replace,
                };
                Step::Rename(self.place(*from, *name), self.place(*to, *new_name), mode)
            }
            Op::Link { file, dir, name } => {
                let from = choose(*file, self.all_places(|_| true))?;
                Step::Link(from, self.place(*dir, *name))
            }
            Op::Open { slot, file, truncate, append } => {
                let place = choose(*file, self.all_places(is_file))?;
                let slot = usize::from(*slot) % FILE_SLOTS;
                Step::Open { slot, place, truncate: *truncate, append: *append }
            }
            Op::Close { slot } => Step::Close(self.file_slot(*slot, |_| true)?),
            Op::Fsync { slot } => Step::Fsync(self.file_slot(*slot, |_| true)?),
            Op::Write { slot, offset, len } => {
                let bytes = (0..*len).map(|at| (at as u8) ^ (number as u8)).collect();
                let slot = self.file_slot(*slot, |_| true)?;
                Step::Write { slot, offset: (*offset).into(), bytes }
            }
            Op::Fallocate { slot, mode, offset, len } => {
                let mode = match mode {
                    0 => 0,
                    1 => libc::FALLOC_FL_KEEP_SIZE,
                    _ => libc::FALLOC_FL_KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE,
                };
                let (offset, len) = ((*offset).into(), (*len).into());
                Step::Fallocate { slot: self.file_slot(*slot, |_| true)?, mode, offset, len }
            }
            Op::Copy { from, from_offset, to, to_offset, len } => Step::Copy {
                from: (self.file_slot(*from, |_| true)?, (*from_offset).into()),
                // The kernel refuses to copy to a descriptor that appends.
                to: (self.file_slot(*to, |append| !append)?, (*to_offset).into()),
                len: (*len).into(),
            },
            Op::Truncate { file, size } => {
                Step::Truncate(choose(*file, self.all_places(is_file))?, (*size).into())
            }
            Op::Chmod { file, perm } => Step::Chmod(choose(*file, self.not_links())?, *perm),
            Op::Chown { file, uid, gid } => {
                let place = choose(*file, self.not_links())?;
                Step::Chown(place, uid.map(u32::from), gid.map(u32::from))
            }
            Op::Utimens { file, atime, mtime } => {
                if atime.is_none() && mtime.is_none() {
                    return None;
                }
                Step::Utimens(choose(*file, self.not_links())?, *atime, *mtime)
            }
            Op::SetXattr { file, name, len, mode } => {
                let place = choose(*file, self.with_xattrs())?;
                let len = if *len > 65_000 { 65_537 } else { usize::from(*len) % 300 };
                let mode = match mode {
                    0 => Xattr::Any,
                    1 => Xattr::Create,
                    _ => Xattr::Replace,
                };
                Step::SetXattr(place, xattr_name(*name), vec![b'v'; len], mode)
            }
            Op::RemoveXattr { file, name } => {
                Step::RemoveXattr(choose(*file, self.with_xattrs())?, xattr_name(*name))
            }
            Op::OpenDir { slot, dir } => {
                let (path, _) = choose(*dir, self.all_dirs())?;
                Step::OpenDir(usize::from(*slot) % DIR_SLOTS, path)
            }
            Op::CloseDir { slot } => {
                let slot = usize::from(*slot) % DIR_SLOTS;
                self.dirs[slot]?;
                Step::CloseDir(slot)
            }
            Op::Freeze => Step::Freeze,
            Op::Thaw => Step::Thaw,
            Op::Forget => Step::Forget,
            Op::Remount => Step::Remount,
        })
    }

    fn not_links(&self) -> Vec<Place> {
        self.all_places(|node| !matches!(node.kind, Kind::Link(_)))
    }

    fn with_xattrs(&self) -> Vec<Place> {
        self.all_places(|node| matches!(node.kind, Kind::File(_) | Kind::Dir { .. }))
    }

    /// A directory, sometimes one that is held open and perhaps removed, and a name in it.
    fn place(&self, dir: u8, name: Pick) -> Place {
        let held = usize::from(dir) % 16;
        let dir = match self.dirs.get(held) {
            Some(Some(_)) => Dir::Slot(held),
            _ => Dir::Path(choose(dir, self.all_dirs()).expect("there is a root").0),
        };
        let entries = self.entries(self.dir(&dir));
        let name = match name {
            Pick::Existing(number) if !entries.is_empty() => {
                entries.keys().nth(usize::from(number) % entries.len()).cloned().unwrap()
            }
            // In a removed directory Linux does not get as far as the length of a name.
            Pick::Existing(number) | Pick::Fresh(number) => match fresh_name(number) {
                name if name.len() > 255 && matches!(dir, Dir::Slot(_)) => b"a".to_vec(),
                name => name,
            },
        };
        Place { dir, name }
    }

    fn file_slot(&self, slot: u8, wanted: impl Fn(bool) -> bool) -> Option<usize> {
        let open = |slot: &usize| self.files[*slot].is_some_and(|open| wanted(open.append));
        choose(slot, (0..FILE_SLOTS).filter(open).collect())
    }
}

fn is_file(node: &crate::reference::Node) -> bool {
    matches!(node.kind, Kind::File(_))
}

fn fresh_name(number: u8) -> Vec<u8> {
    match usize::from(number) % (NAMES.len() + 2) {
        index if index < NAMES.len() => NAMES[index].to_vec(),
        index if index == NAMES.len() => vec![b'n'; 255],
        _ => vec![b'n'; 256],
    }
}

fn xattr_name(number: u8) -> Vec<u8> {
    let names: [&[u8]; 5] = [b"user.a", b"user.b", b"user.\xff", b"trusted.a", b"user.long-name"];
    names[usize::from(number) % names.len()].to_vec()
}

fn choose<T>(number: u8, mut from: Vec<T>) -> Option<T> {
    let len = from.len();
    (len > 0).then(|| from.swap_remove(usize::from(number) % len))
}
