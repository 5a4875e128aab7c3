use super::{Disk, Reason};
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
