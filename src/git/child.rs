//! Waits for one child: its output, its end, a deadline and a request to stop, all in one poll(2),
//! so that neither pipe can block it and none of these can be missed.

use crate::sys::{Cancel, Clock, OsClock};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};
use std::time::Duration;

/// How much of stdout is kept; more is an error (an `ls-remote` of half a million refs fits).
const STDOUT_MAX: usize = 64 << 20;
/// How much of stderr is kept: the last part, which holds the error.
const STDERR_MAX: usize = 128 << 10;
/// How long a child may take to die politely.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// How long after its end its pipes are read: an ssh master or a background hook may keep them open.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// When to give up.
#[derive(Clone, Default)]
pub(super) struct Limits {
    /// From start to end.
    pub(super) total: Option<Duration>,
    /// Without a byte of output.
    pub(super) idle: Option<Duration>,
    /// Somebody asks to stop.
    pub(super) cancel: Option<Cancel>,
    /// Whether the child leads a process group, which is then killed as one.
    pub(super) group: bool,
}

/// How it ended.
pub(super) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// Killed after so long.
    TimedOut(Duration),
    /// Killed on request.
    Cancelled,
}

/// What a child left.
pub(super) struct Finished {
    pub(super) end: End,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Waits until `child` has ended or must be ended; `watch` sees stderr as it comes.
pub(super) fn wait(
    mut child: Child,
    limits: &Limits,
    watch: &mut dyn FnMut(&[u8]),
) -> io::Result<Finished> {
    let pid = Pid::from_child(&child);
    let watched = Watched::new(&mut child, pid).and_then(|mut watched| {
        let stop = watched.run(limits, watch)?;
        Ok((watched, stop))
    });
    // Whatever happened, nothing of ours runs on, and nothing stays a zombie.
    let ended_by_itself = matches!(watched, Ok((_, None)));
    if !ended_by_itself {
        kill(pid, limits.group, watched.as_ref().ok().map(|(watched, _)| &watched.pidfd));
    }
    let status = child.wait()?;
    let (watched, stop) = watched?;
    Ok(Finished {
        end: stop.unwrap_or(End::Exited(status)),
        stdout: watched.stdout,
        stderr: watched.stderr,
    })
}

struct Watched {
    pidfd: OwnedFd,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    clock: OsClock,
    last_output: Duration,
    ended: Option<Duration>,
}

/// Which of the descriptors have something.
struct Ready {
    ended: bool,
    cancelled: bool,
    out: bool,
    err: bool,
}

impl Watched {
    fn new(child: &mut Child, pid: Pid) -> io::Result<Self> {
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let fds = [out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd)];
        for fd in fds.into_iter().flatten() {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        Ok(Self {
            pidfd,
            out,
            err,
            stdout: Vec::new(),
            stderr: Vec::new(),
            clock: OsClock::new(),
            last_output: Duration::ZERO,
            ended: None,
        })
    }

    /// None when the child ended and its output is read; else why it must be killed.
    fn run(&mut self, limits: &Limits, watch: &mut dyn FnMut(&[u8])) -> io::Result<Option<End>> {
        loop {
            let now = self.clock.monotonic();
            let left = match self.ended {
                Some(_) if self.out.is_none() && self.err.is_none() => return Ok(None),
                Some(ended) => match (ended + DRAIN_GRACE).checked_sub(now) {
                    Some(left) => Some(left),
                    None => return Ok(None),
                },
                None => match self.time_left(limits, now) {
                    Ok(left) => left,
                    Err(limit) => return Ok(Some(End::TimedOut(limit))),
                },
            };
            let ready = self.poll(limits.cancel.as_ref(), left)?;
            if ready.ended && self.ended.is_none() {
                self.ended = Some(self.clock.monotonic());
            } else if ready.cancelled && self.ended.is_none() {
                return Ok(Some(End::Cancelled));
            }
            self.read(&ready, watch)?;
        }
    }

    /// Time until the first limit (None: no limit), or the limit that is over.
    fn time_left(&self, limits: &Limits, now: Duration) -> Result<Option<Duration>, Duration> {
        let total = limits.total.map(|limit| (limit, limit));
        let idle = limits.idle.map(|limit| (self.last_output + limit, limit));
        let mut left = None;
        for (end, limit) in [total, idle].into_iter().flatten() {
            let time = end.checked_sub(now).ok_or(limit)?;
            left = Some(left.map_or(time, |left: Duration| left.min(time)));
        }
        Ok(left)
    }

    fn poll(&self, cancel: Option<&Cancel>, left: Option<Duration>) -> io::Result<Ready> {
        // The pidfd stays readable after the end: no longer asked for then, or we would spin.
        let process = self.ended.is_none().then_some(self.pidfd.as_fd());
        let cancel = cancel.filter(|_| self.ended.is_none()).map(AsFd::as_fd);
        let out = self.out.as_ref().map(AsFd::as_fd);
        let err = self.err.as_ref().map(AsFd::as_fd);
        let all = [process, cancel, out, err];
        let mut fds: Vec<_> =
            all.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        // A millisecond on top, so that a limit is surely over when the wait is.
        let timeout = left.map(|left| left + Duration::from_millis(1));
        let timeout = timeout.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut events = fds.iter().map(|fd| !fd.revents().is_empty());
        let [ended, cancelled, out, err] =
            all.map(|fd| fd.is_some() && events.next().unwrap_or(false));
        Ok(Ready { ended, cancelled, out, err })
    }

    fn read(&mut self, ready: &Ready, watch: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        if let Some(out) = self.out.as_mut().filter(|_| ready.out) {
            match read_some(out, &mut buffer)? {
                Some(0) => self.out = None,
                Some(len) if self.stdout.len() + len > STDOUT_MAX => {
                    return Err(io::Error::other("a child printed more than 64 MB"));
                }
                Some(len) => self.stdout.extend_from_slice(&buffer[..len]),
                None => {}
            }
            self.last_output = self.clock.monotonic();
        }
        if let Some(err) = self.err.as_mut().filter(|_| ready.err) {
            match read_some(err, &mut buffer)? {
                Some(0) => self.err = None,
                Some(len) => {
                    watch(&buffer[..len]);
                    self.stderr.extend_from_slice(&buffer[..len]);
                    let excess = self.stderr.len().saturating_sub(STDERR_MAX);
                    self.stderr.drain(..excess);
                }
                None => {}
            }
            self.last_output = self.clock.monotonic();
        }
        Ok(())
    }
}

/// Bytes read, 0 at the end; None when there is nothing yet.
fn read_some(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match from.read(buffer) {
        Ok(len) => Ok(Some(len)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks the child and its group to end, so that git removes its lock files, then makes them.
fn kill(pid: Pid, group: bool, pidfd: Option<&OwnedFd>) {
    let send = |signal| {
        // Failing means that it is gone.
        let _ = if group {
            rustix::process::kill_process_group(pid, signal)
        } else {
            rustix::process::kill_process(pid, signal)
        };
    };
    send(Signal::TERM);
    if let Some(pidfd) = pidfd {
        let timeout = Timespec { tv_sec: TERM_GRACE.as_secs().cast_signed(), tv_nsec: 0 };
        let _ = poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout));
    }
    send(Signal::KILL);
}
