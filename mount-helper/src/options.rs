//! The words that may follow `-o`, in one table, for the helper and for `toft mount -o`. Pure.
//!
//! A library of its own, so that there is one table: `toft` links this file, the helper links
//! nothing of toft's.

use std::collections::BTreeMap;

/// What one option is.
pub enum Kind {
    /// Word of fstab or of mount(8) that asks nothing of us.
    Ignored,
    /// Passed on as `true`.
    Flag,
    /// Takes back the flag of that name (the later word wins, as in mount(8)).
    Clears(&'static str),
    /// Whole number, at least this.
    Number(u32),
    /// Text, if the check finds nothing wrong.
    Text(fn(&str) -> Result<(), &'static str>),
    /// Understood, and refused for this reason.
    Refused(&'static str),
}

/// Every known option. `-` and `_` in names are the same; the spelling here is the JSON key.
pub const KNOWN: &[(&str, Kind)] = &[
    // toft's own
    ("at", Kind::Text(revision)),
    ("branch", Kind::Text(revision)),
    ("cache_dir", Kind::Text(absolute)),
    ("credential", Kind::Text(credential)),
    ("depth", Kind::Number(1)),
    ("flush_on", Kind::Text(flush_on)),
    ("hydrate", Kind::Text(hydrate)),
    ("new_branch", Kind::Text(revision)),
    ("offline", Kind::Flag),
    ("passthrough", Kind::Flag),
    ("runtime_dir", Kind::Text(absolute)),
    ("setuid", Kind::Text(user)),
    ("state_dir", Kind::Text(absolute)),
    ("workspace", Kind::Text(workspace)),
    // of any file system, honoured
    ("allow_other", Kind::Flag),
    ("allow_root", Kind::Flag),
    ("default_permissions", Kind::Flag),
    ("atime", Kind::Clears("noatime")),
    ("exec", Kind::Clears("noexec")),
    ("gid", Kind::Number(0)),
    ("noatime", Kind::Flag),
    ("noexec", Kind::Flag),
    ("ro", Kind::Flag),
    ("rw", Kind::Clears("ro")),
    ("uid", Kind::Number(0)),
    // for mount(8), fstab and systemd
    ("_netdev", Kind::Ignored),
    ("async", Kind::Ignored),
    ("auto", Kind::Ignored),
    ("comment", Kind::Ignored),
    ("defaults", Kind::Ignored),
    ("diratime", Kind::Ignored),
    ("group", Kind::Ignored),
    ("helper", Kind::Ignored),
    ("lazytime", Kind::Ignored),
    ("loud", Kind::Ignored),
    ("noauto", Kind::Ignored),
    // a mount is always that
    ("nodev", Kind::Ignored),
    ("nodiratime", Kind::Ignored),
    ("nofail", Kind::Ignored),
    ("nogroup", Kind::Ignored),
    ("nolazytime", Kind::Ignored),
    ("noowner", Kind::Ignored),
    ("norelatime", Kind::Ignored),
    ("nostrictatime", Kind::Ignored),
    // a mount is always that
    ("nosuid", Kind::Ignored),
    ("nouser", Kind::Ignored),
    ("nousers", Kind::Ignored),
    ("owner", Kind::Ignored),
    ("relatime", Kind::Ignored),
    ("silent", Kind::Ignored),
    ("uhelper", Kind::Ignored),
    ("user", Kind::Ignored),
    ("users", Kind::Ignored),
    // known, and not to be had
    ("dev", Kind::Refused("device nodes never work in a mount of toft's")),
    ("dirsync", Kind::Refused("fsync the folder instead")),
    ("password", Kind::Refused("write it to a file and give credential=file:PATH")),
    ("remount", Kind::Refused("unmount and mount again")),
    ("strictatime", Kind::Refused("no times of reads are kept")),
    ("suid", Kind::Refused("set-user-id bits never work in a mount of toft's")),
    ("sync", Kind::Refused("open with O_SYNC or call fsync instead")),
    ("token", Kind::Refused("write it to a file and give credential=file:PATH")),
];

/// What `toft mount --from-helper` is told of one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Given, without a value.
    Flag,
    /// A whole number.
    Number(u32),
    /// Anything else.
    Text(String),
}

/// The options that mean something, by name.
pub type Options = BTreeMap<&'static str, Value>;

/// Reads the text after `-o`. `sloppy` (`-s`): unknown names are skipped.
pub fn parse(text: &str, sloppy: bool, into: &mut Options) -> Result<(), String> {
    for word in split(text)? {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(unquote(value))),
            None => (word, None),
        };
        match find(name) {
            Some((key, kind)) => apply(key, kind, value, into)?,
            None if sloppy || has_ignored_prefix(name) => {}
            None => return Err(unknown(name)),
        }
    }
    Ok(())
}

