//! What a folder holds, to be compared: bytes, modes, links, and times where they matter.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// A folder's content by path (bytes, relative).
#[derive(Clone, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<Vec<u8>, Entry>);

/// One path of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits; see [`Tree::for_git`].
    pub mode: u32,
    /// Seconds and nanoseconds; see [`Tree::without_times`].
    pub mtime: (i64, i64),
}

/// What a path is, with its content.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file with its bytes; of one over a megabyte, only length and a checksum.
    File(Vec<u8>),
    /// See [`Kind::File`].
    LargeFile(u64, u64),
    /// A link and its target.
    Link(Vec<u8>),
    /// A directory.
    Directory,
    /// FIFO, socket or device.
    Special,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(bytes) => {
                let start = &bytes[..bytes.len().min(60)];
                write!(f, "file of {} bytes \"{}\"", bytes.len(), start.escape_ascii())
            }
            Self::LargeFile(length, sum) => write!(f, "file of {length} bytes, sum {sum:x}"),
            Self::Link(target) => write!(f, "link to \"{}\"", target.escape_ascii()),
            Self::Directory => f.write_str("directory"),
            Self::Special => f.write_str("special file"),
        }
    }
}

impl Tree {
    /// Reads all below `dir`, without the `.git` at its root.
    pub fn read(dir: &Path) -> Tree {
        let mut tree = BTreeMap::new();
        let mut waiting = vec![dir.to_owned()];
        while let Some(folder) = waiting.pop() {
            let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
            for entry in entries {
                let path = entry.unwrap_or_else(|e| panic!("{folder:?}: {e}")).path();
                let name = path.strip_prefix(dir).expect("below it").as_os_str().as_bytes();
                if name == b".git" {
                    continue;
                }
                let entry = Entry::read(&path);
                if entry.kind == Kind::Directory {
                    waiting.push(path.clone());
                }
                tree.insert(name.to_vec(), entry);
            }
        }
        Tree(tree)
    }

    /// The same, less what git does not record: times, empty directories, all mode bits but x.
    pub fn for_git(mut self) -> Tree {
        for entry in self.0.values_mut() {
            entry.mode = match entry.kind {
                Kind::File(_) | Kind::LargeFile(..) => entry.mode & 0o100,
                _ => 0,
            };
        }
        let has_file = |directory: &[u8], all: &BTreeMap<Vec<u8>, Entry>| {
            let below = [directory, b"/"].concat();
            let mut inside = all.range(below.clone()..).take_while(|(p, _)| p.starts_with(&below));
            inside.any(|(_, entry)| entry.kind != Kind::Directory)
        };
        let all = self.0.clone();
        self.0.retain(|path, entry| match entry.kind {
            Kind::Directory => has_file(path, &all),
            Kind::Special => false,
            _ => true,
        });
        self.without_times()
    }

    /// The same without times.
    pub fn without_times(mut self) -> Tree {
        for entry in self.0.values_mut() {
            entry.mtime = (0, 0);
        }
        self
    }

    /// Panics with the first differences unless `self` equals `wanted`.
    #[track_caller]
    pub fn assert_equals(&self, wanted: &Tree) {
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(wanted.0.keys()).collect();
        let differs = paths.into_iter().filter(|path| self.0.get(*path) != wanted.0.get(*path));
        let lines: Vec<String> = differs
            .take(10)
            .map(|path| {
                let (found, wanted) = (self.0.get(path), wanted.0.get(path));
                format!("{}: found {found:?}, wanted {wanted:?}", path.escape_ascii())
            })
            .collect();
        assert!(lines.is_empty(), "trees differ:\n{}", lines.join("\n"));
    }
}

impl Entry {
    fn read(path: &Path) -> Entry {
        let shown = path.display();
        let metadata = fs::symlink_metadata(path).unwrap_or_else(|e| panic!("{shown}: {e}"));
        let kind = metadata.file_type();
        let kind = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            let target = fs::read_link(path).unwrap_or_else(|e| panic!("{shown}: {e}"));
            Kind::Link(target.as_os_str().as_bytes().to_vec())
        } else if kind.is_fifo() || kind.is_socket() || !kind.is_file() {
            Kind::Special
        } else {
            file(path, metadata.len()).unwrap_or_else(|e| panic!("{shown}: {e}"))
        };
        let mtime = (metadata.mtime(), metadata.mtime_nsec());
        Entry { kind, mode: metadata.mode() & 0o7777, mtime }
    }
}

fn file(path: &Path, length: u64) -> std::io::Result<Kind> {
    use std::io::Read;
    if length <= 1 << 20 {
        return Ok(Kind::File(fs::read(path)?));
    }
    let mut file = fs::File::open(path)?;
    let (mut buffer, mut sum, mut read) = (vec![0; 1 << 20], 0_u64, 0);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(Kind::LargeFile(read, sum));
        }
        read += count as u64;
        // crc32c is fast, and its value depends on the order of the blocks here
        sum = sum.rotate_left(13) ^ u64::from(crc32c::crc32c(&buffer[..count]));
    }
}
