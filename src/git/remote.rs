use super::porcelain::{self, LsRemote, PushResult};
use super::process::{Call, Output};
use super::redact::redact_url;
use super::{Git, GitError, Result, classify};
use crate::types::{HashKind, Oid};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// How long a remote may take to say what it has; curl alone would wait for minutes.
const ASK_MAX: Duration = Duration::from_secs(60);

/// The filter of a fetch that leaves the contents of files where they are.
pub(super) const BLOBLESS: &str = "blob:none";
/// What the section of a remote in a configuration says where that remote keeps what is not here.
pub const PROMISOR: &str = "\tpromisor = true\n\tpartialclonefilter = blob:none\n";
/// More refspecs than this are not said on the command line.
const ARGUMENTS_MAX: usize = 100;
/// What keeps a push from looking at contents that are not here: it takes what was moved for what it
/// is, and tells nothing as a difference from an old version.
const LOCAL_PACK: [&str; 2] = ["pack.useSparse=false", "pack.window=0"];
/// How long a remote may say nothing while somebody waits for a file of it.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How much history a fetch brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// What the repository's own depth implies: all of it, or what is new above its shallow ends.
    #[default]
    Default,
    /// So many commits from the tips.
    Commits(u32),
    /// So many commits more than there are.
    Deepen(u32),
    /// All that is missing below the shallow ends.
    Unshallow,
}

/// How to fetch.
#[derive(Clone, Debug, Default)]
pub struct FetchOptions {
    /// How much history.
    pub depth: Depth,
    /// Shows progress on stderr.
    pub progress: bool,
    /// Removes refs of the refspecs' right side that are gone on the remote.
    pub prune: bool,
    /// Leaves the contents of files on the remote.
    pub blobless: bool,
    /// Less than the time limit of [`Git`].
    pub timeout: Option<Duration>,
}

/// One ref to push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushUpdate {
    /// The commit that the ref shall stand at.
    pub new: Oid,
    /// Full name of the ref on the remote.
    pub refname: String,
    /// Where the ref stands now; None when it must not exist. `new` must descend from it: git
    /// does not check that when this matches.
    pub expected: Option<Oid>,
}

/// Remotes
/// Every fetch: what is asked for and nothing beside it.
const FETCH: [&str; 6] = [
    "fetch",
    "--progress",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
];

impl Git {
    /// Makes an empty bare repository at `path`, with our own configuration only.
    pub fn init_bare(path: &Path, hash: HashKind) -> Result<()> {
        let path = std::path::absolute(path).map_err(GitError::io("the current directory"))?;
        let format = format!("--object-format={hash}");
        let args = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", &format];
        let path = path.to_str().map(str::to_owned).ok_or_else(|| GitError::Open {
            gitdir: path.clone(),
            why: "its path is not UTF-8".to_owned(),
        })?;
        let args: Vec<_> = args.into_iter().chain(["--", &path]).collect();
        Git::run_alone("init", &args).map(drop)
    }

    /// Asks `url` for its HEAD, its refs and its hash. An empty repository is fine.
    pub fn ls_remote(&self, url: &str) -> Result<LsRemote> {
        let mut call = Call {
            args: words(&["ls-remote", "--symref"]),
            remote: Some(url),
            timeout: Some(ASK_MAX),
            ..Call::default()
        };
        let found = parse_ls_remote(&self.run(&call)?.success()?)?;
        if !found.refs.is_empty() {
            return Ok(found);
        }
        call.trace_packets = true;
        let traced = self.run(&call)?.success()?;
        let (head, hash) = porcelain::unborn(&traced.stderr).ok_or_else(|| {
            let url = redact_url(url);
            GitError::NoSuchRepository(format!("what answers at {url} is no git repository"))
        })?;
        Ok(LsRemote { head: head.or(found.head), hash, ..found })
    }

    /// The same, and whether the server can leave the contents of files out of a fetch and give them
    /// one by one later: protocol 2, with filters.
    pub fn ls_remote_and_filter(&self, url: &str) -> Result<(LsRemote, bool)> {
        let call = Call {
            args: words(&["ls-remote", "--symref"]),
            remote: Some(url),
            timeout: Some(ASK_MAX),
            trace_packets: true,
            ..Call::default()
        };
        let output = self.run(&call)?.success()?;
        let found = parse_ls_remote(&output)?;
        if found.refs.is_empty() {
            return Ok((self.ls_remote(url)?, false));
        }
        Ok((found, porcelain::has_filter(&String::from_utf8_lossy(&output.trace))))
    }

    /// Asks `remote` where the refs under `prefix` (`refs/heads/main`, `refs/heads/toft/`) stand.
    pub fn ls_refs(&self, remote: &str, prefix: &str) -> Result<LsRemote> {
        let pattern = if prefix.ends_with('/') { format!("{prefix}*") } else { prefix.to_owned() };
        let call = Call {
            args: words(&["ls-remote"]),
            remote: Some(remote),
            rest: words(&[&pattern]),
            timeout: Some(ASK_MAX),
            ..Call::default()
        };
        let mut found = parse_ls_remote(&self.run(&call)?.success()?)?;
        // git matches the end of a name, at any depth.
        found.refs.retain(|(name, _)| {
            name == prefix || prefix.ends_with('/') && name.starts_with(prefix)
        });
        Ok(found)
    }

