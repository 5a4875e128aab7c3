//! A disk that fails at one call of all that are made to it, chosen in advance.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use toft::sys::{Disk, FsyncCounts, OsDisk, Reason};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One call fails with this errno and has no effect.
    Once(i32),
    /// One write is cut in the middle; there is no room for the rest.
    Short,
    /// From the call on there is room for nothing, until [`FaultDisk::heal`].
    Full(i32),
    /// From the call on there is no room for files, until one is removed.
    Crowded,
    /// From the call on everything fails, until [`FaultDisk::heal`].
    Broken,
}

impl Fault {
    /// What the caller has to be told.
    fn errno(self) -> i32 {
        match self {
            // Our own table of files is full, not the caller's.
            Self::Once(libc::EMFILE) => libc::ENFILE,
            Self::Once(errno) | Self::Full(errno) => errno,
            Self::Short | Self::Crowded => libc::ENOSPC,
            Self::Broken => libc::EIO,
        }
    }
}

/// What a call wants of the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// Room.
    Room,
    /// Room for a file's bytes; the journal has set its own aside.
    Bytes,
    /// That bytes stay.
    Sync,
    /// Neither.
    Nothing,
}

/// The real disk, with one fault.
pub struct FaultDisk {
    real: OsDisk,
    state: Mutex<State>,
}

struct State {
    calls: usize,
    fault: Option<(usize, Fault)>,
    errno: i32,
    fired: bool,
    lost_sync: bool,
}

impl FaultDisk {
    /// One without a fault.
    pub fn new() -> FaultDisk {
        let state = State { calls: 0, fault: None, errno: 0, fired: false, lost_sync: false };
        FaultDisk { real: OsDisk::default(), state: Mutex::new(state) }
    }

    /// Counts from 0 again; the call number `at` will meet `fault`.
    pub fn arm(&self, at: usize, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        (state.calls, state.fault, state.errno) = (0, Some((at, fault)), fault.errno());
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// Whether a call failed since this was asked the last time.
    pub fn take_fired(&self) -> bool {
        std::mem::take(&mut self.state.lock().unwrap().fired)
    }

    /// Whether an fsync failed since this was asked the last time.
    pub fn take_lost_sync(&self) -> bool {
        std::mem::take(&mut self.state.lock().unwrap().lost_sync)
    }

    /// What goes wrong, or went wrong.
    pub fn fault(&self) -> Option<Fault> {
        self.state.lock().unwrap().fault.map(|(_, fault)| fault)
    }

    /// What whoever meets the fault has to be told.
    pub fn errno(&self) -> i32 {
        self.state.lock().unwrap().errno
    }

    /// The disk is whole again.
    pub fn heal(&self) {
        self.state.lock().unwrap().fault = None;
    }

    /// Counts a call; the error that it meets, and whether half of it is done first.
    fn call(&self, wants: Wants) -> Result<(), (io::Error, bool)> {
        let mut state = self.state.lock().unwrap();
        let number = state.calls;
        state.calls += 1;
        let Some((at, fault)) = state.fault else { return Ok(()) };
        let wants_room = matches!(wants, Wants::Room | Wants::Bytes);
        let meets = match fault {
            Fault::Once(_) => number == at,
            Fault::Short => number == at && wants_room,
            Fault::Full(_) => number >= at && wants_room,
            Fault::Crowded => number >= at && wants == Wants::Bytes,
            Fault::Broken => number >= at,
        };
        if !meets {
            return Ok(());
        }
        state.fired = true;
        let code = if let Fault::Once(code) = fault { code } else { fault.errno() };
        state.lost_sync |= wants == Wants::Sync && code != libc::EMFILE;
        Err((io::Error::from_raw_os_error(code), fault == Fault::Short))
    }

    fn plain(&self, wants: Wants) -> io::Result<()> {
        self.call(wants).map_err(|(error, _)| error)
    }
}

impl Disk for FaultDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.call(Wants::Room).or_else(|(error, half)| {
            if half {
                self.real.write_all_at(file, &bytes[..bytes.len() / 2], offset)?;
            }
            Err(error)
        })?;
        self.real.write_all_at(file, bytes, offset)
    }
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match self.call(Wants::Bytes) {
            Ok(()) => self.real.write_at(file, bytes, offset),
            Err((_, true)) if bytes.len() > 1 => {
                self.real.write_at(file, &bytes[..bytes.len() / 2], offset)
            }
            Err((error, _)) => Err(error),
        }
    }
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()> {
        self.plain(Wants::Sync)?;
        self.real.fsync_file(file, reason)
    }
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.plain(Wants::Sync)?;
        self.real.fsync_dir(dir, reason)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plain(Wants::Room)?;
        self.real.rename(from, to)
    }
    fn create_file(&self, path: &Path) -> io::Result<File> {
        self.plain(Wants::Bytes)?;
        self.real.create_file(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.plain(Wants::Room)?;
        self.real.create_dir(path)
    }
    fn copy_range(&self, from: (&File, u64), to: (&File, u64), len: usize) -> io::Result<usize> {
        match self.call(Wants::Bytes) {
            Ok(()) => self.real.copy_range(from, to, len),
            Err((_, true)) if len > 1 => {
                // The rest finds no room either.
                let mut state = self.state.lock().unwrap();
                state.fault = Some((state.calls, Fault::Once(libc::ENOSPC)));
                drop(state);
                self.real.copy_range(from, to, len / 2)
            }
            Err((error, _)) => Err(error),
        }
    }
    fn fallocate(&self, file: &File, mode: i32, offset: u64, len: u64) -> io::Result<()> {
        self.plain(Wants::Room)?;
        self.real.fallocate(file, mode, offset, len)
    }
    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        self.plain(Wants::Nothing)?;
        self.real.set_len(file, len)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.plain(Wants::Nothing)?;
        if self.fault() == Some(Fault::Crowded) {
            self.heal();
        }
        self.real.remove_file(path)
    }
    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.plain(Wants::Sync)?;
        self.real.sync_fs(dir, reason)
    }
    fn counts(&self) -> FsyncCounts {
        self.real.counts()
    }
}
