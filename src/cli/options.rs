//! Options of mount(8): `-o a,b=c` on our own command line, a JSON object from the mount helper.
//! Pure.

use crate::daemon::{Access, Failure, Kind, MountFlags};
use crate::registry::{DirectoryOverrides, FlushPolicy, Hydrate};
use serde::Deserialize;
use std::path::PathBuf;

/// What was asked for; the fields are the helper's JSON keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    pub ro: bool,
    pub branch: Option<String>,
    pub new_branch: Option<String>,
    pub at: Option<String>,
    pub workspace: Option<String>,
    /// On our own command line only.
    #[serde(skip)]
    pub fork_of: Option<PathBuf>,
    pub flush_on: Option<FlushPolicy>,
    pub depth: Option<u32>,
    pub hydrate: Option<Hydrate>,
    pub credential: Option<String>,
    pub offline: bool,
    pub allow_other: bool,
    pub allow_root: bool,
    /// Always on; accepted because everybody writes it.
    pub default_permissions: bool,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub noexec: bool,
    pub noatime: bool,
    pub passthrough: bool,
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

impl Options {
    /// Reads lists of options; later words win. The table of words is the mount helper's.
    pub fn parse<'a>(lists: impl IntoIterator<Item = &'a str>) -> Result<Self, Failure> {
        let mut words = mount_words::Options::new();
        for list in lists {
            mount_words::parse(list, false, &mut words)
                .map_err(|why| Failure::new(Kind::Usage, why).fix("see toft mount --help"))?;
        }
        if words.contains_key("setuid") {
            let what = "the option setuid= is for mount(8) and fstab";
            return Err(Failure::new(Kind::Usage, what).fix("run toft as that user"));
        }
        let json: serde_json::Map<_, _> =
            words.into_iter().map(|(key, value)| (key.to_owned(), json(value))).collect();
        serde_json::from_value(json.into())
            .map_err(|error| Failure::new(Kind::Usage, "the options make no sense").cause(error))
    }

    /// What the mount gets.
    pub fn mount_flags(&self) -> MountFlags {
        let Self { noexec, noatime, passthrough, .. } = *self;
        MountFlags { noexec, noatime, passthrough }
    }

    /// Who may look.
    pub fn access(&self) -> Result<Access, Failure> {
        match (self.allow_other, self.allow_root) {
            (false, false) => Ok(Access::Owner),
            (true, false) => Ok(Access::All),
            (false, true) => Ok(Access::RootAndOwner),
            (true, true) => {
                let what = "the options allow_other and allow_root exclude each other";
                Err(Failure::new(Kind::Usage, what))
            }
        }
    }
}

/// A word as the helper would write it.
fn json(value: mount_words::Value) -> serde_json::Value {
    match value {
        mount_words::Value::Flag => true.into(),
        mount_words::Value::Number(number) => number.into(),
        mount_words::Value::Text(text) => text.into(),
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

/// Reads a policy that was written behind `key`.
pub fn flush_policy(key: &str, text: &str) -> Result<FlushPolicy, Failure> {
    text.parse().map_err(|why| {
        Failure::new(Kind::Usage, format!("{key}: {why}")).fix("see toft mount --help")
    })
}

/// Reads when files are fetched, as it was written behind `key`.
pub fn hydrate(key: &str, text: &str) -> Result<Hydrate, Failure> {
    text.parse().map_err(|why| {
        Failure::new(Kind::Usage, format!("{key}: {why}")).fix("see toft mount --help")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mount_words::Kind as Word;

    #[test]
    fn every_word_of_the_helpers_table_is_understood_here() {
        for (key, word) in mount_words::KNOWN.iter().filter(|(key, _)| *key != "setuid") {
            let parsed = match word {
                Word::Refused(_) => continue,
                Word::Number(_) => Options::parse([&*format!("{key}=7")]),
                Word::Flag | Word::Clears(_) | Word::Ignored => Options::parse([*key]),
                Word::Text(check) => {
                    let texts = ["x", "/x", "file:/x", "close", "w-x", "lazy"];
                    let text = texts.iter().find(|text| check(text).is_ok()).expect("a good one");
                    Options::parse([&*format!("{key}={text}")])
                }
            };
            assert!(parsed.is_ok(), "{key}: {parsed:?}");
        }
    }

    #[test]
    fn the_helper_takes_the_policies_that_a_record_takes() {
        for text in ["umount", "close", "manual", "idle=1", "interval=4294967295", "idle=0"]
            .iter()
            .chain(&["never", "idle", "idle=", "idle=-1", "interval=4294967296", "Close", ""])
        {
            let words = Options::parse([&*format!("flush_on={text}")]);
            assert_eq!(words.is_ok(), text.parse::<FlushPolicy>().is_ok(), "{text}");
        }
    }
}
