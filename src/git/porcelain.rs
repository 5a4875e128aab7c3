//! Parsers of what git prints for programs. Pure: bytes in, values out; what cannot be understood
//! is an error, never success.

use crate::types::{HashKind, Oid};

/// What a remote says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LsRemote {
    /// The branch that HEAD stands for (`refs/heads/main`), born or not; None when it is detached
    /// or not told.
    pub head: Option<String>,
    /// All refs but HEAD and peeled tags, by name.
    pub refs: Vec<(String, Oid)>,
    /// The hash of the repository.
    pub hash: HashKind,
}

impl LsRemote {
    /// Where the ref `name` stands.
    pub fn get(&self, name: &str) -> Option<Oid> {
        self.refs.iter().find(|(other, _)| other == name).map(|(_, oid)| *oid)
    }
}

/// Reads `git ls-remote --symref`. None when there is a line that it should not print.
pub(super) fn ls_remote(stdout: &[u8]) -> Option<LsRemote> {
    let mut found = LsRemote { head: None, refs: Vec::new(), hash: HashKind::Sha1 };
    for line in String::from_utf8_lossy(stdout).lines() {
        let (value, name) = line.split_once('\t')?;
        if let Some(target) = value.strip_prefix("ref: ") {
            if name == "HEAD" {
                found.head = Some(target.to_owned());
            }
            continue;
        }
        let oid = Oid::from_hex(value.as_bytes()).ok()?;
        found.hash = oid.kind();
        if name != "HEAD" && !name.ends_with("^{}") {
            found.refs.push((name.to_owned(), oid));
        }
    }
    Some(found)
}

/// Reads the packet trace of an `ls-remote` that found no refs: the branch that HEAD will be born
/// on, and the hash; git prints neither. None when no git answered: a web server that has a page
/// for every path looks like an empty repository without refs, but it sends no packets.
pub(super) fn unborn(trace: &str) -> Option<(Option<String>, HashKind)> {
    if !trace.contains("< 0000") {
        return None;
    }
    let after = |text: &str| {
        let at = trace.find(text)? + text.len();
        trace[at..].split_whitespace().next()
    };
    let hash = match after("object-format=") {
        Some("sha256") => HashKind::Sha256,
        _ => HashKind::Sha1,
    };
    Some((after("unborn HEAD symref-target:").map(str::to_owned), hash))
}

/// Reads the packet trace of an `ls-remote`: whether the server says that it knows filters, in
/// protocol 2.
pub(super) fn has_filter(trace: &str) -> bool {
    let said = trace.lines().filter_map(|line| line.split_once("< fetch="));
    said.into_iter().any(|(_, can)| can.split_whitespace().any(|word| word == "filter"))
}

/// What became of one ref of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// The remote moved its ref to our commit.
    Ok,
    /// The remote had it already.
    UpToDate,
    /// The remote's ref is not where we expected it.
    Race,
    /// The remote's answer is no: a hook, a protected branch, a quota.
    Refused(String),
}

/// Reads `git push --porcelain`: the ref names, in the order of the output, and what became of
/// them. None when a line is not understood.
pub(super) fn push(stdout: &[u8]) -> Option<Vec<(String, PushResult)>> {
    let text = String::from_utf8_lossy(stdout);
    let mut results = Vec::new();
    for line in text.lines().filter(|line| line.contains('\t')) {
        let mut fields = line.splitn(3, '\t');
        let (flag, refs, summary) = (fields.next()?, fields.next()?, fields.next()?);
        let (_, name) = refs.rsplit_once(':')?;
        let result = match flag {
            " " | "*" | "-" | "+" => PushResult::Ok,
            "=" => PushResult::UpToDate,
            "!" => rejection(summary),
            _ => return None,
        };
        results.push((name.to_owned(), result));
    }
    Some(results)
}

/// Reasons, client's and servers', that mean: another writer was faster.
const RACES: &[&str] = &[
    "fetch first",
    "stale info",
    "non-fast-forward",
    "remote ref updated since checkout",
    "failed to update ref",
    "failed to lock",
    "failed to update",
    "cannot lock ref",
    "atomic transaction failed",
    "incorrect old value provided",
    "reference already exists",
    "expected old value",
    "atomic push failed",
];

/// Reads `[rejected] (stale info)`.
fn rejection(summary: &str) -> PushResult {
    let (who, reason) = summary.split_once(" (").unwrap_or((summary, ""));
    let reason = reason.strip_suffix(')').unwrap_or(reason);
    let policy = who == "[remote rejected]" && reason == "non-fast-forward";
    if !policy && RACES.iter().any(|race| reason.starts_with(race)) {
        return PushResult::Race;
    }
    PushResult::Refused(if reason.is_empty() { who } else { reason }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn each_line_of_a_push_has_its_meaning() {
        let line = |flag: &str, summary: &str| {
            let text = format!("To /x\n{flag}\t{A}:refs/heads/main\t{summary}\nDone\n");
            push(text.as_bytes()).map(|mut results| results.remove(0).1)
        };
        assert_eq!(line(" ", "1..2"), Some(PushResult::Ok));
        assert_eq!(line("*", "[new branch]"), Some(PushResult::Ok));
        assert_eq!(line("=", "[up to date]"), Some(PushResult::UpToDate));
        for race in [
            "[rejected] (stale info)",
            "[rejected] (fetch first)",
            "[remote rejected] (failed to update ref)",
            "[remote rejected] (atomic transaction failed)",
            "[remote rejected] (incorrect old value provided)",
        ] {
            assert_eq!(line("!", race), Some(PushResult::Race), "{race}");
        }
        for no in [
            "pre-receive hook declined",
            "non-fast-forward",
            "quota (10 MB) reached",
            "unpacker error",
        ] {
            let refused = Some(PushResult::Refused(no.to_owned()));
            assert_eq!(line("!", &format!("[remote rejected] ({no})")), refused);
        }
        assert_eq!(line("?", "x"), None);
    }

    #[test]
    fn what_a_remote_lists_is_read() {
        let text = format!(
            "ref: refs/heads/main\tHEAD\n{A}\tHEAD\n{A}\trefs/heads/main\n{A}\trefs/tags/v\n{A}\trefs/tags/v^{{}}\n"
        );
        let found = ls_remote(text.as_bytes()).unwrap();
        assert_eq!(found.head.as_deref(), Some("refs/heads/main"));
        assert_eq!(found.refs.len(), 2);
        assert_eq!(found.get("refs/tags/v").map(|oid| oid.to_string()).as_deref(), Some(A));
        assert_eq!(ls_remote(b"not a line\n"), None);
        assert_eq!(ls_remote(b"").map(|found| found.refs.len()), Some(0));
    }

    #[test]
    fn a_trace_tells_what_an_empty_remote_will_be() {
        let trace = "packet: ls-remote< object-format=sha256\n\
            packet: ls-remote< unborn HEAD symref-target:refs/heads/trunk\n\
            packet: ls-remote< 0000\n";
        assert_eq!(unborn(trace), Some((Some("refs/heads/trunk".to_owned()), HashKind::Sha256)));
        assert_eq!(unborn("packet: ls-remote< 0000"), Some((None, HashKind::Sha1)));
        assert_eq!(unborn("warning: a page"), None);
    }
}
