use super::{RegistryError, Result, WorkspacePaths};
use crate::sys::current_boot;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Longest holder that we read.
const HOLDER_MAX: u64 = 4096;

/// A process of this host, told from a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its number; 0 when it could not be read who it is.
    pub pid: u32,
    /// When it started, in clock ticks since the host did.
    pub start_ticks: u64,
    /// Which start of the host that was.
    pub boot_id: String,
}

impl Holder {
    /// This process.
    pub fn current() -> Result<Self> {
        let pid = std::process::id();
        Ok(Self {
            pid,
            start_ticks: start_ticks(pid).map_err(RegistryError::io(Path::new("/proc/self")))?,
            boot_id: current_boot().map_err(RegistryError::io(Path::new("/proc")))?.to_string(),
        })
    }

    /// Whether it still runs. A recycled number is not believed.
    pub fn is_alive(&self) -> bool {
        current_boot().is_ok_and(|now| now.to_string() == self.boot_id)
            && start_ticks(self.pid).is_ok_and(|ticks| ticks == self.start_ticks)
    }

    /// Kills it (SIGKILL), if it still runs.
    pub fn kill(&self) -> io::Result<()> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "it cannot be told who it is");
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).ok_or_else(unknown)?;
        // Opened before it is looked at: this one process is meant from here on.
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            opened => opened?,
        };
        if self.is_alive() { Ok(pidfd_send_signal(process, Signal::KILL)?) } else { Ok(()) }
    }

    fn unknown() -> Self {
        Self { pid: 0, start_ticks: 0, boot_id: String::new() }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            0 => f.write_str("process unknown"),
            pid => write!(f, "process {pid}"),
        }
    }
}

/// The right to serve a workspace, for as long as this value, or the process, lives.
#[derive(Debug)]
#[must_use = "the workspace is free again when the lease is dropped"]
pub struct Lease {
    file: File,
}

impl Lease {
    /// Takes the workspace, or tells who has it ([`RegistryError::Held`]).
    pub fn acquire(paths: &WorkspacePaths) -> Result<Self> {
        let path = paths.lock();
        let failed = || RegistryError::io(&path);
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(failed())?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(RegistryError::Held(recorded(&file)));
                }
                Err(error) => return Err(failed()(error.into())),
            }
            // The workspace may have been removed between open and lock.
            if !is_still(&path, &file).map_err(failed())? {
                continue;
            }
            let lease = Self { file };
            lease.write(&Holder::current()?).map_err(failed())?;
            return Ok(lease);
        }
    }

    /// Who serves the workspace now; None when nobody does.
    pub fn holder(paths: &WorkspacePaths) -> Result<Option<Holder>> {
        let path = paths.lock();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RegistryError::io(&path)(error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(recorded(&file))),
            Err(error) => Err(RegistryError::io(&path)(error.into())),
        }
    }

    fn write(&self, holder: &Holder) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(&serde_json::to_vec(holder)?, 0)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Only for a tidy look: the lock itself is what counts.
        let _ = self.file.set_len(0);
        // Closing is not enough: a child between fork and exec has the descriptor, too.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Who wrote itself into a locked file. A process that is dead cannot hold it.
fn recorded(file: &File) -> Holder {
    let mut text = Vec::new();
    let read = file.take(HOLDER_MAX).read_to_end(&mut text);
    let holder = read.ok().and_then(|_| serde_json::from_slice::<Holder>(&text).ok());
    holder.filter(Holder::is_alive).unwrap_or_else(Holder::unknown)
}

fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Field 22 of `/proc/PID/stat`; the second one, the command, may hold spaces and brackets.
fn start_ticks(pid: u32) -> io::Result<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat"))?;
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit_once(") ")
        .and_then(|(_, fields)| fields.split(' ').nth(19)?.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable /proc/PID/stat"))
}
