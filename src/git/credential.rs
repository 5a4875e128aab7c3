use super::redact::Redactor;
use super::url::{self, SplitUrl};
use super::{GitError, Result};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Longest credential that we read.
const CREDENTIAL_MAX: u64 = 64 * 1024;

/// The helper that hands our variables to git; `printf` is built into every shell, so that the
/// values reach no argv.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
                      \"$TOFT_GIT_USERNAME\" \"$TOFT_GIT_PASSWORD\"; }; f";

/// Where the secret for a remote is found; read again at each use, so that a renewed token works.
///
/// The content is `user:password` (Basic), or a token without a colon (Bearer).
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A file that only its owner may read.
    File(PathBuf),
    /// A variable of our own environment; children do not get it.
    Env(String),
    /// The secret itself, where it came to us by a private way.
    Inline(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Inline(_) => f.write_str("***"),
        }
    }
}

impl Credential {
    /// Reads what the user wrote: `file:PATH` or `env:VAR`.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if is_variable(name) => Ok(Self::Env(name.to_owned())),
            // The text is not shown: it may be the secret itself.
            _ => Err(refused("a credential is given as file:PATH or env:VARIABLE")),
        }
    }

    /// The variable that must not be handed to children.
    pub(super) fn variable(&self) -> Option<&str> {
        match self {
            Self::Env(name) => Some(name),
            _ => None,
        }
    }

    fn read(&self) -> Result<Secret> {
        let text = match self {
            Self::File(path) => read_private(path)?,
            Self::Env(name) => std::env::var(name)
                .map_err(|_| refused(format!("the variable {name} is not set, or is no text")))?,
            Self::Inline(text) => text.clone(),
        };
        let text = text.trim();
        if text.is_empty() || text.contains(char::is_control) {
            return Err(refused(format!(
                "the credential in {self:?} is empty or more than a line"
            )));
        }
        Ok(match text.split_once(':') {
            Some((user, password)) => Secret::Basic(user.to_owned(), password.to_owned()),
            None => Secret::Bearer(text.to_owned()),
        })
    }
}

fn refused(message: impl Into<String>) -> GitError {
    GitError::Credentials(message.into())
}

/// Reads a credential file, unless others may read it too.
fn read_private(path: &PathBuf) -> Result<String> {
    let shown = path.display();
    let failed = |error: std::io::Error| refused(format!("credential file {shown}: {error}"));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        return Err(refused(format!(
            "credential file {shown} may be read by other users; run: chmod 600 {shown}"
        )));
    }
    let mut text = String::new();
    file.take(CREDENTIAL_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

enum Secret {
    Basic(String, String),
    Bearer(String),
}

/// Whether a shell can name it, so that it can be taken from children.
fn is_variable(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// What a child gets so that it can sign in: all of it by its environment.
#[derive(Default)]
pub(super) struct SignIn {
    /// Configuration, for `GIT_CONFIG_KEY_n` and `GIT_CONFIG_VALUE_n`.
    pub(super) config: Vec<(String, String)>,
    /// Variables.
    pub(super) env: Vec<(&'static str, String)>,
    /// Knows every secret above.
    pub(super) redactor: Redactor,
}

impl SignIn {
    /// What `remote` (its URL as git sees it, after `insteadOf`) needs. A `credential` that was
    /// given goes before one that stood in the URL; both serve that scheme, host and port only.
    pub(super) fn new(
        credential: Option<&Credential>,
        remote: &SplitUrl,
        effective_url: &str,
    ) -> Result<Self> {
        let mut sign_in = Self::default();
        for secret in [&remote.user, &remote.password].into_iter().flatten() {
            sign_in.redactor.add(secret);
        }
        let Some(scope) = url::scope(effective_url) else { return Ok(sign_in) };
        match (credential, &remote.user, &remote.password) {
            (Some(credential), ..) => match credential.read()? {
                Secret::Basic(user, password) => sign_in.basic(&scope, user, password),
                Secret::Bearer(token) => sign_in.bearer(&scope, &token),
            },
            (None, Some(user), Some(password)) => {
                sign_in.basic(&scope, user.clone(), password.clone());
            }
            (None, Some(user), None) => {
                sign_in.config.push((format!("credential.{scope}.username"), user.clone()));
            }
            (None, None, _) => {}
        }
        Ok(sign_in)
    }

    fn basic(&mut self, scope: &str, user: String, password: String) {
        let helper = format!("credential.{scope}.helper");
        // The empty value forgets the user's helpers: what was asked for is what is used, and
        // nobody stores it.
        self.config.push((helper.clone(), String::new()));
        self.config.push((helper, HELPER.to_owned()));
        self.redactor.add(&password);
        self.env.push(("TOFT_GIT_USERNAME", user));
        self.env.push(("TOFT_GIT_PASSWORD", password));
    }

    fn bearer(&mut self, scope: &str, token: &str) {
        let header = format!("http.{scope}/.extraHeader");
        self.config.push((format!("credential.{scope}.helper"), String::new()));
        // Forgets other headers first: two `Authorization` lines are a bad request.
        self.config.push((header.clone(), String::new()));
        self.config.push((header, format!("Authorization: Bearer {token}")));
        // git would send the header to the host that it is redirected to.
        self.config.push((format!("http.{scope}/.followRedirects"), "false".to_owned()));
        self.redactor.add(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn message(result: Result<Secret>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "me:hunter2\n").unwrap();
        let credential = Credential::parse(&format!("file:{}", path.display())).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(message(credential.read()).contains("chmod 600"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(
            matches!(credential.read(), Ok(Secret::Basic(u, p)) if u == "me" && p == "hunter2")
        );
    }

    #[test]
    fn a_secret_with_a_line_break_cannot_smuggle_a_header_in() {
        let bad = Credential::Inline("token\r\nX-Evil: 1".to_owned());
        let message = message(bad.read());
        assert!(message.contains("more than a line") && !message.contains("token"), "{message}");
        assert!(Credential::parse("hunter2").is_err_and(|e| !e.to_string().contains("hunter2")));
    }

    #[test]
    fn no_secret_is_bound_to_anything_but_the_remote() {
        let remote = url::split("https://a:secret@host:1/x");
        let sign_in = SignIn::new(None, &remote, &remote.clean).unwrap();
        assert!(sign_in.config.iter().all(|(key, _)| key == "credential.https://host:1.helper"));
        let over_ssh = SignIn::new(None, &remote, "ssh://host/x").unwrap();
        assert!(over_ssh.config.is_empty() && over_ssh.env.is_empty());
    }
}
