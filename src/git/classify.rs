//! Says what the messages of a failed git mean. Pure: text in, error out.
//!
//! The texts are git's, curl's and ssh's English (LC_MESSAGES=C). The first list that matches
//! wins; what matches none stays a `Process` error with the whole message.

use super::GitError;
use std::io;

/// Longest message that is passed on, in bytes.
const MESSAGE_MAX: usize = 2000;

/// Said after every failure over ssh and of local paths; tells nothing.
const BOILERPLATE: &[&str] = &[
    "fatal: could not read from remote repository.",
    "please make sure you have the correct access rights",
    "and the repository exists.",
];

type Make = fn(String) -> GitError;

/// How lines end that tell of a disk, where they are git's own: then it is ours.
const OUR_DISK: &[(&str, io::ErrorKind)] = &[
    ("no space left on device", io::ErrorKind::StorageFull),
    ("out of diskspace", io::ErrorKind::StorageFull),
    ("disk quota exceeded", io::ErrorKind::QuotaExceeded),
    (": permission denied", io::ErrorKind::PermissionDenied),
    ("read-only file system", io::ErrorKind::ReadOnlyFilesystem),
];

/// Texts (in lower case), and what they mean.
const MEANINGS: &[(&[&str], Make)] = &[
    (
        &["couldn't find remote ref", "could not find remote branch", "no such remote ref"],
        GitError::NoSuchBranch,
    ),
    (
        &[
            "detected dubious ownership",
            "transport '",
            "remote helper",
            "shallow update not allowed",
            "support shallow",
            "no dav locking",
            "git-http-push failed",
            "does not support --atomic",
            "does not support push options",
            "git access forbidden",
            "service not enabled",
        ],
        GitError::Refused,
    ),
    (&["unknown option", "unknown switch", "usage: git"], GitError::TooOld),
    (
        &[
            "authentication failed",
            "could not read username",
            "could not read password",
            "terminal prompts disabled",
            "error: 401",
            "error: 403",
            "error: 407",
            "permission denied (",
            "permission denied, please",
            "host key verification failed",
            "too many authentication failures",
            "access denied",
            "invalid credentials",
            "invalid username or",
            "write access to repository not granted",
            "bad credentials",
            "no supported authentication",
            "error in libcrypto",
            "permission to ",
        ],
        GitError::Credentials,
    ),
    (
        &[
            "does not appear to be a git repository",
            "repository not found",
            "is this a git repository",
            "error: 404",
            "error: 410",
            "not a git repository",
            "no such repository",
            "does not exist",
            "could not be found",
            "not found: did you run git update-server-info",
        ],
        GitError::NoSuchRepository,
    ),
    (
        &[
            "could not resolve",
            "name or service not known",
            "name resolution",
            "failed to connect",
            "couldn't connect",
            "could not connect",
            "unable to connect",
            "connection refused",
            "connection timed out",
            "connection reset",
            "connection closed",
            "connection was",
            "no route to host",
            "network is unreachable",
            "timed out",
            "timeout",
            "ssl",
            "tls",
            "certificate",
            "handshake",
            "error: 5",
            "error: 429",
            "error: 408",
            "error: 411",
            "error: 30",
            "hung up",
            "early eof",
            "rpc failed",
            "unexpected disconnect",
            "broken pipe",
            "kex_exchange_identification",
            "empty reply",
            "recv failure",
            "send failure",
            "proxy",
            "bad line length",
            "protocol error",
            "invalid server response",
            "expected flush",
            "expected 'packfile'",
            "unable to access",
            "invalid index-pack output",
            "bad pack header",
            "unexpected response",
            "unexpected content",
            "could not fetch",
            "closed by remote",
            "error in the http2",
            "transfer closed",
            "invalid pkt",
        ],
        GitError::Unreachable,
    ),
];

/// The error that `stderr` (redacted already) of a failed `git {what}` tells.
pub(super) fn error(what: &str, status: &str, stderr: &str) -> GitError {
    let message = message(stderr);
    let lower = message.to_ascii_lowercase();
    let lower = quoted_not_found(&lower);
    if let Some(kind) = our_disk(&lower) {
        return GitError::io(format!("git {what}: {message}"))(kind.into());
    }
    for (texts, make) in MEANINGS {
        if texts.iter().any(|text| lower.contains(text)) {
            return make(message);
        }
    }
    let message = if message.is_empty() { "no message".to_owned() } else { message };
    GitError::Process { what: what.to_owned(), status: status.to_owned(), message }
}

/// What is wrong with the disk of this host, if that is what git says; not the server, not ssh.
fn our_disk(message: &str) -> Option<io::ErrorKind> {
    let ours =
        message.lines().filter(|line| !line.starts_with("remote:") && !line.starts_with("ssh:"));
    let mut kinds = ours.filter_map(|line| {
        OUR_DISK.iter().find(|(end, _)| line.trim_end_matches('.').ends_with(end))
    });
    kinds.next().map(|(_, kind)| *kind)
}

/// Brings git's `repository 'URL' not found` into the shape that others use.
fn quoted_not_found(lower: &str) -> String {
    let found = lower.split_once("repository '").is_some_and(|(_, rest)| {
        rest.lines().next().is_some_and(|line| line.ends_with("' not found"))
    });
    if found { "repository not found".to_owned() } else { lower.to_owned() }
}

