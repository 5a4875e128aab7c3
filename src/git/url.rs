//! What a remote's URL says about secrets: the part that must not reach argv, and the part that
//! a secret is bound to.

/// A URL in three pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SplitUrl {
    /// The URL without the pieces below; this one may be seen by other users of the host.
    pub(super) clean: String,
    /// User name, of an http(s) URL only: tokens are often put there.
    pub(super) user: Option<String>,
    /// Password.
    pub(super) password: Option<String>,
}

/// Takes the secrets out of `url`. A path or an scp-like `user@host:path` comes back unchanged.
pub(super) fn split(url: &str) -> SplitUrl {
    let plain = || SplitUrl { clean: url.to_owned(), user: None, password: None };
    let Some((scheme, rest)) = url.split_once("://") else { return plain() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let Some((userinfo, host)) = authority.rsplit_once('@') else { return plain() };
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(decode(password))),
        None => (userinfo, None),
    };
    if is_http(url) {
        let clean = format!("{scheme}://{host}{path}");
        return SplitUrl { clean, user: Some(decode(user)), password };
    }
    SplitUrl { clean: format!("{scheme}://{user}@{host}{path}"), user: None, password }
}

/// Whether the smart HTTP protocol is spoken.
pub(super) fn is_http(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// Whether git would start ssh; names of remotes count, as they may stand for anything.
pub(super) fn may_be_ssh(url: &str) -> bool {
    match url.split_once("://") {
        Some((scheme, _)) => scheme.contains("ssh"),
        None => !url.starts_with(['/', '.']),
    }
}

/// `scheme://host:port` of an http(s) URL: secrets are sent there and nowhere else, redirects
/// included.
pub(super) fn scope(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").filter(|_| is_http(url))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then(|| format!("{scheme}://{host}"))
}

/// Undoes percent-encoding, as git does before it sends a user name or a password.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()));
        match hex.flatten() {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_the_url_and_nothing_else_does() {
        let url = split("https://me:p%40ss@host:8443/a@b.git?x#y");
        assert_eq!(url.clean, "https://host:8443/a@b.git?x#y");
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("me"), Some("p@ss")));
        assert_eq!(split("https://token@host/r").user.as_deref(), Some("token"));
        assert_eq!(split("ssh://git:pw@host/r").clean, "ssh://git@host/r");
        for same in ["git@host:a/b", "/a/b", "file:///a@b", "https://host/r", "../x", "a:b@c"] {
            assert_eq!(split(same).clean, same);
        }
    }

    #[test]
    fn a_secret_is_bound_to_scheme_host_and_port() {
        assert_eq!(scope("https://u:p@h:1/x").as_deref(), Some("https://h:1"));
        assert_eq!(scope("HTTPS://h").as_deref(), Some("HTTPS://h"));
        assert_eq!(scope("ssh://h/x"), None);
        assert_eq!(scope("/a"), None);
    }

    #[test]
    fn a_scp_like_source_starts_ssh_and_a_path_does_not() {
        assert!(may_be_ssh("git@host:x") && may_be_ssh("ssh://h/x") && may_be_ssh("origin"));
        assert!(!may_be_ssh("/a:b") && !may_be_ssh("./a:b") && !may_be_ssh("https://h/x"));
    }
}
