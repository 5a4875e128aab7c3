use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Makes `dir`, and what is missing above it, for this user alone (0700).
///
/// One that others could have written to is refused: what they left there would be believed. One
/// that others can only look into is closed.
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
    // Looked for first: where the disk hangs, mkdir(2) of what is there already hangs too.
    if !dir.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let metadata = std::fs::metadata(dir)?;
    let refuse = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return refuse("the directory belongs to another user");
    }
    if metadata.mode() & 0o022 != 0 {
        return refuse("other users may write to the directory; run: chmod 700 on it");
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700))?;
    }
    Ok(())
}
