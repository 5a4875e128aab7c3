//! Names of stores. Pure.

use crate::git::Hasher;
use crate::types::HashKind;

/// Hex digits of the hash in a name: 96 bits.
const DIGITS: usize = 24;
/// Longest readable part of a name.
const LABEL_MAX: usize = 40;

/// The name of the store for `url`, cut off after `depth` commits or not, without the contents of
/// files or with them: something to recognise it by, and the hash of the URL without credentials.
pub fn store_key(url: &str, depth: Option<u32>, lazy: bool) -> String {
    let mut hasher = Hasher::new(HashKind::Sha256);
    hasher.update(normalize(url).as_bytes());
    let hash = hasher.finish().map_or_else(String::new, |oid| oid.to_string());
    let digits = &hash[..DIGITS.min(hash.len())];
    let depth = depth.map_or_else(String::new, |depth| format!("-depth{depth}"));
    let lazy = if lazy { "-lazy" } else { "" };
    format!("{}-{digits}{depth}{lazy}", label(url))
}

/// The last part of the URL, as far as it fits into any file name.
fn label(url: &str) -> String {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or("");
    let last = last.strip_suffix(".git").unwrap_or(last);
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let label: String =
        last.chars().map(|char| if plain(char) { char } else { '_' }).take(LABEL_MAX).collect();
    if label.is_empty() { "repo".to_owned() } else { label }
}

/// One spelling for what is surely the same remote.
fn normalize(url: &str) -> String {
    let trimmed = url.trim_end_matches('/');
    let Some((scheme, rest)) = trimmed.split_once("://") else { return trimmed.to_owned() };
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "file" {
        return rest.to_owned();
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let default_port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        "git" => ":9418",
        _ => ":22",
    };
    let host = host.strip_suffix(default_port).unwrap_or(host).to_ascii_lowercase();
    // Over ssh the user is part of what the path means.
    let user = if scheme.contains("ssh") { format!("{user}@") } else { String::new() };
    format!("{scheme}://{user}{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_remote_share_a_store() {
        let key = store_key("https://host/a/r.git", None, false);
        for same in ["HTTPS://Host/a/r.git/", "https://me@host:443/a/r.git"] {
            assert_eq!(store_key(same, None, false), key, "{same}");
        }
        assert_eq!(store_key("file:///srv/r", None, false), store_key("/srv/r/", None, false));
    }

    #[test]
    fn what_may_differ_has_its_own() {
        let all = [
            store_key("https://host/a/r.git", None, false),
            store_key("https://host/a/r.git", Some(1), false),
            store_key("https://host/a/r.git", Some(2), false),
            store_key("https://host/a/r.git", None, true),
            store_key("https://host/a/r.git", Some(1), true),
            store_key("https://host/a/R.git", None, false),
            store_key("https://host:8443/a/r.git", None, false),
            store_key("http://host/a/r.git", None, false),
            store_key("ssh://one@host/r", None, false),
            store_key("ssh://two@host/r", None, false),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_key_is_a_good_file_name() {
        for url in ["https://host/caf\u{e9} x.git", "host:..", "/", &"/x".repeat(500)] {
            let key = store_key(url, Some(5), false);
            assert!(key.len() < 100 && !key.starts_with('.'), "{key}");
            assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        }
        assert!(store_key("git@host:team/linux.git", None, false).starts_with("linux-"));
    }
}
