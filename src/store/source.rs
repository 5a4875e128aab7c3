//! What the user calls a source: anything `git clone` takes, and `URL#ref`.

use super::{Result, StoreError};
use crate::git::redact;
use std::path::{Path, PathBuf};

/// The transports that we let a URL choose; `ext::` and kin would run a command.
const SCHEMES: &[&str] = &["https", "http", "ssh", "git", "file", "git+ssh", "ssh+git"];

/// A source, understood. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The URL, the scp form, or an absolute path.
    pub url: String,
    /// The branch, tag or commit behind `#`.
    pub reference: Option<String>,
}

impl Source {
    /// Reads what the user wrote; relative paths are relative to `here`, `~` is `home`.
    pub fn parse(text: &str, here: &Path, home: Option<&Path>) -> Result<Source> {
        refuse_strange(text)?;
        let (url, fragment) = match text.split_once('#') {
            Some((url, fragment)) if local_path(text, here, home).is_none() => {
                (url, Some(fragment))
            }
            _ => (text, None),
        };
        let reference = fragment.map(parse_fragment).transpose()?.flatten();
        Ok(Source { url: parse_url(url, here, home)?, reference })
    }

    /// Whether it is a path on this host.
    pub fn is_local(&self) -> bool {
        let scheme = self.url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        self.url.starts_with('/') || scheme.as_deref() == Some("file")
    }
}

fn refuse_strange(text: &str) -> Result<()> {
    let refused = |why: &str| Err(StoreError::Source(why.to_owned()));
    if text.is_empty() {
        return refused("the source is empty");
    }
    if text.starts_with('-') {
        return refused(
            "a source that starts with '-' is an option to git; write ./ before a path",
        );
    }
    if text.contains(char::is_control) {
        return refused("a source cannot hold control characters");
    }
    Ok(())
}

/// The ref of `ref:subdir`.
fn parse_fragment(fragment: &str) -> Result<Option<String>> {
    let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
    if !subdir.is_empty() {
        return Err(StoreError::Subdirectory(subdir.to_owned()));
    }
    if reference.starts_with('-') {
        return Err(StoreError::Source(format!("'{reference}' is no branch, tag or commit")));
    }
    Ok((!reference.is_empty()).then(|| reference.to_owned()))
}

fn parse_url(url: &str, here: &Path, home: Option<&Path>) -> Result<String> {
    if let Some((scheme, rest)) = url.split_once("://") {
        return with_scheme(url, scheme, rest);
    }
    if let Some((helper, _)) = url.split_once("::")
        && !helper.is_empty()
        && helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
    {
        return Err(unknown_transport(helper));
    }
    match scp_host(url) {
        Some(host) => {
            refuse_host(host)?;
            Ok(url.to_owned())
        }
        None => local_url(url, here, home),
    }
}

fn with_scheme(url: &str, scheme: &str, rest: &str) -> Result<String> {
    let lower = scheme.to_ascii_lowercase();
    if !SCHEMES.contains(&lower.as_str()) {
        return Err(unknown_transport(scheme));
    }
    if lower == "file" {
        return Ok(url.to_owned());
    }
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let from_host = &rest[authority.len() - host.len()..];
    // A token is often given in the place of the user's name, or behind a question mark.
    if user.contains(':') || redact(user) != user || redact(from_host) != from_host {
        return Err(StoreError::SecretInUrl);
    }
    refuse_host(user)?;
    refuse_host(host)?;
    if host.is_empty() {
        return Err(StoreError::Source("the URL names no host".to_owned()));
    }
    Ok(url.to_owned())
}

/// The `user@host` of `user@host:path`, by git's rule: a colon before the first slash.
fn scp_host(url: &str) -> Option<&str> {
    let colon = match url.strip_prefix('[').and_then(|_| url.find("]:")) {
        Some(bracket) => bracket + 1,
        None => url.find(':')?,
    };
    let slash = url.find('/').unwrap_or(url.len());
    (colon < slash).then(|| &url[..colon])
}

/// What starts with a dash would be an option to ssh.
fn refuse_host(host: &str) -> Result<()> {
    let bare = host.rsplit_once('@').map_or(host, |(_, host)| host);
    if host.starts_with('-') || bare.starts_with('-') {
        return Err(StoreError::Source(format!("'{host}' is no host name")));
    }
    Ok(())
}

