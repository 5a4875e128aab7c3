//! Who an author or committer is, as git would choose (git-commit(1), "COMMIT INFORMATION").

use super::Repo;
use crate::types::Timespec;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The name in commits when nobody told git another.
const NAME: &[u8] = b"toft";
/// The address in commits when nobody told git another.
const EMAIL: &[u8] = b"toft@localhost";

/// Author and committer of the next commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who wrote the change.
    pub author: Person,
    /// Who makes the commit.
    pub committer: Person,
}

/// A name, an address, and perhaps a date that was prescribed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name, without the bytes that git strips.
    pub name: Vec<u8>,
    /// The address, likewise.
    pub email: Vec<u8>,
    /// GIT_AUTHOR_DATE or GIT_COMMITTER_DATE.
    pub date: Option<Date>,
}

/// A point in time and the time zone it was seen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Seconds east of Greenwich.
    pub offset: i32,
}

/// Who and when, as it stands in a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name.
    pub name: Vec<u8>,
    /// The address.
    pub email: Vec<u8>,
    /// When.
    pub date: Date,
}

impl Repo {
    /// Who commits, by environment and configuration as they stand now; `toft` where they are silent.
    pub fn identity(&self) -> Identity {
        let repository = self.reopened();
        let config = repository.config_snapshot();
        let config = |key: &str| config.string(key).map(Vec::from);
        Identity::choose(config, |name| std::env::var_os(name))
    }
}

impl Identity {
    /// Chooses by `config` (a key's last value) and `env`.
    pub fn choose(
        config: impl Fn(&str) -> Option<Vec<u8>>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Identity {
        let env = |name: &str| env(name).map(OsString::into_vec);
        let person = |role: &str, prefix: &str| {
            let name = env(&format!("{prefix}_NAME"))
                .or_else(|| config(&format!("{role}.name")))
                .or_else(|| config("user.name"));
            let email = env(&format!("{prefix}_EMAIL"))
                .or_else(|| config(&format!("{role}.email")))
                .or_else(|| config("user.email"))
                .or_else(|| env("EMAIL"));
            let date = env(&format!("{prefix}_DATE"));
            Person {
                name: usable(name).unwrap_or_else(|| NAME.to_vec()),
                email: usable(email).unwrap_or_else(|| EMAIL.to_vec()),
                date: date.and_then(|text| Date::parse(&text)),
            }
        };
        Identity {
            author: person("author", "GIT_AUTHOR"),
            committer: person("committer", "GIT_COMMITTER"),
        }
    }

    /// Author and committer of a commit made `now`.
    pub fn sign(&self, now: Timespec) -> (Signature, Signature) {
        let sign = |person: &Person| Signature {
            name: person.name.clone(),
            email: person.email.clone(),
            date: person.date.unwrap_or_else(|| Date::local(now)),
        };
        (sign(&self.author), sign(&self.committer))
    }
}

impl Date {
    /// `now`, seen from the time zone of this host.
    pub fn local(now: Timespec) -> Date {
        let offset = jiff::Timestamp::from_second(now.sec)
            .map_or(0, |time| jiff::tz::TimeZone::system().to_offset(time).seconds());
        Date { seconds: now.sec, offset }
    }

    /// Reads one of git's date formats that need no "now".
    pub fn parse(text: &[u8]) -> Option<Date> {
        let time = gix::date::parse(std::str::from_utf8(text).ok()?, None).ok()?;
        Some(Date { seconds: time.seconds, offset: time.offset })
    }
}

impl Signature {
    /// As it stands in a commit object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Date { seconds, offset } = self.date;
        let sign = if offset < 0 { '-' } else { '+' };
        let minutes = offset.unsigned_abs() / 60;
        let mut bytes = self.name.clone();
        bytes.extend_from_slice(b" <");
        bytes.extend_from_slice(&self.email);
        let when = format!("> {seconds} {sign}{:02}{:02}", minutes / 60, minutes % 60);
        bytes.extend_from_slice(when.as_bytes());
        bytes
    }
}

/// Strips what git strips (`strbuf_addstr_without_crud`); None when nothing is left.
fn usable(text: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let crud = |byte: &u8| *byte <= b' ' || b".,:;<>\"\\'".contains(byte);
    let text = text?;
    let start = text.iter().position(|byte| !crud(byte))?;
    let end = text.iter().rposition(|byte| !crud(byte))?;
    let inner = text[start..=end].iter().filter(|byte| !b"\n<>\0".contains(byte));
    Some(inner.copied().collect())
}
