//! What was acknowledged: a plain tree in memory, and the same shape read from a mount.

use std::collections::BTreeMap;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// One system call of the workload. Paths are relative to the mount.
#[derive(Clone, Debug)]
pub enum Op {
    Create { path: PathBuf, mode: u32 },
    Write { path: PathBuf, offset: u64, bytes: Vec<u8> },
    Append { path: PathBuf, bytes: Vec<u8> },
    Truncate { path: PathBuf, len: u64 },
    Mkdir { path: PathBuf },
    Rmdir { path: PathBuf },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Link { from: PathBuf, to: PathBuf },
    Symlink { target: Vec<u8>, path: PathBuf },
    Chmod { path: PathBuf, mode: u32 },
}

/// What a path shows, as far as two trees are compared. Hard links show by their group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Dir,
    File { mode: u32, bytes: Vec<u8>, group: PathBuf },
    Symlink(Vec<u8>),
}

pub type Tree = BTreeMap<PathBuf, Shown>;

#[derive(Clone)]
struct File {
    mode: u32,
    bytes: Vec<u8>,
}

#[derive(Clone)]
enum Entry {
    Dir,
    File(usize),
    Symlink(Vec<u8>),
}

/// The oracle.
#[derive(Clone, Default)]
pub struct Oracle {
    entries: BTreeMap<PathBuf, Entry>,
    files: Vec<File>,
}

impl Oracle {
    /// Takes over what a fresh mount shows.
    pub fn of(tree: &Tree) -> Self {
        let mut oracle = Self::default();
        for (path, shown) in tree {
            let entry = match shown {
                Shown::Dir => Entry::Dir,
                Shown::Symlink(target) => Entry::Symlink(target.clone()),
                Shown::File { mode, bytes, .. } => {
                    oracle.files.push(File { mode: *mode, bytes: bytes.clone() });
                    Entry::File(oracle.files.len() - 1)
                }
            };
            oracle.entries.insert(path.clone(), entry);
        }
        oracle
    }

    pub fn tree(&self) -> Tree {
        let mut groups: BTreeMap<usize, PathBuf> = BTreeMap::new();
        let show = |(path, entry): (&PathBuf, &Entry)| {
            let shown = match entry {
                Entry::Dir => Shown::Dir,
                Entry::Symlink(target) => Shown::Symlink(target.clone()),
                Entry::File(id) => {
                    let group = groups.entry(*id).or_insert_with(|| path.clone()).clone();
                    let file = &self.files[*id];
                    Shown::File { mode: file.mode, bytes: file.bytes.clone(), group }
                }
            };
            (path.clone(), shown)
        };
        self.entries.iter().map(show).collect()
    }

    pub fn paths(&self, wanted: impl Fn(&Shown) -> bool) -> Vec<PathBuf> {
        self.tree().into_iter().filter(|(_, shown)| wanted(shown)).map(|(path, _)| path).collect()
    }

    pub fn is_empty_dir(&self, path: &Path) -> bool {
        !self.entries.keys().any(|other| other != path && other.starts_with(path))
    }

    /// Applies an operation that is known to be legal.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { path, mode } => {
                self.files.push(File { mode: *mode, bytes: Vec::new() });
                self.entries.insert(path.clone(), Entry::File(self.files.len() - 1));
            }
            Op::Write { path, offset, bytes } => {
                let file = &mut self.file(path).bytes;
                let start = usize::try_from(*offset).unwrap();
                let end = start + bytes.len();
                file.resize(file.len().max(end), 0);
                file[start..end].copy_from_slice(bytes);
            }
            Op::Append { path, bytes } => self.file(path).bytes.extend_from_slice(bytes),
            Op::Truncate { path, len } => {
                self.file(path).bytes.resize(usize::try_from(*len).unwrap(), 0);
            }
            Op::Mkdir { path } => {
                self.entries.insert(path.clone(), Entry::Dir);
            }
            Op::Rmdir { path } | Op::Unlink { path } => {
                self.entries.remove(path);
            }
            Op::Rename { from, to } => self.rename(from, to),
            Op::Link { from, to } => {
                let entry = self.entries[from].clone();
                self.entries.insert(to.clone(), entry);
            }
            Op::Symlink { target, path } => {
                self.entries.insert(path.clone(), Entry::Symlink(target.clone()));
            }
            Op::Chmod { path, mode } => self.file(path).mode = *mode,
        }
    }

    /// How long a file is.
    pub fn len_of(&self, path: &Path) -> u64 {
        match &self.entries[path] {
            Entry::File(id) => self.files[*id].bytes.len() as u64,
            _ => 0,
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        if let (Entry::File(a), Some(Entry::File(b))) = (&self.entries[from], self.entries.get(to))
            && a == b
        {
            return; // rename(2): two links to one file, nothing happens
        }
        let moved: Vec<_> =
            self.entries.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let entry = self.entries.remove(&path).unwrap();
            let rest = path.strip_prefix(from).unwrap();
            let new = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            self.entries.insert(new, entry);
        }
    }

    fn file(&mut self, path: &Path) -> &mut File {
        match &self.entries[path] {
            Entry::File(id) => &mut self.files[*id],
            _ => panic!("{} is no file", path.display()),
        }
    }
}

/// Reads the tree below `root` through the kernel; the root's `.git` is left out.
pub fn read_tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut groups = BTreeMap::new();
    let mut queue = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(dir) = queue.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path == root.join(".git") {
                continue;
            }
            if path.symlink_metadata().unwrap().is_dir() {
                queue.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort_by(|a, b| a.strip_prefix(root).unwrap().cmp(b.strip_prefix(root).unwrap()));
    for path in found {
        let relative = path.strip_prefix(root).unwrap().to_owned();
        let metadata = path.symlink_metadata().unwrap();
        let shown = if metadata.is_dir() {
            Shown::Dir
        } else if metadata.is_symlink() {
            Shown::Symlink(std::fs::read_link(&path).unwrap().into_os_string().into_vec())
        } else {
            let group = groups.entry(metadata.ino()).or_insert_with(|| relative.clone()).clone();
            let mode = metadata.permissions().mode() & 0o7777;
            Shown::File { mode, bytes: std::fs::read(&path).unwrap(), group }
        };
        tree.insert(relative, shown);
    }
    tree
}

/// The first few differences, readable.
pub fn difference(expected: &Tree, seen: &Tree) -> Vec<String> {
    let brief = |shown: Option<&Shown>| match shown {
        None => "nothing".to_owned(),
        Some(Shown::File { mode, bytes, group }) => {
            format!("file {mode:o} of {} bytes, linked as {}", bytes.len(), group.display())
        }
        Some(Shown::Symlink(target)) => format!("symlink to {}", target.escape_ascii()),
        Some(Shown::Dir) => "directory".to_owned(),
    };
    let mut paths: Vec<_> = expected.keys().chain(seen.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| expected.get(*path) != seen.get(*path))
        .take(5)
        .map(|path| {
            let name = path.as_os_str().as_bytes().escape_ascii();
            format!("{name}: wanted {}, saw {}", brief(expected.get(path)), brief(seen.get(path)))
        })
        .collect()
}
