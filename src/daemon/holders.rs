//! Who holds a mount: processes with a working directory, root, open file or mapping in it.
//!
//! Reads links below /proc only, never the mount itself: it may be the daemon that asks.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A process that keeps the mount busy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// By what: `cwd`, `root`, `fd 3`, `map`.
    pub by: String,
    /// The path it holds.
    pub path: PathBuf,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (pid {}, {} {})", self.name, self.pid, self.by, self.path.display())
    }
}

/// The processes that hold something below `dir`, one line each; those of other users only as root.
pub fn find(dir: &Path) -> Vec<Holder> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut holders: Vec<Holder> = pids.filter_map(|pid| of_process(pid, dir)).collect();
    holders.sort_by_key(|holder| holder.pid);
    holders
}

fn of_process(pid: u32, dir: &Path) -> Option<Holder> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let (by, path) = link_below(&process, "cwd", dir)
        .or_else(|| link_below(&process, "root", dir))
        .or_else(|| open_file_below(&process, dir))
        .or_else(|| mapping_below(&process, dir))?;
    let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
    Some(Holder { pid, name: name.trim_end().to_owned(), by, path })
}

fn link_below(process: &Path, link: &str, dir: &Path) -> Option<(String, PathBuf)> {
    let target = std::fs::read_link(process.join(link)).ok()?;
    target.starts_with(dir).then(|| (link.to_owned(), target))
}

fn open_file_below(process: &Path, dir: &Path) -> Option<(String, PathBuf)> {
    let fds = std::fs::read_dir(process.join("fd")).ok()?;
    fds.flatten().find_map(|fd| {
        let target = std::fs::read_link(fd.path()).ok()?;
        let name = format!("fd {}", fd.file_name().to_string_lossy());
        target.starts_with(dir).then_some((name, target))
    })
}

fn mapping_below(process: &Path, dir: &Path) -> Option<(String, PathBuf)> {
    let maps = std::fs::read(process.join("maps")).ok()?;
    maps.split(|byte| *byte == b'\n').find_map(|line| {
        let start = line.iter().position(|byte| *byte == b'/')?;
        let path = Path::new(std::ffi::OsStr::from_bytes(&line[start..]));
        path.starts_with(dir).then(|| ("map".to_owned(), path.to_owned()))
    })
}
