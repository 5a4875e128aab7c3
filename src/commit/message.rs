//! Commit messages: a subject made from the changes, and trailers that `git interpret-trailers`
//! reads. Pure.

use super::change::{ChangeKind, PathChange};
use std::fmt::Write;

/// What git's own tools show of a subject without cutting it.
const SUBJECT_MAX: usize = 72;

/// What is known of who made a commit, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trailers {
    /// The workspace.
    pub workspace: String,
    /// The agent that worked in it.
    pub agent: Option<String>,
    /// The host.
    pub host: Option<String>,
}

/// The message of a commit that makes `changes`: `text` where somebody wrote one, else a subject
/// made from the changes; then trailers.
pub fn message(text: Option<&str>, changes: &[PathChange], trailers: &Trailers) -> Vec<u8> {
    let text = text.map(clean).filter(|text| !text.is_empty());
    let mut message = text.unwrap_or_else(|| subject(changes));
    message.push('\n');
    let mut lines = trailers.lines();
    lines.retain(|line| !message.lines().any(|known| known == line));
    if !lines.is_empty() && !ends_in_trailers(&message) {
        message.push('\n');
    }
    for line in lines {
        message.push_str(&line);
        message.push('\n');
    }
    message.into_bytes()
}

/// One line that says what `changes` do.
pub fn subject(changes: &[PathChange]) -> String {
    if let Some((from, to)) = single_move(changes) {
        return fitting(|path| format!("Rename {} to {}", path(from), path(to)));
    }
    match changes {
        [] => "Update nothing".to_owned(),
        [only] => fitting(|path| format!("{} {}", verb(only.kind), path(&only.path))),
        many => {
            let kinds = || many.iter().map(|change| change.kind);
            let first = many[0].kind;
            let verb = if kinds().all(|kind| kind == first) { verb(first) } else { "Change" };
            let dir = common_dir(many);
            let place = |dir: String| if dir.is_empty() { dir } else { format!(" in {dir}") };
            fitting(|path| format!("{verb} {} files{}", many.len(), place(path(dir))))
        }
    }
}

impl Trailers {
    /// A line each; control characters, which could start another line, are dropped.
    fn lines(&self) -> Vec<String> {
        let known = [
            ("Toft-Workspace", Some(&self.workspace)),
            ("Toft-Agent", self.agent.as_ref()),
            ("Toft-Host", self.host.as_ref()),
        ];
        let line = |(token, value): (_, Option<&String>)| {
            let value: String = value?.chars().filter(|char| !char.is_control()).collect();
            let value = value.trim();
            (!value.is_empty()).then(|| format!("{token}: {value}"))
        };
        known.into_iter().filter_map(line).collect()
    }
}

/// As `git commit -m` cleans a message: no blanks at line ends, one empty line at a time, none at
/// the ends.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut gap = false;
    for line in
        text.split('\n').map(|line| line.trim_end_matches([' ', '\t', '\r', '\x0b', '\x0c']))
    {
        if line.is_empty() {
            gap = true;
            continue;
        }
        if !cleaned.is_empty() {
            cleaned.push_str(if gap { "\n\n" } else { "\n" });
        }
        gap = false;
        cleaned.push_str(line);
    }
    cleaned.replace('\0', "")
}

/// Whether the last paragraph, which may not be the first, is trailers only.
fn ends_in_trailers(message: &str) -> bool {
    let Some((_, last)) = message.trim_end().rsplit_once("\n\n") else { return false };
    let mut lines = last.lines();
    lines.next().is_some_and(is_trailer)
        && lines.all(|line| is_trailer(line) || line.starts_with([' ', '\t']))
}

fn is_trailer(line: &str) -> bool {
    let Some((token, value)) = line.split_once(':') else { return false };
    let token = token.trim_end_matches([' ', '\t']);
    !token.is_empty()
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !value.trim().is_empty()
}

fn verb(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "Add",
        ChangeKind::Modified => "Update",
        ChangeKind::Deleted => "Delete",
    }
}

/// One path that went and one that came, with the same content.
fn single_move(changes: &[PathChange]) -> Option<(&[u8], &[u8])> {
    let [a, b] = changes else { return None };
    let (from, to) = if a.new.is_none() { (a, b) } else { (b, a) };
    let moved = to.old.is_none()
        && from.new.is_none()
        && from.old.map(|leaf| leaf.oid) == to.new.map(|leaf| leaf.oid);
    moved.then_some((from.path.as_slice(), to.path.as_slice()))
}

/// The deepest directory that holds all of `changes`; empty for the root.
fn common_dir(changes: &[PathChange]) -> &[u8] {
    let dir = |path: &[u8]| path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let first = &changes[0].path;
    let mut common = &first[..dir(first)];
    for change in changes {
        let inside = |common: &[u8]| {
            common.is_empty()
                || change.path.strip_prefix(common).is_some_and(|rest| rest.starts_with(b"/"))
        };
        while !inside(common) {
            common = &common[..dir(common)];
        }
    }
    common
}

/// The sentence with whole paths where that fits, else with their last parts only, cut if need be.
fn fitting(sentence: impl Fn(&dyn Fn(&[u8]) -> String) -> String) -> String {
    let whole = sentence(&|path| quoted(path));
    if whole.chars().count() <= SUBJECT_MAX {
        return whole;
    }
    let last = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().unwrap_or(path).to_vec();
    let short = sentence(&|path| quoted(&last(path)));
    if short.chars().count() <= SUBJECT_MAX {
        return short;
    }
    short.chars().take(SUBJECT_MAX - 1).chain(['\u{2026}']).collect()
}

/// A path as text; in git's quotes where it holds anything else (core.quotePath, but UTF-8 as it is).
fn quoted(path: &[u8]) -> String {
    let plain =
        |text: &&str| !text.contains(|char: char| char.is_control() || "\"\\".contains(char));
    if let Some(text) = std::str::from_utf8(path).ok().filter(plain) {
        return text.to_owned();
    }
    let mut text = String::from("\"");
    for byte in path {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => write!(text, "\\{byte:03o}").expect("a string takes everything"),
        }
    }
    text.push('"');
    text
}
