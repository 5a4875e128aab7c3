//! Reads the kernel's table of mounts: the only truth about what is mounted.

use super::failure::Failure;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The file system type of our mounts.
pub const FSTYPE: &str = "fuse.toft";

/// One line of /proc/self/mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Unique for the life of the mount.
    pub id: u64,
    /// `major:minor`; the minor names the connection in /sys/fs/fuse/connections.
    pub device: (u32, u32),
    /// Where it is mounted.
    pub point: PathBuf,
    /// File system type.
    pub fstype: String,
    /// What is mounted.
    pub source: OsString,
}

/// All mounts that this process sees, in mount order (a later one hides an earlier one).
pub fn read() -> Result<Vec<Mount>, Failure> {
    let path = "/proc/self/mountinfo";
    let table = std::fs::read(path).map_err(Failure::io(format!("cannot read {path}")))?;
    Ok(parse(&table))
}

/// Parses the table; lines that make no sense are left out.
pub fn parse(table: &[u8]) -> Vec<Mount> {
    table.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = number(fields.next()?)?;
    let device = std::str::from_utf8(fields.nth(1)?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let point = unescape(fields.nth(1)?);
    // Optional fields end at a lone dash; type, source and options follow.
    fields.find(|field| *field == b"-")?;
    let fstype = String::from_utf8_lossy(fields.next()?).into_owned();
    let source = unescape(fields.next()?);
    Some(Mount {
        id,
        device: (major.parse().ok()?, minor.parse().ok()?),
        point: PathBuf::from(point),
        fstype,
        source,
    })
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Undoes the kernel's `\ooo` for space, tab, newline, backslash and hash.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| *first == b'\\').and_then(octal_byte);
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}

fn octal_byte(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, 8).ok()
}

/// The topmost mount exactly at `point`.
pub fn at<'a>(mounts: &'a [Mount], point: &Path) -> Option<&'a Mount> {
    mounts.iter().rev().find(|mount| mount.point == point)
}

/// The mount that `path` (absolute, without links) lies in.
pub fn containing<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let inside = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    inside.max_by_key(|mount| mount.point.as_os_str().as_bytes().len())
}

/// The topmost mount exactly at `point`, when it is one of toft's.
pub fn ours_at<'a>(mounts: &'a [Mount], point: &Path) -> Option<&'a Mount> {
    at(mounts, point).filter(|mount| mount.fstype == FSTYPE)
}
