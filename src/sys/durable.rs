use super::{Disk, Reason};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Replaces `path` by `bytes` durably: temporary file, fsync, rename, fsync of the directory (R1.2).
///
/// The file gets mode 0600. A crash leaves the old file or the new one, perhaps a `.tmp` beside it.
pub fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8], reason: Reason) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    disk.write_all_at(&file, bytes, 0)?;
    disk.fsync_file(&file, reason)?;
    disk.rename(&temporary, path)?;
    sync_parent(disk, path, reason)
}

/// Makes the name of `path` durable.
pub fn sync_parent(disk: &dyn Disk, path: &Path, reason: Reason) -> io::Result<()> {
    disk.fsync_dir(path.parent().unwrap_or(Path::new(".")), reason)
}
