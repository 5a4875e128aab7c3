//! What is remembered of a workspace. Pure: values and their JSON.

use super::Holder;
use crate::types::{Oid, Seq, WorkspaceId};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;

/// The version of the record.
pub(super) const SCHEMA: &str = "toft.workspace/1";

/// One workspace: what it was made from, where it shows, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceRecord {
    /// Who it is.
    pub id: WorkspaceId,
    /// What it was mounted from.
    pub source: SourceRecord,
    /// The branch it seals to, in full (`refs/heads/…`); None when on a bare commit.
    pub branch: Option<String>,
    /// The commit it stands on; None when the remote has no commit yet.
    #[serde(with = "oid_text")]
    pub base: Option<Oid>,
    /// How it shows.
    pub view: ViewRecord,
    /// The mount point.
    #[serde(with = "path_text")]
    pub dir: PathBuf,
    /// The store that it borrows objects from.
    pub store: StoreRecord,
    /// When it flushes.
    pub flush_on: FlushPolicy,
    /// `file:PATH` or `env:VARIABLE`; never the secret.
    pub credential: Option<String>,
    /// Seconds since 1970.
    pub created_s: i64,
    /// What it was doing when this was written; the lease tells whether that is still so.
    pub status: Status,
    /// Who serves it, or did last.
    pub daemon: Option<Holder>,
    /// Whether toft made the mount point, and is to remove it again.
    #[serde(default)]
    pub made_dir: bool,
    /// When it was last unmounted the remote had all of it: it may be replaced by a fresh one.
    #[serde(default)]
    pub spent: bool,
    /// What it began as, where that was another workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<ForkRecord>,
    /// The one whose daemon shows it as a folder, see `toft serve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub house: Option<WorkspaceId>,
    /// It is what others begin as, and shows them as folders; it has nothing of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serves: bool,
    /// Power loss took its files back to the last sync, and nothing was committed since.
    #[serde(default)]
    pub rolled_back: bool,
    /// The last thing that went wrong and was not repaired since.
    pub last_error: Option<String>,
    /// The last commit made from it.
    pub last_seal: Option<Milestone>,
    /// The last commit of it that the remote has.
    pub last_push: Option<Milestone>,
}

/// What a workspace was mounted from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The URL or absolute path, without secrets.
    pub url: String,
    /// The branch or tag that was asked for; None: the remote's own branch.
    #[serde(default)]
    pub asked: Option<String>,
    /// History is cut off after so many commits.
    pub depth: Option<u32>,
    /// When contents of files are fetched.
    #[serde(default)]
    pub hydrate: Hydrate,
    /// The commit that was asked for by `--at`.
    #[serde(with = "oid_text", default)]
    pub at: Option<Oid>,
}

/// The workspace that a fork began as, and what tells whether it is still that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkRecord {
    /// Which one.
    pub of: WorkspaceId,
    /// The last record of its journal that the fork has, too.
    pub seq: Seq,
    /// Where HEAD stood.
    #[serde(with = "oid_text")]
    pub head: Option<Oid>,
    /// Where the remote's branch stood, as far as was known; None: it had none of that name.
    #[serde(with = "oid_text")]
    pub remote: Option<Oid>,
    /// The last commit that the remote was known to have.
    #[serde(with = "oid_text")]
    pub delivered: Option<Oid>,
}

/// When the contents of files are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hydrate {
    /// All of them before the mount.
    #[default]
    Full,
    /// Each when it is needed, and some in advance, where the server is one that gives them one by
    /// one.
    Lazy,
    /// Each when it is needed, none in advance.
    Demand,
}

impl Hydrate {
    /// Whether some contents may be on the remote only.
    pub fn is_lazy(self) -> bool {
        self != Self::Full
    }
}

impl FromStr for Hydrate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self::Full),
            "lazy" => Ok(Self::Lazy),
            "demand" => Ok(Self::Demand),
            _ => Err(format!("'{text}' is none of full, lazy, demand")),
        }
    }
}

/// How a workspace shows in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewRecord {
    /// Owner of the base's files.
    pub uid: u32,
    /// Group of the base's files.
    pub gid: u32,
    /// Time of the base's files, in seconds since 1970 (D6).
    pub base_time_s: i64,
    /// Nothing can be changed.
    pub read_only: bool,
}