fn apply(
    key: &'static str,
    kind: &Kind,
    value: Option<&str>,
    into: &mut Options,
) -> Result<(), String> {
    let wanted = || value.ok_or_else(|| format!("option '{key}' needs a value"));
    let parsed =
        match kind {
            Kind::Ignored => return Ok(()),
            Kind::Refused(instead) => return Err(format!("option '{key}' is refused: {instead}")),
            Kind::Flag | Kind::Clears(_) if value.is_some() => {
                return Err(format!("option '{key}' takes no value"));
            }
            Kind::Clears(flag) => {
                into.remove(flag);
                return Ok(());
            }
            Kind::Flag => Value::Flag,
            Kind::Number(least) => {
                let number = wanted()?.parse().ok().filter(|number| number >= least);
                Value::Number(number.ok_or_else(|| {
                    format!("option '{key}' needs a whole number, at least {least}")
                })?)
            }
            Kind::Text(check) => {
                let text = wanted()?;
                printable(text)
                    .and_then(|()| check(text))
                    .map_err(|why| format!("{key}={text}: {why}"))?;
                Value::Text(text.to_owned())
            }
        };
    into.insert(key, parsed);
    Ok(())
}

/// Splits at commas, but not inside double quotes (as libmount writes values that hold commas).
fn split(text: &str) -> Result<Vec<&str>, String> {
    let mut words = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                words.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return Err(format!("a quote is not closed in '{text}'"));
    }
    words.push(&text[start..]);
    words.retain(|word| !word.is_empty());
    Ok(words)
}

fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value)
}

fn find(name: &str) -> Option<&'static (&'static str, Kind)> {
    let normal = |text: &str| text.replace('-', "_");
    KNOWN.iter().find(|(known, _)| normal(known) == normal(name))
}

fn has_ignored_prefix(name: &str) -> bool {
    name.starts_with("x-") || name.starts_with("X-")
}

fn unknown(name: &str) -> String {
    let nearest = KNOWN
        .iter()
        .map(|(known, _)| (distance(name, known), *known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 2);
    match nearest {
        Some((_, known)) => format!("unknown option '{name}' (did you mean '{known}'?)"),
        None => format!("unknown option '{name}'"),
    }
}

/// How many letters to insert, drop or replace to come from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for column in 0..to.len() {
            let replaced = diagonal + usize::from(letter != to[column]);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// Refuses what no value may be: empty, or with control characters in it.
pub fn printable(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("is empty"),
        _ if text.chars().any(char::is_control) => Err("holds control characters"),
        _ => Ok(()),
    }
}

fn revision(text: &str) -> Result<(), &'static str> {
    if text.starts_with('-') { Err("starts with '-'") } else { Ok(()) }
}

fn absolute(text: &str) -> Result<(), &'static str> {
    if text.starts_with('/') { Ok(()) } else { Err("is not an absolute path") }
}

fn credential(text: &str) -> Result<(), &'static str> {
    match text.strip_prefix("file:") {
        Some(path) => absolute(path),
        None => Err("only file:/PATH is taken here (fstab is readable by all)"),
    }
}

fn flush_on(text: &str) -> Result<(), &'static str> {
    let seconds = |text: &str| text.parse::<u32>().is_ok_and(|seconds| seconds > 0);
    let good = match text.split_once('=') {
        Some(("idle" | "interval", value)) => seconds(value),
        Some(_) => false,
        None => matches!(text, "umount" | "close" | "manual"),
    };
    if good {
        Ok(())
    } else {
        Err("is none of umount, close, manual, idle=SECONDS, interval=SECONDS")
    }
}

fn hydrate(text: &str) -> Result<(), &'static str> {
    let good = matches!(text, "full" | "lazy" | "demand");
    if good { Ok(()) } else { Err("is none of full, lazy, demand") }
}

fn user(text: &str) -> Result<(), &'static str> {
    if text.starts_with('-') || text.contains(':') { Err("is not a user name") } else { Ok(()) }
}

fn workspace(text: &str) -> Result<(), &'static str> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match text.strip_prefix("w-") {
        Some(rest) if (1..=40).contains(&rest.len()) && rest.bytes().all(good) => Ok(()),
        _ => Err("is no workspace id (w-..., see `toft list`)"),
    }
}
