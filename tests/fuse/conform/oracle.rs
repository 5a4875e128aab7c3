//! A local disk to compare with.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// File systems whose answers are what a mount must answer, and their numbers (statfs(2)).
const KNOWN: &[(&str, i64)] =
    &[("ext4", 0xef53), ("xfs", 0x5846_5342), ("tmpfs", 0x0102_1994), ("btrfs", 0x9123_683e)];

/// Where a directory on a known local file system can be made, and which it is; the best known.
/// `TOFT_TEST_ORACLE` names another directory.
pub fn place() -> Option<&'static (PathBuf, &'static str)> {
    static PLACE: OnceLock<Option<(PathBuf, &'static str)>> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            let asked = std::env::var_os("TOFT_TEST_ORACLE").map(PathBuf::from);
            let usual = || vec![std::env::temp_dir(), "/var/tmp".into(), "/dev/shm".into()];
            let places = asked.map_or_else(usual, |dir| vec![dir]);
            let usable = places.into_iter().filter_map(|dir| Some((kind(&dir)?, dir)));
            usable.min_by_key(|(kind, _)| *kind).map(|(kind, dir)| (dir, KNOWN[kind].0))
        })
        .as_ref()
}

/// Its number in [`KNOWN`], when a file can be made there.
fn kind(dir: &Path) -> Option<usize> {
    let number = rustix::fs::statfs(dir).ok()?.f_type;
    tempfile::tempfile_in(dir).ok()?;
    KNOWN.iter().position(|(_, known)| *known == number)
}

/// A directory on it.
pub fn dir() -> Option<tempfile::TempDir> {
    place().map(|(dir, _)| tempfile::tempdir_in(dir).unwrap())
}

/// Whether it keeps extended attributes (tmpfs does since Linux 6.6).
pub fn has_xattrs() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let flags = rustix::fs::XattrFlags::empty();
        dir().is_some_and(|dir| rustix::fs::setxattr(dir.path(), "user.test", b"", flags).is_ok())
    })
}