/// The lines of `stderr` that a reader needs: no progress, no hints, no boilerplate.
pub(super) fn message(stderr: &str) -> String {
    let mut message = String::new();
    for line in stderr.lines().map(str::trim_end) {
        let lower = line.to_ascii_lowercase();
        let noise = line.is_empty()
            || BOILERPLATE.contains(&lower.as_str())
            || lower.starts_with("hint:")
            || is_progress(line)
            || is_report(line);
        if !noise && message.len() + line.len() < MESSAGE_MAX {
            if !message.is_empty() {
                message.push('\n');
            }
            message.push_str(line.strip_prefix("fatal: ").unwrap_or(line));
        }
    }
    message
}

/// What the server said (`remote: ` lines), without its progress.
pub(super) fn remote_message(stderr: &str) -> String {
    let said = stderr.lines().filter(|line| !is_progress(line));
    let said: Vec<_> =
        said.filter_map(|line| line.strip_prefix("remote:")).map(str::trim).collect();
    let mut said = said.join("\n").trim().to_owned();
    while said.len() > MESSAGE_MAX {
        said.pop();
    }
    said
}

/// Whether `line` counts something: `Receiving objects:  50% (1/2)`, `remote: Enumerating objects: 5, done.`
pub(super) fn is_progress(line: &str) -> bool {
    let line = line.strip_prefix("remote: ").unwrap_or(line);
    let Some((title, count)) = line.split_once(": ") else { return false };
    title.starts_with(|char: char| char.is_ascii_uppercase())
        && title
            .chars()
            .all(|char| char.is_ascii_alphabetic() || matches!(char, ' ' | '(' | ')' | '/'))
        && count.trim_start().starts_with(|char: char| char.is_ascii_digit())
}

/// Whether `line` reports work done: `Total 3 (delta 0)`, `From file:///x`, ` * [new branch] ...`.
fn is_report(line: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "Total ",
        "remote: Total ",
        "Delta compression ",
        "From ",
        "To ",
        "POST ",
        " * ",
        "   ",
        " + ",
        " = ",
        " ! ",
    ];
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(stderr: &str) -> &'static str {
        match error("x", "exit status: 128", stderr) {
            GitError::Unreachable(_) => "unreachable",
            GitError::Credentials(_) => "credentials",
            GitError::NoSuchRepository(_) => "no repository",
            GitError::NoSuchBranch(_) => "no branch",
            GitError::Refused(_) => "refused",
            GitError::TooOld(_) => "too old",
            GitError::Process { .. } => "process",
            GitError::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => "full",
                io::ErrorKind::PermissionDenied => "permission",
                _ => "other",
            },
            _ => "other",
        }
    }

    const SSH_END: &str = "fatal: Could not read from remote repository.\n\n\
        Please make sure you have the correct access rights\nand the repository exists.\n";

    #[test]
    fn messages_of_git_curl_and_ssh_are_told_apart() {
        for (stderr, expected) in [
            ("fatal: unable to access 'http://h/': Could not resolve host: h", "unreachable"),
            (
                "fatal: unable to access 'http://h/': Failed to connect to h port 1: Connection refused",
                "unreachable",
            ),
            (
                "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate",
                "unreachable",
            ),
            (
                "fatal: unable to access 'http://h/': The requested URL returned error: 500",
                "unreachable",
            ),
            (
                "fatal: unable to access 'http://h/': The requested URL returned error: 403",
                "credentials",
            ),
            ("fatal: Authentication failed for 'http://h/'", "credentials"),
            (
                "fatal: could not read Username for 'http://h': terminal prompts disabled",
                "credentials",
            ),
            (
                "remote: Repository not found.\nfatal: repository 'https://h/x/' not found",
                "no repository",
            ),
            ("fatal: repository 'http://tls-proxy/x/' not found", "no repository"),
            ("fatal: http://h/x/info/refs not valid: is this a git repository?", "no repository"),
            ("fatal: couldn't find remote ref refs/heads/gone", "no branch"),
            ("fatal: transport 'ext' not allowed", "refused"),
            ("error: unknown option `frobnicate'\nusage: git push", "too old"),
            ("fatal: the remote end hung up unexpectedly", "unreachable"),
            (
                "error: RPC failed; HTTP 411 curl 22 The requested URL returned error: 411",
                "unreachable",
            ),
            (
                "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output",
                "full",
            ),
            (
                "fatal: sha1 file '/x' write error. Out of diskspace\nfatal: fetch-pack: invalid index-pack output",
                "full",
            ),
            (
                "remote: fatal: write error: No space left on device\nerror: remote unpack failed: index-pack abnormal exit",
                "process",
            ),
            ("fatal: unable to access '/x/config': Permission denied", "permission"),
            ("ssh: connect to host h port 22: Permission denied", "process"),
            ("fatal: bad object 1234", "process"),
            ("", "process"),
        ] {
            assert_eq!(kind(stderr), expected, "{stderr}");
        }
        for (stderr, expected) in [
            ("ssh: connect to host h port 22: Connection refused\n", "unreachable"),
            ("ssh: Could not resolve hostname h: Name or service not known\n", "unreachable"),
            ("git@h: Permission denied (publickey).\n", "credentials"),
            ("Host key verification failed.\n", "credentials"),
            ("ERROR: Repository not found.\n", "no repository"),
            ("fatal: '/x' does not appear to be a git repository\n", "no repository"),
        ] {
            assert_eq!(kind(&format!("{stderr}{SSH_END}")), expected, "{stderr}");
        }
    }

    #[test]
    fn a_message_is_what_a_reader_needs() {
        let stderr = "remote: Counting objects: 100% (5/5), done.\nremote: no pushes on Friday\n\
            To /x\n ! [remote rejected] a -> b (pre-receive hook declined)\n\
            hint: try\nfatal: it failed\n";
        assert_eq!(message(stderr), "remote: no pushes on Friday\nit failed");
        assert_eq!(remote_message(stderr), "no pushes on Friday");
    }
}
