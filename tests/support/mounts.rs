//! The kernel's mount table, and how what a test left in it is removed.

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One line of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub dir: PathBuf,
    /// The type with its subtype, `fuse.toft`.
    pub fstype: String,
    /// The source column.
    pub source: String,
    /// Options of the mount and of the file system.
    pub options: String,
}

/// The mounts at or below `dir`, the newest last.
pub fn below(dir: &Path) -> Vec<Mount> {
    let table = std::fs::read("/proc/self/mountinfo").expect("mountinfo");
    let lines = table.split(|byte| *byte == b'\n').filter_map(parse);
    lines.filter(|mount| mount.dir.starts_with(dir)).collect()
}

/// The mount exactly at `dir`.
pub fn at(dir: &Path) -> Option<Mount> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    below(&dir).into_iter().rfind(|mount| mount.dir == dir)
}

fn parse(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = fields.iter().position(|field| *field == b"-")?;
    let text = |at: usize| {
        fields.get(at).map(|field| String::from_utf8_lossy(&unescape(field)).into_owned())
    };
    Some(Mount {
        dir: PathBuf::from(OsString::from_vec(unescape(fields.get(4)?))),
        fstype: text(dash + 1)?,
        source: text(dash + 2)?,
        options: format!("{},{}", text(5)?, text(dash + 3)?),
    })
}

/// Reads `\040` and its like.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// Detaches every mount below `dir`, without asking what is behind it.
pub fn detach_all(dir: &Path) {
    for mount in below(dir).iter().rev() {
        let detached =
            rustix::mount::unmount(&mount.dir, rustix::mount::UnmountFlags::DETACH).is_ok();
        if !detached {
            let _ = Command::new("fusermount3").args(["-u", "-z", "--"]).arg(&mount.dir).output();
        }
    }
}

/// The processes, not us, that were started for the directory `dir`: it stands in their command
/// line or environment.
pub fn processes_of(dir: &Path) -> Vec<u32> {
    let needle = dir.as_os_str().as_bytes();
    let numbers = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id() && mentions(*pid, needle)).collect()
}

fn mentions(pid: u32, needle: &[u8]) -> bool {
    ["cmdline", "environ"].iter().any(|file| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

/// Kills (SIGKILL) the processes that were started for `dir`.
pub fn kill_all(dir: &Path) {
    for pid in processes_of(dir) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