    /// Fetches `refspecs` from `remote` (a name or a URL).
    pub fn fetch(&self, remote: &str, refspecs: &[String], options: &FetchOptions) -> Result<()> {
        let mut args = words(&FETCH);
        args.push("--update-head-ok".into());
        args.push(if options.prune { "--prune" } else { "--no-prune" }.into());
        if options.blobless {
            args.push(format!("--filter={BLOBLESS}").into());
        }
        match options.depth {
            Depth::Default => {}
            Depth::Commits(count) => args.push(format!("--depth={count}").into()),
            Depth::Deepen(count) => args.push(format!("--deepen={count}").into()),
            Depth::Unshallow => args.push("--unshallow".into()),
        }
        // There may be more of them than fit on a command line.
        let stdin = (refspecs.len() > ARGUMENTS_MAX).then(|| (refspecs.join("\n") + "\n").into());
        args.extend(stdin.is_some().then(|| "--stdin".into()));
        let refspecs = if stdin.is_some() { &[] } else { refspecs };
        let call = Call {
            args,
            remote: Some(remote),
            rest: refspecs.iter().map(OsString::from).collect(),
            stdin,
            show_progress: options.progress,
            promises: options.blobless,
            timeout: options.timeout,
            ..Call::default()
        };
        self.run(&call)?.success().map(drop)
    }

    /// Fetches `oids` by their ids and nothing that they refer to, from a remote that keeps what an
    /// earlier fetch left out. One that the remote does not have lets all of them fail.
    pub fn fetch_objects(&self, remote: &str, oids: &[Oid]) -> Result<()> {
        let mut args = words(&FETCH);
        args.push("--stdin".into());
        args.push(format!("--filter={BLOBLESS}").into());
        let lines: String = oids.iter().map(|oid| format!("{oid}\n")).collect();
        let call = Call {
            args,
            remote: Some(remote),
            // What is here tells nothing about what is missing.
            settings: &["fetch.negotiationAlgorithm=noop"],
            promises: true,
            stdin: Some(lines.into_bytes()),
            idle: Some(SILENCE_MAX),
            ..Call::default()
        };
        self.run(&call)?.success().map(drop)
    }

    /// Pushes all of `updates` or none; the results are in their order.
    ///
    /// An error tells nothing about the remote's refs: the answer may have been lost on the way.
    /// Ask with [`Git::ls_refs`] before you decide.
    pub fn push(&self, remote: &str, updates: &[PushUpdate]) -> Result<Vec<PushResult>> {
        let output = self.run(&self.push_call(remote, updates, true))?;
        let no_atomic = output.code != Some(0)
            && updates.len() == 1
            && output.stderr.contains("does not support --atomic");
        if no_atomic {
            return push_results(&self.run(&self.push_call(remote, updates, false))?, updates);
        }
        push_results(&output, updates)
    }

    fn push_call<'a>(&self, remote: &'a str, updates: &[PushUpdate], atomic: bool) -> Call<'a> {
        // A ref that is new: the remote's other refs may all be unknown to us, and without asking what
        // it has, everything would be sent.
        let negotiate = updates.iter().any(|update| update.expected.is_none());
        let mut args =
            words(&["push", "--porcelain", "--progress", "--no-verify", "--no-follow-tags"]);
        if atomic {
            args.push("--atomic".into());
        }
        for update in updates {
            let expected = update.expected.map(|oid| oid.to_string()).unwrap_or_default();
            args.push(format!("--force-with-lease={}:{expected}", update.refname).into());
        }
        // No `+`: it would override the lease.
        let refspecs = updates.iter().map(|update| format!("{}:{}", update.new, update.refname));
        Call {
            args,
            remote: Some(remote),
            rest: refspecs.map(OsString::from).collect(),
            settings: match (self.is_partial(), negotiate) {
                (false, false) => &[],
                (false, true) => &["push.negotiate=true"],
                (true, false) => &LOCAL_PACK,
                (true, true) => &[LOCAL_PACK[0], LOCAL_PACK[1], "push.negotiate=true"],
            },
            ..Call::default()
        }
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn parse_ls_remote(output: &Output) -> Result<LsRemote> {
    porcelain::ls_remote(&output.stdout).ok_or_else(|| GitError::Process {
        what: output.what.clone(),
        status: output.status.clone(),
        message: "its output is not understood".to_owned(),
    })
}

/// What became of each of `updates`.
fn push_results(output: &Output, updates: &[PushUpdate]) -> Result<Vec<PushResult>> {
    let Some(lines) = porcelain::push(&output.stdout) else { return Err(output.error()) };
    let mut results = Vec::with_capacity(updates.len());
    for update in updates {
        let line = lines.iter().find(|(name, _)| *name == update.refname);
        results.push(line.map(|(_, result)| result.clone()).ok_or_else(|| output.error())?);
    }
    let said = classify::remote_message(&output.stderr);
    for result in &mut results {
        if let PushResult::Refused(reason) = result
            && !said.is_empty()
        {
            *reason = format!("{reason}: {said}");
        }
    }
    if output.code != Some(0)
        && results.iter().all(|result| matches!(result, PushResult::Ok | PushResult::UpToDate))
    {
        return Err(output.error());
    }
    Ok(results)
}
