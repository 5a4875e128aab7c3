//! The CLI's end of the control socket.

use super::protocol::{
    Hello, MAX_REPLY, PROTOCOL, ProtocolError, Reply, Request, decode, encode, read_line,
};
use super::socket;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a daemon may take to say hello before it counts as stuck.
const HELLO_DEADLINE: Duration = Duration::from_secs(1);
/// Bytes of a hello, at most.
const MAX_HELLO: usize = 4096;

/// A connection to a daemon that said hello.
pub struct Client {
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
        let mut stream = socket::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoDaemon,
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
        Ok(Self { stream, hello })
    }

    /// Who answers.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Asks and waits for the answer; forever, without a deadline.
    pub fn call(
        mut self,
        request: &Request,
        deadline: Option<Duration>,
    ) -> Result<Reply, ClientError> {
        self.stream.set_read_timeout(deadline).map_err(ProtocolError::from)?;
        self.stream.write_all(&encode(request)?).map_err(ProtocolError::from)?;
        let line = read_line(&mut self.stream, MAX_REPLY).map_err(|error| match error {
            ProtocolError::Io(error) if is_timeout(&error) => {
                ClientError::Deadline(deadline.unwrap_or_default())
            }
            other => other.into(),
        })?;
        Ok(decode(&line)?)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
