//! What goes over the control socket: the daemon's hello, then one request and one reply, a JSON
//! line each. Pure.

use crate::daemon::failure::Failure;
use crate::daemon::report::{
    DiffReport, FlushReport, ForkReport, FsckReport, LogReport, PrefetchReport, StatusReport,
};
use crate::types::WorkspaceId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::PathBuf;

/// Version of the protocol; a daemon of another version is told apart by its hello.
pub const PROTOCOL: u32 = 1;
/// Bytes of a request, at most (a commit message may be long).
pub const MAX_REQUEST: usize = 1 << 20;
/// Bytes of a reply, at most.
pub const MAX_REPLY: usize = 64 << 20;

/// The first line, from the daemon: who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the daemon.
    pub toft: u32,
    /// Version of the daemon's program.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Its workspace.
    pub workspace: String,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How things stand.
    Status,
    /// Seal, push, or both.
    Flush(FlushRequest),
    /// Flush, then unmount and stop.
    Umount(UmountRequest),
    /// The paths that the next seal would change.
    Diff,
    /// Commits of the branch, newest first.
    Log(LogRequest),
    /// Whether everything fits together.
    Fsck,
    /// Bring files that are on the remote only.
    Prefetch(PrefetchRequest),
    /// Another workspace that begins as this one stands.
    Fork(ForkRequest),
    /// The same of a workspace that the daemon shows as a folder of its mount.
    In(InRequest),
}

/// A flush: everything acked so far becomes sealed and pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlushRequest {
    /// Make a commit of what changed.
    pub seal: bool,
    /// Bring the branch to the remote.
    pub push: bool,
    /// The commit's message instead of a generated one.
    #[serde(default)]
    pub message: Option<String>,
    /// Words of the guards that are overridden.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Seconds that the remote may take.
    #[serde(default)]
    pub timeout_s: Option<u64>,
}

/// An unmount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UmountRequest {
    /// The flush before it.
    pub flush: FlushRequest,
    /// Keep the workspace even when all of it is pushed.
    #[serde(default)]
    pub keep: bool,
    /// Throw away what is not pushed, and the workspace.
    #[serde(default)]
    pub discard: bool,
}

/// Which files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrefetchRequest {
    /// Patterns of paths from the root, as git's pathspecs have them.
    pub globs: Vec<String>,
}

/// A fork.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForkRequest {
    /// Where it is to be mounted.
    pub dir: PathBuf,
    /// The branch that its commits go to, begun at HEAD; the same one when None.
    pub branch: Option<String>,
    /// It is to be what others begin as, see `toft serve`.
    #[serde(default)]
    pub house: bool,
}

/// A request to one of many workspaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InRequest {
    /// Which one.
    pub id: WorkspaceId,
    /// What.
    pub request: Box<Request>,
}

/// Which commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRequest {
    /// How many, at most.
    pub limit: usize,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<StatusReport>),
    /// To [`Request::Flush`] and [`Request::Umount`].
    Flush(Box<FlushReport>),
    /// To [`Request::Diff`].
    Diff(DiffReport),
    /// To [`Request::Log`].
    Log(LogReport),
    /// To [`Request::Fsck`].
    Fsck(FsckReport),
    /// To [`Request::Fork`].
    Fork(ForkReport),
    /// To [`Request::Prefetch`].
    Prefetch(PrefetchReport),
    /// It did not work.
    Failed(Failure),
}

/// Why a line is no message.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The line has no end within the bound.
    #[error("a line of more than {0} bytes")]
    TooLong(usize),
    /// The stream ended before the line did.
    #[error("the connection closed in the middle of a message")]
    Closed,
    /// No JSON, or not of the right shape.
    #[error("not a message: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The socket failed, or the deadline passed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Writes a message as one line.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, ProtocolError> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a message from a line.
pub fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, ProtocolError> {
    Ok(serde_json::from_slice(line)?)
}

/// Reads up to the next newline, at most `limit` bytes; the newline is taken off.
///
/// A peer sends one line at a time, so what a read returns after the newline would be a breach of
/// the protocol; it is refused as malformed rather than lost.
pub fn read_line(stream: &mut impl Read, limit: usize) -> Result<Vec<u8>, ProtocolError> {
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = match stream.read(&mut chunk) {
            Ok(0) => return Err(ProtocolError::Closed),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let end = chunk[..count].iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&chunk[..end.unwrap_or(count)]);
        if line.len() > limit {
            return Err(ProtocolError::TooLong(limit));
        }
        match end {
            Some(end) if end + 1 == count => return Ok(line),
            Some(_) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, "more than one message");
                return Err(error.into());
            }
            None => {}
        }
    }
}
