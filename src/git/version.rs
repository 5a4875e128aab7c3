use super::{Git, GitError, Result};
use std::fmt;

/// The version of the installed git.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl GitVersion {
    /// The oldest git that toft works with (Debian 12 ships it).
    pub const MINIMUM: GitVersion = GitVersion { major: 2, minor: 39, patch: 0 };

    /// Reads what `git version` prints: `git version 2.39.5 (Apple Git-154)`.
    pub fn parse(text: &str) -> Option<GitVersion> {
        let mut numbers = text.trim().strip_prefix("git version ")?.split(['.', ' ', '-']);
        let mut number = || numbers.next()?.parse::<u32>().ok();
        let (major, minor) = (number()?, number()?);
        Some(GitVersion { major, minor, patch: number().unwrap_or(0) })
    }
}

impl fmt::Display for GitVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Git {
    /// Asks the installed git for its version; too old a one is an error.
    pub fn version() -> Result<GitVersion> {
        let said = Git::run_alone("version", &["version"])?;
        match GitVersion::parse(&said) {
            Some(version) if version >= GitVersion::MINIMUM => Ok(version),
            Some(version) => Err(GitError::TooOld(format!(
                "toft needs git {} or newer, found {version}",
                GitVersion::MINIMUM
            ))),
            None => Err(GitError::TooOld(format!("'git version' printed '{}'", said.trim()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_vendors_are_read() {
        let parse = |text: &str| GitVersion::parse(text).map(|version| version.to_string());
        assert_eq!(parse("git version 2.39.5\n").as_deref(), Some("2.39.5"));
        assert_eq!(parse("git version 2.39.5 (Apple Git-154)").as_deref(), Some("2.39.5"));
        assert_eq!(parse("git version 2.47.3.windows.1").as_deref(), Some("2.47.3"));
        assert_eq!(parse("git version 2.50-rc1").as_deref(), Some("2.50.0"));
        assert_eq!(parse("gti 2"), None);
        assert!(GitVersion::parse("git version 2.38.9") < Some(GitVersion::MINIMUM));
    }
}