/// The store of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreRecord {
    /// Name of the store in the cache.
    pub key: String,
    /// Where it was.
    #[serde(with = "path_text")]
    pub path: PathBuf,
}

/// A commit and when it got so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// The commit.
    #[serde(with = "oid_text::plain")]
    pub commit: Oid,
    /// Seconds since 1970.
    pub at_s: i64,
}

/// What a workspace is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Its files are being made; without a live holder it is a leftover.
    Creating,
    /// Mounted.
    Mounted,
    /// Not mounted; can be mounted again.
    Idle,
    /// Its daemon gave up; `last_error` says why.
    Failed,
}

/// When a workspace flushes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FlushPolicy {
    /// When it is unmounted.
    #[default]
    Umount,
    /// When a file that was written is closed.
    Close,
    /// So many seconds after the last change.
    Idle(u32),
    /// Every so many seconds.
    Interval(u32),
    /// Only when told to.
    Manual,
}

impl FromStr for FlushPolicy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = |number: &str| {
            number
                .parse()
                .ok()
                .filter(|seconds| *seconds > 0)
                .ok_or_else(|| format!("'{number}' is no number of seconds"))
        };
        match text.split_once('=') {
            None if text == "umount" => Ok(Self::Umount),
            None if text == "close" => Ok(Self::Close),
            None if text == "manual" => Ok(Self::Manual),
            Some(("idle", number)) => seconds(number).map(Self::Idle),
            Some(("interval", number)) => seconds(number).map(Self::Interval),
            _ => Err(format!(
                "'{text}' is none of umount, close, idle=SECONDS, interval=SECONDS, manual"
            )),
        }
    }
}

impl std::fmt::Display for FlushPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Umount => f.write_str("umount"),
            Self::Close => f.write_str("close"),
            Self::Idle(seconds) => write!(f, "idle={seconds}"),
            Self::Interval(seconds) => write!(f, "interval={seconds}"),
            Self::Manual => f.write_str("manual"),
        }
    }
}

impl TryFrom<String> for FlushPolicy {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<FlushPolicy> for String {
    fn from(policy: FlushPolicy) -> String {
        policy.to_string()
    }
}

#[derive(Serialize)]
struct Written<'a> {
    schema: &'static str,
    #[serde(flatten)]
    record: &'a WorkspaceRecord,
}

#[derive(Deserialize)]
struct Schema {
    schema: String,
}

/// The record as JSON, for people to read too.
pub(super) fn encode(record: &WorkspaceRecord) -> Result<Vec<u8>, String> {
    let mut text = serde_json::to_vec_pretty(&Written { schema: SCHEMA, record })
        .map_err(|error| error.to_string())?;
    text.push(b'\n');
    Ok(text)
}

/// Reads a record; the error says what is wrong with it.
pub(super) fn decode(text: &[u8]) -> Result<WorkspaceRecord, String> {
    let damaged = |error: serde_json::Error| format!("damaged: {error}");
    let Schema { schema } = serde_json::from_slice(text).map_err(damaged)?;
    if schema != SCHEMA {
        return Err(format!("written as {schema}, this toft reads {SCHEMA}"));
    }
    serde_json::from_slice(text).map_err(damaged)
}

/// Object ids as hex.
mod oid_text {
    use crate::types::Oid;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(oid: &Option<Oid>, out: S) -> Result<S::Ok, S::Error> {
        match oid {
            Some(oid) => out.collect_str(oid),
            None => out.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Oid>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|hex| Oid::from_hex(hex.as_bytes()).map_err(D::Error::custom)).transpose()
    }

    pub mod plain {
        use super::{Deserializer, Error, Oid, Serializer};

        pub fn serialize<S: Serializer>(oid: &Oid, out: S) -> Result<S::Ok, S::Error> {
            out.collect_str(oid)
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Oid, D::Error> {
            super::deserialize(from)?.ok_or_else(|| D::Error::custom("an object id is missing"))
        }
    }
}

/// Paths as text; as an array of bytes where they are no UTF-8.
mod path_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub fn serialize<S: Serializer>(path: &Path, out: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => out.serialize_str(text),
            None => path.as_os_str().as_bytes().serialize(out),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Either::deserialize(from)? {
            Either::Text(text) => text.into(),
            Either::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}
