//! The CLI's end of the control socket.

use super::protocol::{
    Hello, MAX_REPLY, PROTOCOL, ProtocolError, Reply, Request, decode, encode, read_line,
};
use super::socket;
use crate::sys::{Clock, OsClock};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a daemon may take to say hello before it counts as stuck.
const HELLO_DEADLINE: Duration = Duration::from_secs(2);
/// A daemon that works on an answer is asked so often whether it is still there, and counts as stuck
/// when it was not so many times in a row.
const ASK_AGAIN: Duration = Duration::from_secs(2);
const SILENT_TIMES: u32 = 3;
/// How long the rest of an answer may take that has begun.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of a hello, at most.
const MAX_HELLO: usize = 4096;

/// A connection to a daemon that said hello.
pub struct Client {
    path: PathBuf,
    stream: UnixStream,
    hello: Hello,
}

/// Why there is no talking to a daemon.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: no daemon runs.
    #[error("no daemon listens")]
    NoDaemon,
    /// It listens but does not answer.
    #[error("the daemon does not answer")]
    Silent,
    /// It speaks another version.
    #[error("the daemon runs toft {0}, which speaks another protocol")]
    OtherVersion(String),
    /// It took longer than the deadline.
    #[error("the daemon took longer than {} s", .0.as_secs())]
    Deadline(Duration),
    /// It refused, died or talked nonsense.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
}

impl Client {
    /// Connects to the daemon behind `path`.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let mut stream =
            socket::connect(path, HELLO_DEADLINE).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoDaemon,
                // So many wait already that there is no place to wait.
                _ if is_timeout(&error) => ClientError::Silent,
                _ => ClientError::Protocol(error.into()),
            })?;
        stream.set_read_timeout(Some(HELLO_DEADLINE)).map_err(ProtocolError::from)?;
        stream.set_write_timeout(Some(HELLO_DEADLINE)).map_err(ProtocolError::from)?;
        let line = read_line(&mut stream, MAX_HELLO).map_err(|error| match error {
            ProtocolError::Io(error) if is_timeout(&error) => ClientError::Silent,
            other => other.into(),
        })?;
        let hello: Hello = decode(&line)?;
        if hello.toft != PROTOCOL {
            return Err(ClientError::OtherVersion(hello.version));
        }
        Ok(Self { path: path.to_owned(), stream, hello })
    }

    /// Who answers.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Asks and waits for the answer: no longer than `deadline`, and only while the daemon is there.
    pub fn call(
        mut self,
        request: &Request,
        deadline: Option<Duration>,
    ) -> Result<Reply, ClientError> {
        self.stream.write_all(&encode(request)?).map_err(ProtocolError::from)?;
        self.wait_for_answer(deadline)?;
        self.stream.set_read_timeout(Some(ANSWER_DEADLINE)).map_err(ProtocolError::from)?;
        let line = read_line(&mut self.stream, MAX_REPLY).map_err(|error| match error {
            ProtocolError::Io(error) if is_timeout(&error) => ClientError::Silent,
            other => other.into(),
        })?;
        Ok(decode(&line)?)
    }

    /// Waits until the answer begins.
    fn wait_for_answer(&self, deadline: Option<Duration>) -> Result<(), ClientError> {
        let clock = OsClock::new();
        let mut silent = 0;
        while silent < SILENT_TIMES {
            let left = deadline.map(|deadline| deadline.saturating_sub(clock.monotonic()));
            let slice = left.unwrap_or(ASK_AGAIN).min(ASK_AGAIN);
            if self.has_answer(slice).map_err(ProtocolError::from)? {
                return Ok(());
            }
            if let Some(deadline) = deadline.filter(|deadline| clock.monotonic() >= *deadline) {
                return Err(ClientError::Deadline(deadline));
            }
            match Self::connect(&self.path) {
                Err(ClientError::Silent) => silent += 1,
                // Even one that turns us away is there.
                _ => silent = 0,
            }
        }
        Err(ClientError::Silent)
    }

    fn has_answer(&self, within: Duration) -> io::Result<bool> {
        let within = Timespec {
            tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(within.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], Some(&within)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
