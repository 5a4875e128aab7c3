use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

/// How many files this process might have open before it asked for more.
static USUAL_FILES: OnceLock<Rlimit> = OnceLock::new();

/// Where this process might run before some of its threads were told to stay.
static USUAL_CPUS: OnceLock<CpuSet> = OnceLock::new();

/// Keeps the calling thread on one CPU. Children are to run everywhere ([`with_usual_limits`]).
pub fn stay_at(cpu: u16) -> io::Result<()> {
    let usual = sched_getaffinity(None)?;
    USUAL_CPUS.get_or_init(|| usual);
    if usize::from(cpu) >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut one = CpuSet::new();
    one.set(cpu.into());
    Ok(sched_setaffinity(None, &one)?)
}

/// Lets this process have as many files open as the system allows at all: every file that is open
/// in a mount may be one of its own. Children are to have what it had ([`with_usual_limits`]).
pub fn allow_many_files() -> io::Result<()> {
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: usual.maximum, ..usual })?;
    USUAL_FILES.get_or_init(|| usual);
    Ok(())
}

/// Whether a file could not be opened because so many are. What was to be done with it was not even
/// tried: an fsync that fails like this has lost nothing.
pub fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Whether the disk, or a quota on it, is full.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

/// Gives the child the limits that this process started with: a program may count up to its limit
/// of files, or use select(2), which cannot have more than 1024. And its CPUs, whoever starts it.
#[expect(unsafe_code, reason = "system calls between fork and exec")]
pub fn with_usual_limits(command: &mut Command) {
    let (files, cpus) = (USUAL_FILES.get().copied(), USUAL_CPUS.get().copied());
    if files.is_none() && cpus.is_none() {
        return;
    }
    // SAFETY: only system calls are made, which are async-signal-safe, with values of our own.
    unsafe {
        command.pre_exec(move || {
            files.map_or(Ok(()), |usual| setrlimit(Resource::Nofile, usual))?;
            // Those CPUs may be taken from us meanwhile: then the child runs where we do.
            let _ = cpus.map(|usual| sched_setaffinity(None, &usual));
            Ok(())
        });
    }
}

/// Marks every descriptor but stdin, stdout and stderr as close-on-exec, whoever opened it.
///
/// Ours are already; this is for those that we inherited ourselves, from a shell or a test runner.
#[expect(unsafe_code, reason = "no safe wrapper of close_range(2) exists")]
pub fn keep_descriptors_from_children() -> io::Result<()> {
    // SAFETY: the call only sets flags of descriptors; it closes none and touches no memory.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
