//! What an error looks like to whoever asked: kind, message, cause, fix.
//!
//! The one form in which errors cross the control socket and the READY pipe. Every room's error
//! becomes one in `classify.rs`; `cli::report` prints it and knows its exit code.

use serde::{Deserialize, Serialize};

/// Kinds of failure that a caller may tell apart. Stable: scripts read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The command line makes no sense.
    Usage,
    /// No workspace of that name, or nothing mounted there.
    NoSuchWorkspace,
    /// DIR holds files that the mount would hide.
    DirNotEmpty,
    /// DIR is no directory.
    DirNotADirectory,
    /// DIR cannot be a mount point: inside its own source, another mount, or the state directory.
    DirUnusable,
    /// Something else is mounted at DIR.
    AlreadyMounted,
    /// A process holds the mount.
    Busy,
    /// /dev/fuse or fusermount3 is missing or forbidden.
    NoFuse,
    /// The user may not do this.
    Permission,
    /// No space, or no inodes, left on the local disk.
    DiskFull,
    /// The local git is missing, or too old.
    GitUnusable,
    /// The source is no repository, or does not exist.
    NoSuchRepository,
    /// The branch or commit is not there.
    NoSuchRef,
    /// Objects or state files are damaged.
    Corrupt,
    /// A failed fsync made the workspace read-only.
    ReadOnly,
    /// The daemon is gone or does not answer.
    DaemonGone,
    /// It was told to stop before it was through.
    Interrupted,
    /// Any other failure of the local system.
    System,
    /// The remote cannot be reached, and nothing of ours waits for it.
    Unreachable,
    /// Another live mount holds the workspace.
    Held,
    /// Sealed here, not on the remote; queued.
    NotPushed,
    /// The remote wants other credentials.
    Credentials,
    /// Both sides changed the same thing; ours is kept on a side branch.
    Conflict,
    /// A commit guard refused.
    Guard,
    /// Git is in the middle of something (merge, rebase, index.lock) in the mount.
    InProgress,
    /// It took longer than asked for.
    Deadline,
}

/// What to do where the system says no.
const NOT_ALLOWED: &str = "do it as the user who owns it, or name another place";

/// A failure as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Which kind.
    pub kind: Kind,
    /// What did not work.
    pub message: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// What to do about it, runnable where possible.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fix: Option<String>,
}

impl Failure {
    /// A failure of `kind`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None, fix: None }
    }

    /// Adds why.
    pub fn cause(mut self, cause: impl ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds what to do about it.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// For `map_err` on I/O: `what` was tried.
    pub fn io<S: Into<String>>(what: S) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| match kind_of_io(&error) {
            Kind::DiskFull => Self::disk_full(format!("{what}: {error}")),
            Kind::Permission => Self::new(Kind::Permission, what).cause(error).fix(NOT_ALLOWED),
            kind => Self::new(kind, what).cause(error),
        }
    }

    /// For an error of another room that tells all of it in `text` and has `error` behind it.
    pub fn system(text: String, error: &std::io::Error) -> Self {
        match kind_of_io(error) {
            Kind::DiskFull => Self::disk_full(text),
            Kind::Permission => Self::new(Kind::Permission, text).fix(NOT_ALLOWED),
            kind => Self::new(kind, text),
        }
    }

    fn disk_full(cause: String) -> Self {
        Self::new(Kind::DiskFull, "there is no room left on the disk of this host")
            .cause(cause)
            .fix("free some space there and try again; what was acknowledged is safe where it is")
    }
}

/// The kind that fits an error of the operating system.
pub fn kind_of_io(error: &std::io::Error) -> Kind {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::PermissionDenied => Kind::Permission,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::DiskFull,
        ErrorKind::TimedOut => Kind::Deadline,
        _ => Kind::System,
    }
}

impl Kind {
    /// The name that JSON and messages show.
    pub fn slug(self) -> String {
        let quoted = serde_json::to_string(&self).unwrap_or_default();
        quoted.trim_matches('"').to_owned()
    }
}
