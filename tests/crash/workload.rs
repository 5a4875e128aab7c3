//! Random legal operations, one system call each.

use crate::oracle::{Op, Oracle, Shown};
use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A small generator (xorshift64*), so that a seed names a run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let len = u64::try_from(from.len()).unwrap();
        (len > 0).then(|| from[usize::try_from(self.below(len)).unwrap()].clone())
    }

    fn bytes(&mut self) -> Vec<u8> {
        let most = if self.below(8) == 0 { 60_000 } else { 300 };
        let len = 1 + self.below(most);
        let byte = u8::try_from(self.below(256)).unwrap();
        (0..len).map(|at| byte.wrapping_add(at as u8)).collect()
    }
}

/// The next operation, legal in the state that the oracle holds.
pub fn next(random: &mut Random, oracle: &Oracle) -> Op {
    loop {
        if let Some(op) = propose(random, oracle) {
            return op;
        }
    }
}

fn propose(random: &mut Random, oracle: &Oracle) -> Option<Op> {
    let file = |random: &mut Random| {
        random.pick(&oracle.paths(|shown| matches!(shown, Shown::File { .. })))
    };
    let other = |random: &mut Random| random.pick(&oracle.paths(|shown| *shown != Shown::Dir));
    let dir = |random: &mut Random| random.pick(&oracle.paths(|shown| *shown == Shown::Dir));
    let fresh = |random: &mut Random| {
        let parent = dir(random).filter(|_| random.below(3) > 0).unwrap_or_default();
        let mut name = format!("n{}", random.below(400)).into_bytes();
        if random.below(10) == 0 {
            name.push(0xff);
        }
        let path = parent.join(PathBuf::from(std::ffi::OsString::from_vec(name)));
        (!oracle.tree().contains_key(&path)).then_some(path)
    };
    Some(match random.below(20) {
        0..=3 => Op::Create {
            path: fresh(random)?,
            mode: [0o644, 0o755, 0o600][random.below(3) as usize],
        },
        4..=7 => {
            Op::Write { path: file(random)?, offset: random.below(5000), bytes: random.bytes() }
        }
        8..=9 => Op::Append { path: file(random)?, bytes: random.bytes() },
        10 => Op::Truncate { path: file(random)?, len: random.below(4000) },
        11..=12 => Op::Mkdir { path: fresh(random)? },
        13 => Op::Rmdir { path: dir(random).filter(|path| oracle.is_empty_dir(path))? },
        14 => Op::Unlink { path: other(random)? },
        15 => Op::Rename { from: other(random)?, to: other(random)? },
        16 => Op::Rename { from: other(random)?, to: fresh(random)? },
        17 => {
            let (from, to) = (dir(random)?, fresh(random)?);
            if to.starts_with(&from) {
                return None;
            }
            Op::Rename { from, to }
        }
        18 => Op::Link { from: file(random)?, to: fresh(random)? },
        _ if random.below(2) == 0 => {
            Op::Symlink { target: b"some/where".to_vec(), path: fresh(random)? }
        }
        _ => {
            Op::Chmod { path: file(random)?, mode: [0o600, 0o644, 0o755][random.below(3) as usize] }
        }
    })
}

/// Performs the operation below `root`.
pub fn perform(root: &Path, op: &Op) -> io::Result<()> {
    let at = |path: &Path| root.join(path);
    match op {
        Op::Create { path, mode } => {
            let path = at(path);
            OpenOptions::new().write(true).create_new(true).mode(*mode).open(path).map(drop)
        }
        Op::Write { path, offset, bytes } => {
            let file = OpenOptions::new().write(true).open(at(path))?;
            written(file.write_at(bytes, *offset)?, bytes)
        }
        Op::Append { path, bytes } => {
            let mut file = OpenOptions::new().append(true).open(at(path))?;
            written(io::Write::write(&mut file, bytes)?, bytes)
        }
        Op::Truncate { path, len } => OpenOptions::new().write(true).open(at(path))?.set_len(*len),
        Op::Mkdir { path } => std::fs::create_dir(at(path)),
        Op::Rmdir { path } => std::fs::remove_dir(at(path)),
        Op::Unlink { path } => std::fs::remove_file(at(path)),
        Op::Rename { from, to } => std::fs::rename(at(from), at(to)),
        Op::Link { from, to } => std::fs::hard_link(at(from), at(to)),
        Op::Symlink { target, path } => {
            std::os::unix::fs::symlink(std::ffi::OsString::from_vec(target.clone()), at(path))
        }
        Op::Chmod { path, mode } => {
            std::fs::set_permissions(at(path), Permissions::from_mode(*mode))
        }
    }
}

fn written(count: usize, bytes: &[u8]) -> io::Result<()> {
    if count == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}
