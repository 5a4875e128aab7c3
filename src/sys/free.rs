use std::io;
use std::path::Path;

/// Bytes that this user may still write to the file system of `dir` (statvfs(2)).
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
