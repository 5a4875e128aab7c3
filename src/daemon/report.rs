//! What the daemon, or a command on a workspace that is not mounted, tells about it. Pure: values
//! and their JSON; the field names are a contract with scripts.

use super::failure::{Failure, Kind};
use crate::fuse::Transport;
use crate::registry::WorkspaceRecord;
use crate::types::WorkspaceId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Schema of [`StatusReport`].
pub const STATUS_SCHEMA: &str = "toft.status/1";
/// Schema of [`FlushReport`].
pub const FLUSH_SCHEMA: &str = "toft.flush/1";
/// Schema of [`ForkReport`].
pub const FORK_SCHEMA: &str = "toft.fork/1";
/// Paths that a report lists, at most.
pub const MAX_PATHS: usize = 10_000;

/// What a prefetch did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefetchReport {
    /// Files that were meant.
    pub files: u64,
    /// Contents that were on the remote only, and are here now.
    pub fetched: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How a workspace stands. A value that is not known is null, never a guess.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// [`STATUS_SCHEMA`].
    pub schema: String,
    /// The mount point.
    pub dir: String,
    /// Whether the kernel has a mount of ours there.
    pub kernel_mount: bool,
    /// Its file system type.
    pub fstype: Option<String>,
    /// Who serves it.
    pub daemon: DaemonStatus,
    /// Where it comes from.
    pub source: SourceStatus,
    /// What it is.
    pub workspace: WorkspaceStatus,
    /// What the next seal would commit; null when unknown.
    pub changes: Option<Changes>,
    /// Files of the base that are on the remote only; null where none can be, or when unknown.
    #[serde(default)]
    pub away: Option<u64>,
    /// How safe it is.
    pub durability: Durability,
    /// What waits for the remote.
    pub outbox: OutboxStatus,
    /// What somebody should know or do.
    pub problems: Vec<Failure>,
    /// Requests of the kernel since it was mounted, by kind; empty where it is not.
    #[serde(default)]
    pub requests: BTreeMap<String, u64>,
    /// Fsyncs of its daemon since that began, by reason; without those of git's own processes.
    #[serde(default)]
    pub fsyncs: BTreeMap<String, u64>,
    /// How the kernel's requests come; null where it is not mounted.
    #[serde(default)]
    pub transport: Option<Transport>,
}

/// Who serves a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// How it is.
    pub state: DaemonState,
    /// Its process id.
    pub pid: Option<u32>,
    /// Its program's version.
    pub version: Option<String>,
}

/// How a daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DaemonState {
    /// Answers.
    Ok,
    /// Not running, as it should be: nothing is mounted.
    Stopped,
    /// Not running although its mount is there, or it never finished.
    Dead,
    /// Runs but does not answer.
    Unresponsive,
}

/// Where a workspace comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Without secrets.
    pub url: String,
    /// Short name.
    pub branch: Option<String>,
    /// The commit that the lower layer is.
    pub base: Option<String>,
    /// Commits of the remote's branch, as last heard of, that HEAD lacks.
    pub behind: Option<u64>,
}

/// What a workspace is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceStatus {
    /// `w-…`
    pub id: String,
    /// What HEAD stands on, in full; null when detached.
    #[serde(rename = "ref")]
    pub ref_name: Option<String>,
    /// The commit HEAD stands at.
    pub head: Option<String>,
    /// Whether it can be written to.
    pub read_only: bool,
    /// When it flushes by itself.
    pub flush_on: String,
}

/// Paths that differ from HEAD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// New ones.
    pub added: u64,
    /// Ones with other content or mode.
    pub modified: u64,
    /// Ones that are gone.
    pub deleted: u64,
}

/// How far what was written has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durability {
    /// Bytes acked but not known to be on stable storage; null when unknown.
    pub unsynced_bytes: Option<u64>,
    /// Commits that the remote does not have.
    pub unpushed_commits: Option<u64>,
    /// Whether the remote has everything: no change unsealed, no commit unpushed.
    pub pushed: Option<bool>,
}

/// What waits for the remote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxStatus {
    /// Branches with something to deliver.
    pub pending: u64,
    /// Seconds until the next try.
    pub next_retry_s: Option<u64>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// What became of a flush.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushReport {
    /// [`FLUSH_SCHEMA`].
    pub schema: String,
    /// `w-…`
    pub workspace: String,
    /// The mount point.
    pub dir: String,
    /// The commit; null when none was asked for.
    pub seal: Option<SealReport>,
    /// The push; null when none was asked for.
    pub push: Option<PushReport>,
    /// Whether the mount is gone; null when that was not asked for.
    pub unmounted: Option<bool>,
    /// Whether the workspace's files on this host are gone too.
    pub removed: bool,
    /// What the workspace still holds that the remote does not have.
    pub kept: Vec<String>,
    /// What went with a workspace that was discarded.
    #[serde(default)]
    pub discarded: Vec<String>,
    /// What else somebody should know or do.
    #[serde(default)]
    pub problems: Vec<Failure>,
    /// Why it did not come all the way; decides the exit code.
    pub failure: Option<Failure>,
}

/// A workspace that was made as another one stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkReport {
    /// [`FORK_SCHEMA`].
    pub schema: String,
    /// `w-…`
    pub workspace: String,
    /// What it was made of.
    pub of: String,
    /// Where it is to be mounted.
    pub dir: String,
    /// The branch that its commits go to, short.
    pub branch: Option<String>,
    /// Where HEAD stands in both.
    pub head: Option<String>,
    /// What the other one has not committed, and this one begins with; null when not counted.
    pub inherited: Option<Changes>,
}