fn unknown_transport(scheme: &str) -> StoreError {
    StoreError::Source(format!(
        "toft does not use the transport '{scheme}'; it knows {} and local paths",
        SCHEMES.join(", ")
    ))
}

fn local_url(text: &str, here: &Path, home: Option<&Path>) -> Result<String> {
    match local_path(text, here, home) {
        // It came from UTF-8 texts but for `here`.
        Some(path) => path.into_os_string().into_string().map_err(|path| {
            StoreError::Source(format!("the path {} is not UTF-8", Path::new(&path).display()))
        }),
        None => Err(StoreError::NoSuchPath(absolute(text, here, home))),
    }
}

/// The path that `text` names, when something is there; git finds `x.git` for `x` too.
fn local_path(text: &str, here: &Path, home: Option<&Path>) -> Option<PathBuf> {
    let path = absolute(text, here, home);
    let mut with_suffix = path.clone().into_os_string();
    with_suffix.push(".git");
    [path, with_suffix.into()].into_iter().find(|path| path.exists())
}

fn absolute(text: &str, here: &Path, home: Option<&Path>) -> PathBuf {
    let in_home = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = match (in_home, home) {
        (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
        _ => here.join(text),
    };
    // Without `.`, doubled slashes and a slash at the end.
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Source> {
        Source::parse(text, Path::new("/nowhere"), Some(Path::new("/")))
    }

    fn url(text: &str) -> String {
        parse(text).unwrap().url
    }

    #[test]
    fn what_git_takes_is_taken_as_it_is() {
        for text in [
            "https://host/r.git",
            "https://me@host:8443/a/b",
            "ssh://git@host:22/r",
            "git@host:a/b.git",
            "host:r",
            "[::1]:r",
            "[host:2222]:r",
            "file:///srv/r.git",
            "git://host/r",
        ] {
            assert_eq!(url(text), text);
        }
    }

    #[test]
    fn a_path_becomes_absolute() {
        assert_eq!(url("/usr//./lib/"), "/usr/lib");
        assert_eq!(url("~/usr"), "/usr");
        let there = Source::parse("lib", Path::new("/usr"), None).unwrap();
        assert_eq!(there.url, "/usr/lib");
        assert!(
            matches!(parse("/usr/nothing"), Err(StoreError::NoSuchPath(p)) if p == Path::new("/usr/nothing"))
        );
    }

    #[test]
    fn the_short_form_names_a_ref() {
        let source = parse("https://host/r.git#feature/x").unwrap();
        assert_eq!(source.url, "https://host/r.git");
        assert_eq!(source.reference.as_deref(), Some("feature/x"));
        assert_eq!(parse("host:r#").unwrap().reference, None);
        assert!(
            matches!(parse("host:r#main:src/lib"), Err(StoreError::Subdirectory(d)) if d == "src/lib")
        );
        assert!(parse("host:r#-x").is_err());
    }

    #[test]
    fn a_number_sign_in_a_path_that_exists_is_part_of_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a#b")).unwrap();
        let source = Source::parse("a#b", dir.path(), None).unwrap();
        assert!(source.url.ends_with("/a#b") && source.reference.is_none());
    }

    #[test]
    fn a_secret_in_the_url_is_refused_and_not_repeated() {
        for text in [
            "https://me:hunter2@host/r",
            "ssh://git:hunter2@host/r",
            "https://ghp_0123456789abcdefghij0123456789abcdef@host/r",
            "https://host/r.git?access_token=0123456789",
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, StoreError::SecretInUrl), "{text}: {error}");
            assert!(error.to_string().contains("credential helper"));
        }
    }

    #[test]
    fn what_would_run_a_command_is_refused() {
        for text in [
            "ext::sh -c id",
            "fd::17",
            "-uid",
            "ftp://host/r",
            "s3://bucket/r",
            "ssh://-oProxyCommand=id/r",
            "-oProxyCommand=id:r",
            "me@-oProxyCommand=id:r",
            "https:///r",
            "a\nb",
            "",
        ] {
            assert!(matches!(parse(text), Err(StoreError::Source(_))), "{text}");
        }
    }
}
