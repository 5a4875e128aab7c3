//! Random walks: the same steps on the local disk and in a mount, each answer and, every so often,
//! everything that is there compared.

use super::matrix::Answer;
use super::raw::errno_name;
use super::stage::{Kind, Thing, lower};
use super::{oracle, snapshot};
use crate::view::State;
use crate::world::World;
use rustix::fs::{AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, RenameFlags, XattrFlags};
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

const SEEDS: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const STEPS: usize = 500;
/// Steps between two looks at everything; at every other look the mount is mounted again.
const LOOK: usize = 50;

/// How many answers are compared.
pub const ASSERTIONS: usize = SEEDS.len() * STEPS;

/// What there is at the start.
const START: Kind = Kind::of_base(
    "start",
    &[
        ("a/a", Thing::File("first\n")),
        ("a/b/c", Thing::Exec("second\n")),
        ("b/a/b/a", Thing::File("third\n")),
        ("b/c", Thing::Link("a")),
        ("c", Thing::File("")),
        ("d", Thing::Void),
    ],
);

#[derive(Clone, Debug)]
enum Step {
    Create(PathBuf),
    Write(PathBuf, u64, usize, u8),
    Append(PathBuf, usize, u8),
    Truncate(PathBuf, u64),
    Read(PathBuf),
    List(PathBuf),
    Unlink(PathBuf),
    Rmdir(PathBuf),
    Mkdir(PathBuf),
    Symlink(PathBuf, PathBuf),
    Fifo(PathBuf),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf, RenameFlags),
    Chmod(PathBuf, u32),
    SetXattr(PathBuf, u8, u8),
    RemoveXattr(PathBuf, u8),
    Hold(PathBuf),
    Release(usize),
    ReadHeld(usize, u64),
    WriteHeld(usize, u64, usize, u8),
    CutHeld(usize, u64),
    PunchHeld(usize, u64, u64),
    StatHeld(usize),
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn path(&mut self) -> PathBuf {
        let depth = 1 + self.roll(3);
        (0..depth).map(|_| ["a", "b", "c", "d"][self.roll(4) as usize]).collect()
    }

    fn size(&mut self) -> u64 {
        [0, 1, 7, 300, 4096, 9000][self.roll(6) as usize]
    }

    fn step(&mut self) -> Step {
        let (path, other) = (self.path(), self.path());
        let (size, held, byte) = (self.size(), self.roll(4) as usize, self.roll(250) as u8);
        let len = self.size() as usize;
        match self.roll(30) {
            0 | 1 => Step::Create(path),
            2 | 3 => Step::Write(path, size, len, byte),
            4 => Step::Append(path, len, byte),
            5 => Step::Truncate(path, size),
            6 => Step::Read(path),
            7 => Step::List(path),
            8 | 9 => Step::Unlink(path),
            10 => Step::Rmdir(path),
            11..=13 => Step::Mkdir(path),
            14 => Step::Symlink(other, path),
            15 => Step::Fifo(path),
            16 | 17 => Step::Link(path, other),
            18..=20 => Step::Rename(path, other, RenameFlags::empty()),
            21 => {
                let flags = [RenameFlags::NOREPLACE, RenameFlags::EXCHANGE, RenameFlags::WHITEOUT];
                Step::Rename(path, other, flags[self.roll(3) as usize])
            }
            22 => Step::Chmod(path, [0o600, 0o755, 0o4711, 0o2770, 0o1777][self.roll(5) as usize]),
            23 => Step::SetXattr(path, byte % 3, byte),
            24 => Step::RemoveXattr(path, byte % 3),
            25 => Step::Hold(path),
            26 => match self.roll(3) {
                0 => Step::Release(held),
                1 => Step::StatHeld(held),
                _ => Step::ReadHeld(held, size),
            },
            27 => Step::WriteHeld(held, size, len, byte),
            28 => Step::CutHeld(held, size),
            _ => Step::PunchHeld(held, size, 1 + len as u64),
        }
    }
}

/// A place where the steps are taken, and the files held open there.
struct Walker {
    root: PathBuf,
    held: Vec<Option<File>>,
}

impl Walker {
    fn new(root: PathBuf) -> Walker {
        Walker { root, held: (0..4).map(|_| None).collect() }
    }

    fn open(&self, path: &Path, flags: OFlags) -> std::io::Result<File> {
        // A whiteout is a device, and a mount of toft is nodev.
        if fs::metadata(self.root.join(path)).is_ok_and(|stat| stat.file_type().is_char_device()) {
            return Err(rustix::io::Errno::PERM.into());
        }
        let flags = flags | OFlags::NONBLOCK;
        Ok(rustix::fs::open(self.root.join(path), flags, Mode::from_raw_mode(0o644))?.into())
    }

    fn held(&self, number: usize) -> std::io::Result<&File> {
        self.held[number].as_ref().ok_or(rustix::io::Errno::BADF.into())
    }

