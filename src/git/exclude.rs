//! Which untracked paths git ignores (gitignore(5)).

use super::{GitError, Repo, Result};
use gix::bstr::ByteSlice;
use gix::glob::pattern::Case;
use gix::glob::search::Pattern;
use gix::glob::search::pattern::List;
use gix::ignore::search::Ignore;
use std::io;
use std::path::Path;

type Patterns = List<Ignore>;

/// `$name` is an ordinary pattern, as in git.
const SYNTAX: Ignore = Ignore { support_precious: false };

/// The ignore rules on the way from the root to one directory.
///
/// The caller walks: [`Excludes::enter`] on the way down, [`Excludes::leave`] on the way up. It
/// hands over each `.gitignore` itself (a symlink counts as none), so nothing is read from a
/// worktree.
pub struct Excludes {
    /// `core.excludesFile`, then `info/exclude`; the last one wins.
    globals: Vec<Patterns>,
    entered: Vec<Directory>,
}

struct Directory {
    /// With a slash at the end; empty for the root.
    base: Vec<u8>,
    patterns: Patterns,
    /// Git does not look into it, so nothing in it can be included again.
    excluded: bool,
}

impl Repo {
    /// The rules that hold everywhere, as the user's configuration and `info/exclude` say now.
    pub fn excludes(&self) -> Result<Excludes> {
        let repository = self.reopened();
        // Set to nothing is not set.
        let mut set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let configured = repository.config_snapshot().trusted_path("core.excludesFile");
        let user = configured
            .map_err(|error| bad_setting("core.excludesFile", error))?
            .or_else(|| gix::path::env::xdg_config("ignore", &mut set));
        let info = self.gitdir().join("info/exclude");
        let mut globals = Vec::new();
        for path in user.iter().chain([&info]) {
            globals.extend(read(path)?.map(|bytes| parse(&bytes, b"")));
        }
        Ok(Excludes { globals, entered: Vec::new() })
    }
}

impl Excludes {
    /// Goes down into `dir` (relative to the root of the repository, `""` for the root itself),
    /// whose `.gitignore` holds `gitignore`.
    pub fn enter(&mut self, dir: &[u8], gitignore: Option<&[u8]>) {
        let excluded = !dir.is_empty() && self.is_excluded(dir, true);
        let mut base = dir.to_vec();
        if !dir.is_empty() {
            base.push(b'/');
        }
        let patterns = match gitignore {
            Some(bytes) if !excluded => parse(bytes, &base),
            _ => Patterns::default(),
        };
        self.entered.push(Directory { base, patterns, excluded });
    }

    /// Goes back up from the directory that was entered last.
    pub fn leave(&mut self) {
        self.entered.pop();
    }

    /// Whether git ignores the untracked `path`, which lies in the directory entered last.
    pub fn is_excluded(&self, path: &[u8], is_dir: bool) -> bool {
        if self.entered.last().is_some_and(|directory| directory.excluded) {
            return true;
        }
        debug_assert!(self.entered.iter().all(|directory| path.starts_with(&directory.base)));
        let name = path.rfind_byte(b'/').map(|slash| slash + 1);
        let entered = self.entered.iter().map(|directory| &directory.patterns);
        let lists = self.globals.iter().chain(entered);
        let verdict = lists.rev().find_map(|list| {
            let path = path.as_bstr();
            gix::ignore::search::pattern_matching_relative_path(
                list,
                path,
                name,
                Some(is_dir),
                Case::Sensitive,
            )
        });
        verdict.is_some_and(|found| !found.pattern.is_negative())
    }
}

/// The content of a file of rules; None when there is none, or none that may be read (git warns too).
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == PermissionDenied => {
            tracing::warn!(path = %path.display(), "ignore rules that cannot be read are not used");
            Ok(None)
        }
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | IsADirectory) => Ok(None),
        Err(error) => Err(GitError::io(format!("read {}", path.display()))(error)),
    }
}

/// Reads patterns that are relative to `base`.
fn parse(bytes: &[u8], base: &[u8]) -> Patterns {
    // As git does, or the last line would keep its carriage return.
    let lines = [bytes, b"\n"].concat();
    List {
        patterns: SYNTAX.bytes_to_patterns(&lines, Path::new("")),
        source: None,
        base: (!base.is_empty()).then(|| base.into()),
    }
}

fn bad_setting(key: &str, error: gix::Error) -> GitError {
    GitError::io(format!("read the setting {key}"))(io::Error::other(error.to_string()))
}
