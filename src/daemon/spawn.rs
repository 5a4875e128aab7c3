//! Starts the daemon: the same binary again (never a fork with threads), its request on stdin, its
//! READY line on stdout, its log on stderr (D10).

use super::failure::{Failure, Kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Bytes of a READY line, at most.
const MAX_READY: u64 = 1 << 20;
/// A log larger than this is put aside when the next daemon starts.
const LOG_MAX: u64 = 4 << 20;
/// What is shown of the log of a daemon that died.
const LOG_TAIL: usize = 2000;

/// What the daemon tells whoever started it, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// It serves the mount.
    Mounted {
        /// Its process id.
        pid: u32,
    },
    /// It gave up.
    Failed(Failure),
}

/// Runs `toft ARGS` in the background with `request` on its stdin and waits for its READY line.
pub fn start(
    args: &[&str],
    request: &[u8],
    log: &Path,
    deadline: Duration,
) -> Result<Ready, Failure> {
    let mut child = launch(args, log)?;
    let result = hand_over(&mut child, request, deadline);
    match result {
        Ok(Some(ready)) => Ok(ready),
        Ok(None) => {
            let status = child.wait().map_err(Failure::io("cannot wait for the daemon"))?;
            Err(Failure::new(Kind::DaemonGone, "the daemon died while it started")
                .cause(format!("{status}; its log ends with: {}", tail(log)))
                .fix(format!("look at {}, then: toft recover", log.display())))
        }
        Err(failure) => {
            // It may hang on something that we do not know; a mount that nobody waits for must not
            // appear later.
            let _ = child.kill();
            let _ = child.wait();
            Err(failure)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the daemon is this program itself, not git")]
fn launch(args: &[&str], log: &Path) -> Result<Child, Failure> {
    let failed = || Failure::io("cannot start the daemon");
    let program = std::env::current_exe().ok().filter(|path| path.exists());
    // Another binary may have replaced ours: the running one is still there under this name.
    let program = program.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    crate::sys::keep_descriptors_from_children().map_err(failed())?;
    Command::new(program)
        .arg0("toft")
        .args(args)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(open_log(log).map_err(failed())?)
        .spawn()
        .map_err(failed())
}

fn open_log(path: &Path) -> std::io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_MAX) {
        std::fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Gives the child its request; its answer, or None when it ended without one.
fn hand_over(
    child: &mut Child,
    request: &[u8],
    deadline: Duration,
) -> Result<Option<Ready>, Failure> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (mut stdin, mut stdout) = stdin.zip(stdout).expect("both were asked for as pipes");
    // A child that died early has closed its end; what it has to say follows on stdout.
    let _ = stdin.write_all(request);
    drop(stdin);
    let line = read_within(&mut stdout, deadline)?;
    if line.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&line)
        .map(Some)
        .map_err(|error| Failure::new(Kind::DaemonGone, "the daemon talks nonsense").cause(error))
}

/// Reads to the newline or the end, polling: a pipe has no read timeout.
fn read_within(pipe: &mut ChildStdout, deadline: Duration) -> Result<Vec<u8>, Failure> {
    let failed = || Failure::io("cannot hear from the daemon");
    let timeout = Timespec {
        tv_sec: i64::try_from(deadline.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: deadline.subsec_nanos().into(),
    };
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut fds = [PollFd::new(&*pipe, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&timeout)).map_err(|error| failed()(error.into()))?;
        if ready == 0 {
            let what = format!("the daemon was not ready within {} s", deadline.as_secs());
            return Err(Failure::new(Kind::Deadline, what));
        }
        let mut chunk = [0; 4096];
        match pipe.read(&mut chunk).map_err(failed())? {
            0 => break,
            count => line.extend_from_slice(&chunk[..count]),
        }
        if line.len() as u64 > MAX_READY {
            return Err(Failure::new(Kind::DaemonGone, "the daemon talks without end"));
        }
    }
    Ok(line)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let start = text.len().saturating_sub(LOG_TAIL);
    String::from_utf8_lossy(&text[start..]).trim().to_owned()
}

/// The child's side: leaves the terminal and session of whoever started it, and reads the request.
pub fn detach(limit: u64) -> Result<Vec<u8>, Failure> {
    // Refused for a leader of a process group, that is when started by hand: harmless.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let mut request = Vec::new();
    std::io::stdin()
        .take(limit)
        .read_to_end(&mut request)
        .map_err(Failure::io("cannot read the request on stdin"))?;
    Ok(request)
}

/// Tells whoever started us, and lets go of the pipe: stdin and stdout become /dev/null.
pub fn announce(ready: &Ready) -> Result<(), Failure> {
    let failed = || Failure::io("cannot report READY");
    let mut line = serde_json::to_vec(ready).map_err(|error| failed()(error.into()))?;
    line.push(b'\n');
    let mut stdout = std::io::stdout();
    stdout.write_all(&line).and_then(|()| stdout.flush()).map_err(failed())?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null").map_err(failed())?;
    let redirected =
        rustix::stdio::dup2_stdin(&null).and_then(|()| rustix::stdio::dup2_stdout(&null));
    redirected.map_err(|error| failed()(error.into()))
}
