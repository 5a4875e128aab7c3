//! A disk that crashes before its n-th step, and says what a power failure would have left.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use toft::sys::{Disk, FsyncCounts, OsDisk, Reason};

#[derive(Default)]
pub struct CrashDisk {
    real: OsDisk,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    steps: u64,
    crash_before: Option<u64>,
    /// Content of each inode at its last fsync.
    synced: HashMap<u64, Vec<u8>>,
    /// Names of each directory at its last fsync.
    names: HashMap<PathBuf, HashMap<String, u64>>,
}

impl CrashDisk {
    /// All steps from number `step` on (the first is 1) fail and do nothing.
    pub fn crash_before(step: u64) -> CrashDisk {
        let state = State { crash_before: Some(step), ..State::default() };
        CrashDisk { real: OsDisk::default(), state: Mutex::new(state) }
    }

    pub fn steps(&self) -> u64 {
        self.state.lock().unwrap().steps
    }

    fn step(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.steps += 1;
        match state.crash_before {
            Some(step) if state.steps >= step => Err(io::Error::other("crashed")),
            _ => Ok(()),
        }
    }

    /// What `dir` holds after a power failure: of the files in `lucky` the latest state, of all
    /// others what was synced. Replaces the files of `dir`; subdirectories likewise.
    pub fn lose_power(&self, dir: &Path, lucky: &[&str]) {
        let state = self.state.lock().unwrap();
        let nothing = HashMap::new();
        let names = state.names.get(dir).unwrap_or(&nothing);
        let mut after: HashMap<String, Vec<u8>> = HashMap::new();
        for (name, inode) in names {
            after.insert(name.clone(), state.synced.get(inode).cloned().unwrap_or_default());
        }
        for name in lucky {
            match std::fs::read(dir.join(name)) {
                Ok(bytes) => after.insert((*name).to_owned(), bytes),
                Err(_) => after.remove(*name),
            };
        }
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            if entry.path().is_file() {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        for (name, bytes) in after {
            if !dir.join(&name).is_dir() {
                std::fs::write(dir.join(name), bytes).unwrap();
            }
        }
    }
}

impl Disk for CrashDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.step()?;
        self.real.write_all_at(file, bytes, offset)
    }

    fn fsync_file(&self, file: &File, _: Reason) -> io::Result<()> {
        self.step()?;
        let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap()];
        std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, 0)
            .or_else(|_| read_again(file, &mut bytes))?;
        self.state.lock().unwrap().synced.insert(file.metadata()?.ino(), bytes);
        Ok(())
    }

    fn fsync_dir(&self, dir: &Path, _: Reason) -> io::Result<()> {
        self.step()?;
        let mut names = HashMap::new();
        for entry in std::fs::read_dir(dir)?.flatten() {
            names.insert(entry.file_name().into_string().unwrap(), entry.metadata()?.ino());
        }
        self.state.lock().unwrap().names.insert(dir.to_owned(), names);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.real.rename(from, to)
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        self.step()?;
        self.real.set_len(file, len)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.real.remove_file(path)
    }

    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.step()?;
        self.real.sync_fs(dir, reason)
    }

    fn counts(&self) -> FsyncCounts {
        self.real.counts()
    }
}

/// Files opened only for writing are read by their name in /proc.
fn read_again(file: &File, bytes: &mut Vec<u8>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    *bytes = std::fs::read(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    Ok(())
}