/// What was sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealReport {
    /// The new commit; null when nothing differed from HEAD.
    pub commit: Option<String>,
    /// Its first line.
    pub subject: Option<String>,
    /// What it changes.
    pub changes: Changes,
    /// Paths that cannot be in a commit, and why.
    pub skipped: Vec<SkippedPath>,
    /// How long it took until the commit was durable, in microseconds; 0 when there was nothing.
    #[serde(default)]
    pub took_us: u64,
}

/// A path that a seal leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedPath {
    /// Where it is.
    pub path: String,
    /// Why.
    pub why: String,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum PushReport {
    /// The remote had everything already.
    Nothing,
    /// The remote has our branch at this commit.
    Pushed {
        /// The commit.
        tip: String,
        /// Whether it merges what the remote had meanwhile.
        merged: bool,
    },
    /// It waits in the queue.
    Queued {
        /// Why.
        error: String,
        /// Seconds until the next try.
        retry_in_s: Option<u64>,
    },
    /// Both sides changed these paths; ours is on a side branch.
    Conflict {
        /// The side branch.
        branch: String,
        /// The paths.
        paths: Vec<String>,
    },
}

/// What a check looked at, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FsckReport {
    /// Inodes of the overlay.
    pub inodes: u64,
    /// Bodies that they name.
    pub bodies: u64,
    /// Objects of the base that they name.
    pub objects: u64,
    /// Refs with something that waits to be pushed.
    pub queued: u64,
    /// What is wrong; nothing, if it is sound.
    pub problems: Vec<String>,
}

/// The paths that the next seal would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffReport {
    /// In path order.
    pub paths: Vec<ChangedPath>,
    /// Whether there are more than are listed.
    pub truncated: bool,
    /// Paths that cannot be in a commit, and why.
    pub skipped: Vec<SkippedPath>,
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedPath {
    /// How: `A`, `M` or `D`.
    pub change: char,
    /// Where.
    pub path: String,
}

/// Commits of the workspace's branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogReport {
    /// Newest first.
    pub commits: Vec<CommitLine>,
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitLine {
    /// Its id.
    pub commit: String,
    /// Its first line.
    pub subject: String,
    /// When, in seconds since 1970.
    pub time_s: i64,
    /// Whether the remote has it, as far as known.
    pub pushed: bool,
}

impl FlushReport {
    /// Nothing done yet.
    pub fn new(workspace: &WorkspaceId, dir: &std::path::Path) -> Self {
        Self {
            schema: FLUSH_SCHEMA.to_owned(),
            workspace: workspace.to_string(),
            dir: dir.display().to_string(),
            seal: None,
            push: None,
            unmounted: None,
            removed: false,
            kept: Vec::new(),
            discarded: Vec::new(),
            problems: Vec::new(),
            failure: None,
        }
    }

    /// The commit that the remote is known to have now.
    pub fn pushed_tip(&self) -> Option<&String> {
        match &self.push {
            Some(PushReport::Pushed { tip, .. }) => Some(tip),
            _ => None,
        }
    }

    /// Puts what an earlier flush of the same unmount did where this one had nothing to do.
    pub fn add_earlier(&mut self, earlier: Self) {
        if self.seal.as_ref().is_none_or(|seal| seal.commit.is_none()) {
            self.seal = earlier.seal;
        }
        if matches!(self.push, None | Some(PushReport::Nothing)) {
            self.push = earlier.push;
        }
        if self.failure.is_none() {
            self.failure = earlier.failure;
        }
    }
}

impl StatusReport {
    /// What the record alone tells: nothing about changes, nothing about safety.
    pub fn unknown(record: &WorkspaceRecord) -> Self {
        let short = |name: &String| name.trim_start_matches("refs/heads/").to_owned();
        Self {
            schema: STATUS_SCHEMA.to_owned(),
            dir: record.dir.display().to_string(),
            kernel_mount: false,
            fstype: None,
            daemon: DaemonStatus { state: DaemonState::Stopped, pid: None, version: None },
            source: SourceStatus {
                url: record.source.url.clone(),
                branch: record.branch.as_ref().map(short),
                base: record.base.map(|oid| oid.to_string()),
                behind: None,
            },
            workspace: WorkspaceStatus {
                id: record.id.to_string(),
                ref_name: record.branch.clone(),
                head: None,
                read_only: record.view.read_only,
                flush_on: record.flush_on.to_string(),
            },
            changes: None,
            away: None,
            durability: Durability::default(),
            outbox: OutboxStatus::default(),
            problems: Vec::new(),
            requests: BTreeMap::new(),
            fsyncs: BTreeMap::new(),
            transport: None,
        }
    }
}

impl Changes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many paths.
    pub fn total(&self) -> u64 {
        self.added + self.modified + self.deleted
    }
}

impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} modified, {} new, {} deleted", self.modified, self.added, self.deleted)
    }
}

/// A path of bytes as text: itself where it is UTF-8, with `\xNN` elsewhere.
pub fn show_path(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => path.escape_ascii().to_string(),
    }
}

/// Whether a flush that failed like this still lets the mount go: everything is safe here.
pub fn may_leave(failure: Option<&Failure>) -> bool {
    failure.is_none_or(|failure| {
        matches!(
            failure.kind,
            Kind::NotPushed
                | Kind::Unreachable
                | Kind::Credentials
                | Kind::Conflict
                | Kind::Deadline
        )
    })
}
