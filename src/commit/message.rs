//! The message of a seal. Pure.

use super::change::{ChangeKind, PathChange};

/// Longest subject that is made here, in bytes.
const SUBJECT_MAX: usize = 72;

/// What is known of who made a seal and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trailers {
    /// The workspace.
    pub workspace: String,
    /// The agent that worked in it.
    pub agent: Option<String>,
    /// The host.
    pub host: Option<String>,
}

/// The whole message: `text` of the user, else a subject made from the changes; then trailers.
pub fn message(text: Option<&str>, changes: &[PathChange], trailers: &Trailers) -> Vec<u8> {
    let given = text.map(str::trim).filter(|text| !text.is_empty());
    let mut message = given.map_or_else(|| subject(changes), str::to_owned);
    let ends_in_trailers = given.is_some_and(|text| {
        text.contains('\n') && text.rsplit("\n\n").next().is_some_and(all_trailers)
    });
    message.push_str(if ends_in_trailers { "\n" } else { "\n\n" });
    let lines = [
        ("Toft-Workspace", Some(&trailers.workspace)),
        ("Toft-Agent", trailers.agent.as_ref()),
        ("Toft-Host", trailers.host.as_ref()),
    ];
    for (name, value) in lines {
        if let Some(value) = value.map(|value| one_line(value)).filter(|value| !value.is_empty()) {
            message.push_str(&format!("{name}: {value}\n"));
        }
    }
    message.replace('\0', "").into_bytes()
}

/// Whether every line of the paragraph is `Token: value`, so that ours may join it.
fn all_trailers(paragraph: &str) -> bool {
    paragraph.lines().all(|line| {
        line.split_once(": ").is_some_and(|(token, _)| {
            !token.is_empty()
                && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    })
}

fn one_line(text: &str) -> String {
    text.split(|char: char| char.is_control()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn subject(changes: &[PathChange]) -> String {
    let verb = verb(changes);
    let text = match changes {
        [] => "Record state".to_owned(),
        [only] => format!("{verb} {}", only.path.escape_ascii()),
        many => match common_dir(many) {
            Some(dir) => format!("{verb} {} files in {}", many.len(), dir.escape_ascii()),
            None => format!("{verb} {} files", many.len()),
        },
    };
    shorten(text)
}

fn verb(changes: &[PathChange]) -> &'static str {
    let all = |kind| changes.iter().all(|change| change.kind == kind);
    if all(ChangeKind::Added) {
        "Add"
    } else if all(ChangeKind::Deleted) {
        "Delete"
    } else {
        "Update"
    }
}

/// The deepest directory that holds all paths; None for the root.
fn common_dir(changes: &[PathChange]) -> Option<Vec<u8>> {
    let dir_of = |path: &[u8]| {
        let parts: Vec<_> = path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        parts[..parts.len() - 1].to_vec()
    };
    let mut common = dir_of(&changes.first()?.path);
    for change in changes {
        let other = dir_of(&change.path);
        let same = common.iter().zip(&other).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    (!common.is_empty()).then(|| common.join(&b'/'))
}

fn shorten(text: String) -> String {
    if text.len() <= SUBJECT_MAX {
        return text;
    }
    // Paths are escaped to ASCII, so any byte is a boundary.
    let (start, end) = (SUBJECT_MAX / 2, text.len() - (SUBJECT_MAX / 2 - 3));
    format!("{}...{}", &text[..start], &text[end..])
}
