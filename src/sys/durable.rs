use super::{Disk, Reason, make_private_dir};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Replaces `path` by `bytes` durably: temporary file, fsync, rename, fsync of the directory (R1.2).
///
/// The file gets mode 0600. A crash leaves the old file or the new one, perhaps a `.tmp` beside it.
pub fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8], reason: Reason) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let file = create_anew(disk, &temporary)?;
    disk.write_all_at(&file, bytes, 0)?;
    disk.fsync_file(&file, reason)?;
    disk.rename(&temporary, path)?;
    sync_parent(disk, path, reason)
}

/// Makes an empty file; what a crash left at `path` is removed.
pub fn create_anew(disk: &dyn Disk, path: &Path) -> io::Result<File> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.create_file(path)
}

/// Makes the name of `path` durable.
pub fn sync_parent(disk: &dyn Disk, path: &Path, reason: Reason) -> io::Result<()> {
    disk.fsync_dir(path.parent().unwrap_or(Path::new(".")), reason)
}

/// Makes the directory `dir`, and what is missing above it.
pub fn create_dirs(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.is_dir()).collect();
    missing.into_iter().rev().try_for_each(|dir| disk.create_dir(dir))
}

/// As [`make_private_dir`], and durable: the names of all directories that it makes.
pub fn make_private_dir_durably(disk: &dyn Disk, dir: &Path, reason: Reason) -> io::Result<()> {
    let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.is_dir()).collect();
    make_private_dir(dir)?;
    missing.into_iter().rev().try_for_each(|dir| sync_parent(disk, dir, reason))
}

/// Bytes of a file that is quickly read again.
const SMALL: u64 = 64 << 10;

/// Makes everything in the directory `dir` durable, and `dir` itself; its own name is not.
pub fn sync_tree(disk: &dyn Disk, dir: &Path, reason: Reason) -> io::Result<()> {
    let (mut files, mut dirs, mut at) = (Vec::new(), vec![dir.to_owned()], 0);
    while let Some(dir) = dirs.get(at) {
        let mut below = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => below.push(entry.path()),
                kind if kind.is_file() => files.push(File::open(entry.path())?),
                _ => {}
            }
        }
        dirs.extend(below);
        at += 1;
    }
    // All on their way before the first is waited for: then one commit of the file system's journal
    // has them all. (Large ones go out of the page cache by that, where git would look for them.)
    for file in files.iter().filter(|file| file.metadata().is_ok_and(|it| it.len() <= SMALL)) {
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    }
    files.iter().try_for_each(|file| disk.fsync_file(file, reason))?;
    dirs.iter().rev().try_for_each(|dir| disk.fsync_dir(dir, reason))
}