    fn take(&mut self, step: &Step) -> Answer {
        let at = |path: &Path| self.root.join(path);
        match step {
            Step::Create(path) => {
                drop(self.open(path, OFlags::CREATE | OFlags::EXCL | OFlags::RDWR)?)
            }
            Step::Write(path, offset, len, byte) => {
                self.open(path, OFlags::WRONLY)?.write_all_at(&vec![*byte; *len], *offset)?;
            }
            Step::Append(path, len, byte) => {
                let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
                self.open(path, flags)?.write_all_at(&vec![*byte; *len], 0)?;
            }
            Step::Truncate(path, size) => {
                self.open(path, OFlags::WRONLY | OFlags::TRUNC)?.set_len(*size)?;
            }
            Step::Read(path) => return told(&self.open(path, OFlags::RDONLY)?, 0),
            Step::List(path) => {
                let names: std::io::Result<Vec<_>> =
                    fs::read_dir(at(path))?.map(|entry| Ok(entry?.file_name())).collect();
                let mut names = names?;
                names.sort();
                return Ok(format!("{names:?}"));
            }
            Step::Unlink(path) => rustix::fs::unlink(at(path))?,
            Step::Rmdir(path) => rustix::fs::rmdir(at(path))?,
            Step::Mkdir(path) => fs::create_dir(at(path))?,
            Step::Symlink(target, path) => symlink(target, at(path))?,
            Step::Fifo(path) => {
                rustix::fs::mknodat(CWD, at(path), FileType::Fifo, Mode::from_raw_mode(0o640), 0)?;
            }
            Step::Link(from, to) => {
                rustix::fs::linkat(CWD, at(from), CWD, at(to), AtFlags::empty())?;
            }
            Step::Rename(from, to, flags) => {
                rustix::fs::renameat_with(CWD, at(from), CWD, at(to), *flags)?;
            }
            Step::Chmod(path, mode) => rustix::fs::chmod(at(path), Mode::from_raw_mode(*mode))?,
            Step::SetXattr(path, name, value) => {
                let name = format!("user.{name}");
                rustix::fs::lsetxattr(at(path), name, &[*value], XattrFlags::empty())?;
            }
            Step::RemoveXattr(path, name) => {
                rustix::fs::lremovexattr(at(path), format!("user.{name}"))?;
            }
            Step::Hold(path) => {
                let file = self.open(path, OFlags::RDWR)?;
                self.held.rotate_right(1);
                self.held[0] = Some(file);
            }
            Step::Release(number) => drop(self.held[*number].take()),
            Step::ReadHeld(number, offset) => return told(self.held(*number)?, *offset),
            Step::WriteHeld(number, offset, len, byte) => {
                self.held(*number)?.write_all_at(&vec![*byte; *len], *offset)?;
            }
            Step::CutHeld(number, size) => self.held(*number)?.set_len(*size)?,
            Step::PunchHeld(number, offset, len) => {
                let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(self.held(*number)?, mode, *offset, *len)?;
            }
            Step::StatHeld(number) => {
                let stat = self.held(*number)?.metadata()?;
                return Ok(format!("{:o} {} {}", stat.mode(), stat.len(), stat.nlink()));
            }
        }
        Ok(String::new())
    }

    /// Everything that is there; files of one inode carry the name of the first.
    fn look(&self) -> Vec<String> {
        let mut found = Vec::new();
        snapshot::walk(&self.root, Path::new("."), &mut |path, stat| {
            found.push((path.to_owned(), stat.clone()));
        });
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let mut firsts = HashMap::new();
        let lines = found.into_iter().map(|(path, stat)| {
            let first = firsts.entry(stat.ino()).or_insert_with(|| path.clone()).clone();
            let at = self.root.join(&path);
            let size = if stat.is_dir() { 0 } else { stat.len() };
            let content = match (stat.is_file(), stat.is_symlink()) {
                (true, _) => told(&File::open(&at).unwrap(), 0).unwrap(),
                (_, true) => format!("{:?}", fs::read_link(&at).unwrap()),
                _ => String::new(),
            };
            let xattrs: Vec<_> = (0..3).map(|name| xattr(&at, name)).collect();
            let (mode, links) = (stat.mode(), stat.nlink());
            format!("{path:?}: {mode:o} {links} {size} {content} {xattrs:?} as {first:?}")
        });
        lines.collect()
    }
}

fn xattr(path: &Path, name: u8) -> Option<u8> {
    let mut value = [0_u8; 4];
    rustix::fs::lgetxattr(path, format!("user.{name}"), &mut value).ok().map(|_| value[0])
}

/// The bytes from `offset` on, as runs.
fn told(file: &File, offset: u64) -> Answer {
    let mut bytes = vec![0; 40_000];
    let count = file.read_at(&mut bytes, offset)?;
    let runs = bytes[..count].chunk_by(|one, other| one == other);
    Ok(runs.map(|run| format!("{}x{} ", run.len(), run[0])).collect())
}

#[test]
fn a_random_walk_leads_where_it_leads_on_the_local_disk() {
    let Some(dir) = oracle::dir().filter(|_| oracle::has_xattrs()) else { return };
    let lower = lower(&[START], 1);
    for seed in SEEDS {
        let root = dir.path().join(seed.to_string());
        START.build(&root);
        let mut world = World::with(State::new(&lower));
        let mut local = Walker::new(root);
        let mut mounted = Walker::new(world.path("start/0"));
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut steps = Vec::new();
        for number in 1..=STEPS {
            let step = dice.step();
            steps.push(step.clone());
            let (wanted, got) = (local.take(&step), mounted.take(&step));
            let text = |answer: Answer| (errno_name(&answer), answer.unwrap_or_default());
            assert_eq!(
                text(got),
                text(wanted),
                "seed {seed}, step {number}: {step:?} of {steps:#?}"
            );
            if number % LOOK == 0 {
                if number % (2 * LOOK) == 0 {
                    local.held.fill_with(|| None);
                    mounted.held.fill_with(|| None);
                    world.remount();
                }
                let (wanted, got) = (local.look(), mounted.look());
                assert_eq!(got, wanted, "seed {seed}, after step {number} of {steps:#?}");
            }
        }
    }
}
