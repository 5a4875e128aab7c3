//! Options of mount(8): `-o a,b=c` on our own command line, a JSON object from the mount helper.
//! Pure.

use crate::daemon::{Failure, Kind};
use crate::registry::{DirectoryOverrides, FlushPolicy};
use serde::Deserialize;
use std::path::PathBuf;
use std::str::FromStr;

/// What was asked for; the fields are the helper's JSON keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    pub ro: bool,
    pub branch: Option<String>,
    pub new_branch: Option<String>,
    pub at: Option<String>,
    pub workspace: Option<String>,
    pub flush_on: Option<FlushPolicy>,
    pub depth: Option<u32>,
    pub credential: Option<String>,
    pub offline: bool,
    pub allow_other: bool,
    pub allow_root: bool,
    /// Always on; accepted because everybody writes it.
    pub default_permissions: bool,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub nodev: bool,
    pub nosuid: bool,
    pub noexec: bool,
    pub state_dir: Option<PathBuf>,
    pub cache_dir: Option<PathBuf>,
    pub runtime_dir: Option<PathBuf>,
}

/// What the mount helper writes on our stdin.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HelperRequest {
    /// Tells the version.
    pub schema: String,
    /// What to mount.
    pub source: String,
    /// Where: absolute, without links.
    pub dir: PathBuf,
    /// Which folder the helper checked; another one there now is refused.
    pub dir_dev: u64,
    /// Its inode number.
    pub dir_ino: u64,
    /// The options, checked.
    #[serde(default)]
    pub options: Options,
}

/// The version of [`HelperRequest`] that we read.
const HELPER_SCHEMA: &str = "toft.mount-request/1";

/// Words that mount(8), fstab and FUSE use and that ask nothing of us.
const IGNORED: &[&str] = &[
    "_netdev",
    "async",
    "atime",
    "auto",
    "comment",
    "defaults",
    "diratime",
    "group",
    "lazytime",
    "loud",
    "noatime",
    "noauto",
    "nodiratime",
    "nofail",
    "nogroup",
    "nolazytime",
    "noowner",
    "norelatime",
    "nostrictatime",
    "nouser",
    "nousers",
    "owner",
    "relatime",
    "silent",
    "strictatime",
    "user",
    "users",
];
/// Words that mean something.
const KNOWN: &[&str] = &[
    "allow_other",
    "allow_root",
    "at",
    "branch",
    "cache_dir",
    "credential",
    "default_permissions",
    "depth",
    "dev",
    "exec",
    "flush_on",
    "gid",
    "new_branch",
    "nodev",
    "noexec",
    "nosuid",
    "offline",
    "ro",
    "runtime_dir",
    "rw",
    "state_dir",
    "suid",
    "uid",
    "workspace",
];

impl Options {
    /// Reads lists of options; later words win.
    pub fn parse<'a>(lists: impl IntoIterator<Item = &'a str>) -> Result<Self, Failure> {
        let mut options = Self::default();
        let words = lists.into_iter().flat_map(|list| list.split(','));
        for word in words.filter(|word| !word.is_empty()) {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (word, None),
            };
            // As for mount(8)'s helper, `-` and `_` are the same.
            options.apply(&key.replace('-', "_"), key, value)?;
        }
        Ok(options)
    }

    fn apply(&mut self, key: &str, written: &str, value: Option<&str>) -> Result<(), Failure> {
        let text = || value.map(str::to_owned).ok_or_else(|| needs_value(written));
        let path = || text().map(PathBuf::from);
        match key {
            "allow_other" => self.allow_other = true,
            "allow_root" => self.allow_root = true,
            "at" => self.at = Some(text()?),
            "branch" => self.branch = Some(text()?),
            "cache_dir" => self.cache_dir = Some(path()?),
            "credential" => self.credential = Some(text()?),
            "default_permissions" => self.default_permissions = true,
            "depth" => self.depth = Some(number(written, &text()?)?),
            "dev" => self.nodev = false,
            "exec" => self.noexec = false,
            "flush_on" => self.flush_on = Some(flush_policy(written, &text()?)?),
            "gid" => self.gid = Some(number(written, &text()?)?),
            "new_branch" => self.new_branch = Some(text()?),
            "nodev" => self.nodev = true,
            "noexec" => self.noexec = true,
            "nosuid" => self.nosuid = true,
            "offline" => self.offline = true,
            "ro" => self.ro = true,
            "runtime_dir" => self.runtime_dir = Some(path()?),
            "rw" => self.ro = false,
            "state_dir" => self.state_dir = Some(path()?),
            "suid" => self.nosuid = false,
            "uid" => self.uid = Some(number(written, &text()?)?),
            "workspace" => self.workspace = Some(text()?),
            _ if IGNORED.contains(&key)
                || written.starts_with("x-")
                || written.starts_with("X-") => {}
            _ => return Err(unknown(written, key)),
        }
        Ok(())
    }
}

impl Options {
    /// The directories among them.
    pub fn directories(&self) -> DirectoryOverrides {
        DirectoryOverrides {
            state: self.state_dir.clone(),
            cache: self.cache_dir.clone(),
            runtime: self.runtime_dir.clone(),
        }
    }
}

impl HelperRequest {
    /// Reads the helper's request.
    pub fn parse(json: &[u8]) -> Result<Self, Failure> {
        let malformed = || Failure::new(Kind::Usage, "the mount helper's request makes no sense");
        let request: Self =
            serde_json::from_slice(json).map_err(|error| malformed().cause(error))?;
        if request.schema != HELPER_SCHEMA {
            let cause = format!("it is a {}, this toft reads {HELPER_SCHEMA}", request.schema);
            return Err(malformed().cause(cause).fix("install toft and mount.toft of one version"));
        }
        Ok(request)
    }
}

fn number<T: FromStr>(key: &str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| {
        Failure::new(Kind::Usage, format!("the mount option {key} needs a number, not '{text}'"))
    })
}

/// Reads a policy that was written behind `key`.
pub fn flush_policy(key: &str, text: &str) -> Result<FlushPolicy, Failure> {
    text.parse().map_err(|why| Failure::new(Kind::Usage, format!("{key}: {why}")))
}

fn needs_value(key: &str) -> Failure {
    Failure::new(Kind::Usage, format!("the mount option {key} needs a value"))
        .fix(format!("write {key}=..."))
}

fn unknown(written: &str, key: &str) -> Failure {
    let failure = Failure::new(Kind::Usage, format!("unknown mount option '{written}'"));
    let nearest = KNOWN.iter().map(|known| (distance(key, known), known)).min();
    match nearest {
        Some((steps, known)) if steps <= known.len() / 2 => {
            failure.fix(format!("did you mean {known}?"))
        }
        _ => failure.fix("see toft mount --help"),
    }
}

/// Letters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
