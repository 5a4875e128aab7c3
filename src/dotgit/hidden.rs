//! Which entries of the base the mount does not show, for who asks how things stand.

use super::walk::Hidden;
use super::{DotgitError, Result};
use std::path::Path;

const NAME: &str = "toft-hidden";
/// So many are named.
const NAMED: usize = 50;

/// Notes them in the git directory.
pub(super) fn note(gitdir: &Path, hidden: &[Hidden]) -> Result<()> {
    if hidden.is_empty() {
        return Ok(());
    }
    let named = hidden.iter().take(NAMED);
    let mut lines: Vec<_> =
        named.map(|(path, why)| format!("{} ({why})\n", path.escape_ascii())).collect();
    if hidden.len() > NAMED {
        lines.push(format!("{} more\n", hidden.len() - NAMED));
    }
    let path = gitdir.join(NAME);
    std::fs::write(&path, lines.concat()).map_err(DotgitError::io(&path))
}

/// The paths, escaped, each with its reason; empty when all of the base is shown.
pub fn hidden(gitdir: &Path) -> Vec<String> {
    let text = std::fs::read(gitdir.join(NAME)).unwrap_or_default();
    let text = crate::git::strip_escapes(&String::from_utf8_lossy(&text));
    text.lines().take(NAMED + 1).map(str::to_owned).collect()
}
