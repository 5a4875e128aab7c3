//! Names that some file system takes for `.git` (threat T1). Pure.

/// Whether `name` is `.git` or passes for it where case does not count (Windows, macOS), trailing
/// dots, spaces and stream names are dropped (NTFS) or some code points are ignored (HFS+).
///
/// The rules are git's own: `verify_path`, `is_ntfs_dotgit` and `is_hfs_dotgit`.
pub fn is_dotgit_disguise(name: &[u8]) -> bool {
    // A backslash separates names on Windows.
    name.split(|byte| *byte == b'\\').any(is_ntfs_dotgit) || is_hfs_dotgit(name)
}

fn is_ntfs_dotgit(name: &[u8]) -> bool {
    let rest = strip_prefix_ignoring_case(name, b".git")
        .or_else(|| strip_prefix_ignoring_case(name, b"git~1"));
    let Some(rest) = rest else { return false };
    let end = rest.iter().find(|byte| !matches!(byte, b'.' | b' '));
    matches!(end, None | Some(b':'))
}

fn is_hfs_dotgit(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    name.chars()
        .filter(|char| !hfs_ignores(*char))
        .map(|char| char.to_ascii_lowercase())
        .eq(".git".chars())
}

/// Code points that HFS+ leaves out when it compares names.
fn hfs_ignores(char: char) -> bool {
    matches!(char, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

fn strip_prefix_ignoring_case<'a>(name: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
