use super::{Disk, Reason, make_private_dir};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
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
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.create_file(path)
}

/// Gives the file `from` the name `to` as well; where a file cannot have another name (too many, a
/// file system without links), `to` becomes a copy. For files that nobody writes to any more.
pub fn share_file(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    match disk.hard_link(from, to) {
        Err(error) if !matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
            copy_file(disk, from, to)
        }
        linked => linked,
    }
}

/// Copies bytes and time, not durably; shares them where the file system can.
pub fn copy_file(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (File::open(from)?, disk.create_file(to)?);
    let stat = from.metadata()?;
    let mut at = 0;
    while at < stat.len() {
        let step = usize::try_from(stat.len() - at).unwrap_or(usize::MAX).min(1 << 30);
        match disk.copy_range((&from, at), (&to, at), step)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            copied => at += copied as u64,
        }
    }
    to.set_modified(stat.modified()?)
}

/// Whether a file has other names: whoever writes to it writes to all of them.
pub fn is_shared(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() > 1)
}

/// In a folder whose files were never made durable as a whole. See [`mark_unsettled`].
const UNSETTLED: &str = "unsettled";

/// Says of a folder that is being made that none of it is durable, nor promised.
pub fn mark_unsettled(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.create_file(&dir.join(UNSETTLED)).map(drop)
}

/// Whether that was said, and not taken back by [`settle`].
pub fn is_unsettled(dir: &Path) -> bool {
    dir.join(UNSETTLED).exists()
}

/// Makes everything durable that was written to the folder, and the way to it.
pub fn settle(disk: &dyn Disk, dir: &Path, reason: Reason) -> io::Result<()> {
    disk.sync_fs(dir, reason)?;
    match disk.remove_file(&dir.join(UNSETTLED)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
