//! What programs do to files, as plain system calls: each returns what the caller can check.

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RawDir, openat, statat, unlinkat};
use std::ffi::{CString, OsStr};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Numbers that look random and are the same each time.
pub struct Shuffle(pub u64);

impl Shuffle {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    pub fn of<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}

/// Counts everything below `root` but its `.git`, by readdir alone.
pub fn find(root: &Path) -> u64 {
    let mut count = 0;
    let top = openat(CWD, root, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).expect("open");
    walk(&top, true, &mut count);
    count
}

fn walk(dir: &OwnedFd, top: bool, count: &mut u64) {
    let mut below: Vec<CString> = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 32 << 10];
    let mut entries = RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.expect("readdir");
        let name = entry.file_name();
        if [&b"."[..], b".."].contains(&name.to_bytes()) || top && name.to_bytes() == b".git" {
            continue;
        }
        *count += 1;
        if entry.file_type() == FileType::Directory {
            below.push(name.to_owned());
        }
    }
    for name in below {
        let inner = openat(dir, &name, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty());
        walk(&inner.expect("open"), false, count);
    }
}

/// lstat(2) of each path; the sum of the sizes of the regular files.
pub fn stat_all(root: &Path, paths: &[PathBuf]) -> u64 {
    let top = openat(CWD, root, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).expect("open");
    paths
        .iter()
        .map(|path| {
            let stat = statat(&top, path, AtFlags::SYMLINK_NOFOLLOW).expect("lstat");
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => u64::try_from(stat.st_size).expect("a size"),
                _ => 0,
            }
        })
        .sum()
}

/// Opens, reads and closes each regular file; the bytes read.
pub fn read_all(root: &Path, paths: &[PathBuf]) -> u64 {
    let top = openat(CWD, root, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).expect("open");
    let mut buffer = vec![0; 128 << 10];
    let mut total = 0;
    for path in paths {
        let file = openat(&top, path, OFlags::RDONLY | OFlags::NOFOLLOW, Mode::empty());
        let mut file = File::from(file.expect("open"));
        loop {
            match file.read(&mut buffer).expect("read") {
                0 => break,
                count => total += count as u64,
            }
        }
    }
    total
}

/// The regular files and the rest below `root`, relative, without `.git`.
pub fn list(root: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut files, mut others) = (Vec::new(), Vec::new());
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        for entry in Dir::read_from(File::open(root.join(&dir)).expect("open")).expect("readdir") {
            let entry = entry.expect("readdir");
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." || dir.as_os_str().is_empty() && name == ".git" {
                continue;
            }
            let path = dir.join(name);
            match entry.file_type() {
                FileType::RegularFile => files.push(path),
                FileType::Directory => {
                    todo.push(path.clone());
                    others.push(path);
                }
                _ => others.push(path),
            }
        }
    }
    files.sort();
    others.sort();
    (files, others)
}

/// How long a file of [`create_many`] is: 1 to 4 KB.
fn len_of_many(file: usize) -> usize {
    1024 + file * 37 % 3072
}

/// What [`create_many`] writes.
pub fn bytes_of_many(dirs: usize, each: usize) -> u64 {
    let bytes: usize = (0..each).map(len_of_many).sum();
    (dirs * bytes) as u64
}

/// So many directories of `each` files; the bytes written.
pub fn create_many(top: &Path, dirs: usize, each: usize) -> u64 {
    let bytes = [b'x'; 4096];
    let mut total = 0;
    for dir in 0..dirs {
        let dir = top.join(format!("d{dir}"));
        fs::create_dir_all(&dir).expect("mkdir");
        for file in 0..each {
            let len = len_of_many(file);
            let mut made = File::create(dir.join(format!("f{file}"))).expect("create");
            made.write_all(&bytes[..len]).expect("write");
            total += len as u64;
        }
    }
    total
}

/// Removes what [`create_many`] made.
pub fn remove_many(top: &Path, dirs: usize, each: usize) {
    for dir in 0..dirs {
        let dir = top.join(format!("d{dir}"));
        for file in 0..each {
            unlinkat(CWD, dir.join(format!("f{file}")), AtFlags::empty()).expect("unlink");
        }
        fs::remove_dir(dir).expect("rmdir");
    }
    fs::remove_dir(top).expect("rmdir");
}

/// What [`edit`] writes.
pub const EDIT: &[u8] = b"edited by toft";

/// Writes a few bytes at the start of each file.
pub fn edit(root: &Path, paths: &[&PathBuf]) {
    for path in paths {
        let file = OpenOptions::new().write(true).open(root.join(path)).expect("open");
        file.write_all_at(EDIT, 0).expect("write");
    }
}

/// Reads a file from front to back, 1 MiB at a time.
pub fn read_through(path: &Path) -> u64 {
    let (mut file, mut buffer, mut total) = (File::open(path).expect("open"), vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut buffer).expect("read") {
            0 => return total,
            count => total += count as u64,
        }
    }
}

/// 4 KB reads at random places.
pub fn read_here_and_there(path: &Path, reads: usize) -> u64 {
    let (file, mut buffer) = (File::open(path).expect("open"), [0; 4096]);
    let pages = usize::try_from(file.metadata().expect("stat").len() / 4096).expect("small");
    let mut places = Shuffle(7);
    (0..reads)
        .map(|_| {
            file.read_exact_at(&mut buffer, places.below(pages) as u64 * 4096).expect("read");
            buffer.len() as u64
        })
        .sum()
}

/// Makes a file of so many bytes, 1 MiB at a time.
pub fn write_through(path: &Path, len: u64) {
    let mut file = File::create(path).expect("create");
    // not all alike, so that no file system stores less of it
    let buffer: Vec<u8> = (0..1_usize << 20).map(|index| ((index * 31) >> 3) as u8).collect();
    for _ in 0..len >> 20 {
        file.write_all(&buffer).expect("write");
    }
}

/// So many writes of `len` bytes, one behind the other, to a new file that stays open.
pub fn write_small(path: &Path, len: usize, count: usize) -> u64 {
    let (mut file, bytes) = (File::create(path).expect("create"), vec![b'y'; len]);
    for _ in 0..count {
        file.write_all(&bytes).expect("write");
    }
    file.seek(SeekFrom::End(0)).expect("seek")
}

/// Adds a byte in each page of a shared mapping; the sum of the first bytes.
#[expect(unsafe_code, reason = "a shared mapping is what is measured")]
pub fn map(path: &Path, write: bool) -> u64 {
    let file = OpenOptions::new().read(true).write(write).open(path).expect("open");
    let len = usize::try_from(file.metadata().expect("stat").len()).expect("small");
    let protection = libc::PROT_READ | if write { libc::PROT_WRITE } else { 0 };
    let mut sum = 0;
    // SAFETY: a mapping of its own, of the file's length, used within it and unmapped at the end.
    unsafe {
        let start = libc::mmap(
            std::ptr::null_mut(),
            len,
            protection,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        assert!(start != libc::MAP_FAILED, "mmap");
        let bytes = start.cast::<u8>();
        for offset in (0..len).step_by(4096) {
            if write {
                bytes.add(offset).write_volatile(b'z');
            }
            sum += u64::from(bytes.add(offset).read_volatile());
        }
        assert_eq!(libc::munmap(start, len), 0, "munmap");
    }
    sum
}
