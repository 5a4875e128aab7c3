//! All that can be seen of a small directory, as text: the same text, the same state.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The mtime of everything before the call that is tested: the time that the base shows.
pub const OLD: i64 = crate::view::BASE_TIME.sec;

/// What there was before: the path of each inode.
pub type Before = HashMap<Identity, PathBuf>;

/// The number of an inode, and when it was made, where that is known: a local disk gives the number
/// of a removed file to the next one.
pub type Identity = (u64, Option<SystemTime>);

pub fn identity(stat: &fs::Metadata) -> Identity {
    (stat.ino(), stat.created().ok())
}

/// A moment that all earlier changes lie before, by the kernel's coarse clock too.
pub fn now_at_last() -> (i64, i64) {
    std::thread::sleep(Duration::from_millis(25));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_millis(12);
    (i64::try_from(now.as_secs()).unwrap(), i64::from(now.subsec_nanos()))
}

/// A line for each path. Times count as "old" (as staged), "new" (from `since` on), or the number.
pub fn after(dir: &Path, before: &Before, since: (i64, i64)) -> BTreeMap<PathBuf, String> {
    let mut stats = BTreeMap::new();
    walk(dir, Path::new("."), &mut |path, stat| {
        stats.insert(path.to_owned(), stat.clone());
    });
    // Only now is anything read: that may move times.
    let line = |path: PathBuf, stat| {
        let line = line(&dir.join(&path), &stat, before, since);
        (path, line)
    };
    stats.into_iter().map(|(path, stat)| line(path, stat)).collect()
}

pub fn walk(dir: &Path, path: &Path, tell: &mut dyn FnMut(&Path, &fs::Metadata)) {
    // What was taken away altogether is a state too.
    let Ok(stat) = dir.join(path).symlink_metadata() else { return };
    tell(path, &stat);
    if stat.is_dir() {
        for entry in fs::read_dir(dir.join(path)).unwrap() {
            walk(dir, &path.join(entry.unwrap().file_name()), tell);
        }
    }
}

fn line(path: &Path, stat: &fs::Metadata, before: &Before, since: (i64, i64)) -> String {
    let kind = stat.file_type();
    let ctime = time((stat.ctime(), stat.ctime_nsec()), since);
    let ctime = if ctime == "new" { "new" } else { "old" };
    let what = if kind.is_dir() {
        "directory".to_owned()
    } else if kind.is_symlink() {
        format!("link to {:?}", fs::read_link(path).unwrap())
    } else if kind.is_fifo() {
        "fifo".to_owned()
    } else if kind.is_socket() {
        "socket".to_owned()
    } else if kind.is_char_device() || kind.is_block_device() {
        format!("device {} {}", kind.is_block_device(), stat.rdev())
    } else {
        // What was not changed, as the oracle's times tell, need not be read.
        let content = if ctime == "new" { content(path) } else { String::new() };
        format!("file {} {content}", stat.len())
    };
    let was = before.get(&identity(stat)).map_or("new".into(), |path| path.display().to_string());
    let mtime = time((stat.mtime(), stat.mtime_nsec()), since);
    // Reading moves it on some disks and not on others: told where it was set.
    let atime = if stat.atime() < OLD { format!(" atime {}", stat.atime()) } else { String::new() };
    format!(
        "{what}, mode {:o}, links {}, owner {}:{}, mtime {mtime}, ctime {ctime}{atime}, was {was}",
        stat.mode() & 0o7777,
        stat.nlink(),
        stat.uid(),
        stat.gid(),
    )
}

fn time(time: (i64, i64), since: (i64, i64)) -> String {
    if time == (OLD, 0) {
        "old".into()
    } else if time >= since && time.0 <= since.0 + 3600 {
        "new".into()
    } else {
        format!("{}.{}", time.0, time.1)
    }
}

/// The bytes, or how they begin.
fn content(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) if bytes.len() <= 64 => bytes.escape_ascii().to_string(),
        Ok(bytes) => {
            let sum = bytes.iter().enumerate();
            let sum = sum.fold(0_u64, |sum, (at, byte)| {
                sum.wrapping_mul(31) ^ (at as u64 + u64::from(*byte))
            });
            format!("{:x}", sum)
        }
        Err(error) => format!("unreadable: {error}"),
    }
}
