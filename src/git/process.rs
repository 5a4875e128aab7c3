use super::child::{self, End, Finished, Limits};
use super::credential::{Credential, SignIn};
use super::redact::Redactor;
use super::remote::BLOBLESS;
use super::{GitError, Result, classify, planted, url};
use crate::sys::{Cancel, with_usual_limits};
use rustix::fs::{MemfdFlags, memfd_create};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a child of ours may say nothing at all. It always reports progress to us, so silence
/// means a remote that stalls; a slow hook on the server is silent too, hence minutes.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// Longest line of progress that is shown.
const LINE_MAX: usize = 1000;

/// How much of a trace is kept: the server says first what it can do.
const TRACE_MAX: usize = 16 << 10;

/// Configuration that every child gets, over everything that files say: nothing runs in the
/// background, no program of the repository's choice is started, nothing recurses.
const OVERRIDES: &[&str] = &[
    "gc.auto=0",
    "maintenance.auto=false",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "color.ui=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "fetch.writeCommitGraph=false",
    "fetch.prune=false",
    // Always a pack, which git fsyncs, never loose objects, which it does not.
    "fetch.unpackLimit=1",
];

/// Variables of git's own that a child inherits; all other `GIT_*` could point it elsewhere.
const INHERITED: &[&str] = &[
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
    "GIT_EXEC_PATH",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
];
const INHERITED_PREFIXES: &[&str] = &[
    "GIT_SSL_",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_AUTHOR_",
    "GIT_COMMITTER_",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
];

/// Transports that a URL may choose; `ext::` would run a command.
const PROTOCOLS: &[&str] = &["file", "git", "http", "https", "ssh"];

/// The user's own `git`, on one git directory.
///
/// A child of it has an explicit environment, no prompt (unless interactive), no lazy fetch, no
/// background work, no hooks, a working directory outside any mount, stdin closed, and an end: it
/// is killed with its whole group when its time is over. Its messages are redacted here.
#[derive(Clone, Debug)]
pub struct Git {
    gitdir: PathBuf,
    credential: Option<Credential>,
    interactive: bool,
    partial: bool,
    timeout: Option<Duration>,
    cancel: Option<Cancel>,
}

/// One call of git.
#[derive(Default)]
pub(super) struct Call<'a> {
    /// The subcommand and its arguments, up to the remote.
    pub(super) args: Vec<OsString>,
    /// The remote, put after `--`, without its secrets.
    pub(super) remote: Option<&'a str>,
    /// What comes after the remote.
    pub(super) rest: Vec<OsString>,
    /// Whether progress is shown on our stderr.
    pub(super) show_progress: bool,
    /// Whether the protocol is traced to stderr.
    pub(super) trace_packets: bool,
    /// Configuration for this call alone.
    pub(super) settings: &'static [&'static str],
    /// The remote keeps blobs that are not here: git then asks for none that it was not told of.
    pub(super) promises: bool,
    /// What it reads on its stdin; nothing when None.
    pub(super) stdin: Option<Vec<u8>>,
    /// Less than the time limit of [`Git`].
    pub(super) timeout: Option<Duration>,
    /// Less than [`IDLE_MAX`].
    pub(super) idle: Option<Duration>,
}

/// What a call left, fit for eyes.
pub(super) struct Output {
    /// The subcommand.
    pub(super) what: String,
    /// Exit code; None when a signal ended it.
    pub(super) code: Option<i32>,
    /// Exit code or signal as text.
    pub(super) status: String,
    /// As it came.
    pub(super) stdout: Vec<u8>,
    /// Redacted, escapes stripped; the end of it.
    pub(super) stderr: String,
    /// How stderr began, as it came; only of a call that traces packets.
    pub(super) trace: Vec<u8>,
}

impl Output {
    /// The output of a call that must succeed.
    pub(super) fn success(self) -> Result<Self> {
        if self.code == Some(0) { Ok(self) } else { Err(self.error()) }
    }

    /// What its messages mean, when it failed.
    pub(super) fn error(&self) -> GitError {
        classify::error(&self.what, &self.status, &self.stderr)
    }
}

/// Lifecycle
impl Git {
    /// For the git directory `gitdir`, which need not exist for [`Git::ls_remote`].
    pub fn new(gitdir: &Path, credential: Option<Credential>) -> Git {
        let gitdir = std::path::absolute(gitdir).unwrap_or_else(|_| gitdir.to_owned());
        Git { gitdir, credential, interactive: false, partial: false, timeout: None, cancel: None }
    }

    /// The git directory, as an absolute path.
    pub(super) fn gitdir(&self) -> &Path {
        &self.gitdir
    }

    /// Whether contents of files may be missing in it ([`super::Repo::is_partial`]).
    pub fn partial(mut self, partial: bool) -> Git {
        self.partial = partial;
        self
    }

    pub(super) fn is_partial(&self) -> bool {
        self.partial
    }

    /// Lets git and ssh ask on the terminal, and Ctrl-C reach them.
    pub fn interactive(mut self, interactive: bool) -> Git {
        self.interactive = interactive;
        self
    }

    /// Ends each child after `timeout`.
    pub fn timeout(mut self, timeout: Option<Duration>) -> Git {
        self.timeout = timeout;
        self
    }

    /// Ends children when `cancel` is cancelled.
    pub fn cancelled_by(mut self, cancel: Cancel) -> Git {
        self.cancel = Some(cancel);
        self
    }
}

/// Running
impl Git {
    /// Runs git without a repository and returns what it printed.
    pub(super) fn run_alone(what: &str, args: &[&str]) -> Result<String> {
        let git = Git::new(Path::new("/"), None).timeout(Some(Duration::from_secs(60)));
        let mut command = git.command();
        command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").args(args);
        let output = git.finish(what, command, &Call::default(), &Redactor::default())?;
        Ok(String::from_utf8_lossy(&output.success()?.stdout).into_owned())
    }

    /// Runs `call`; an error only when it could not run to its end.
    pub(super) fn run(&self, call: &Call<'_>) -> Result<Output> {
        let what = call.args.first().map_or("", |arg| arg.to_str().unwrap_or(""));
        let remote = call.remote.map(url::split);
        if remote.is_some() {
            planted::refuse(&self.gitdir)?;
        }
        let sign_in = match &remote {
            Some(remote) => {
                let effective = self.effective_url(&remote.clean)?;
                SignIn::new(self.credential.as_ref(), remote, &effective)?
            }
            None => SignIn::default(),
        };
        let mut command = self.command();
        let promises = remote.as_ref().filter(|_| call.promises).map(|to| promises(&to.clean));
        let config: Vec<_> = promises.into_iter().flatten().chain(sign_in.config).collect();
        add_config(&mut command, &config);
        command.envs(sign_in.env.iter().map(|(name, value)| (name, value)));
        if call.trace_packets {
            command.env("GIT_TRACE_PACKET", "1");
        }
        for setting in call.settings {
            command.args(["-c", setting]);
        }
        if let Some(bytes) = &call.stdin {
            command.stdin(readable(bytes).map_err(GitError::io("keep what git is to read"))?);
        }
        command.args(&call.args);
        if let Some(remote) = &remote {
            self.quiet_ssh(&mut command, &remote.clean)?;
            command.arg("--").arg(&remote.clean);
        }
        command.args(&call.rest);
        self.finish(what, command, call, &sign_in.redactor)
    }

    /// The URL that git would use for `remote`, after `insteadOf` and names of remotes.
    fn effective_url(&self, remote: &str) -> Result<String> {
        if url::scope(remote).is_none() && self.credential.is_none() {
            return Ok(remote.to_owned());
        }
        let said = self.ask(&["ls-remote", "--get-url", "--", remote])?;
        Ok(said.unwrap_or_else(|| remote.to_owned()))
    }

    /// Keeps ssh from asking on a terminal when nobody is there, unless the user configured how
    /// ssh is run.
    fn quiet_ssh(&self, command: &mut Command, remote: &str) -> Result<()> {
        let chosen = |name: &str| std::env::var_os(name).is_some();
        let asks = url::may_be_ssh(remote) && !self.interactive;
        if asks
            && !chosen("GIT_SSH")
            && !chosen("GIT_SSH_COMMAND")
            && self.ask(&["config", "--get", "core.sshCommand"])?.is_none()
        {
            command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
        }
        Ok(())
    }

    /// One line that git knows without a remote; None when it says nothing.
    fn ask(&self, args: &[&str]) -> Result<Option<String>> {
        let mut command = self.command();
        command.args(args);
        let call = Call { timeout: Some(Duration::from_secs(60)), ..Call::default() };
        let output = self.finish(args[0], command, &call, &Redactor::default())?;
        let line = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        Ok((output.code == Some(0) && !line.is_empty()).then_some(line))
    }

    /// Starts `command` and waits for it.
    pub(super) fn finish(
        &self,
        what: &str,
        mut command: Command,
        call: &Call<'_>,
        redactor: &Redactor,
    ) -> Result<Output> {
        let started = command.spawn().map_err(GitError::io(format!(
            "starting {}",
            Path::new(command.get_program()).display()
        )))?;
        let limits = Limits {
            total: [self.timeout, call.timeout].into_iter().flatten().min(),
            idle: Some(call.idle.unwrap_or(IDLE_MAX)),
            cancel: self.cancel.clone(),
            group: !self.interactive,
        };
        let mut progress = Progress::new(redactor, call.show_progress);
        let mut trace = Vec::new();
        let mut watch = |bytes: &[u8]| {
            progress.push(bytes);
            let room = if call.trace_packets { TRACE_MAX - trace.len() } else { 0 };
            trace.extend_from_slice(&bytes[..bytes.len().min(room)]);
        };
        let Finished { end, stdout, stderr } = child::wait(started, &limits, &mut watch)
            .map_err(GitError::io(format!("waiting for git {what}")))?;
        let status = match end {
            End::Exited(status) => status,
            End::Cancelled => return Err(GitError::Cancelled { what: what.to_owned() }),
            End::TimedOut(limit) => {
                let seconds = limit.as_secs_f64().ceil() as u64;
                return Err(GitError::Timeout { what: what.to_owned(), seconds });
            }
        };
        Ok(Output {
            what: what.to_owned(),
            code: status.code(),
            status: status.to_string(),
            stdout,
            stderr: redactor.clean(&String::from_utf8_lossy(&stderr)),
            trace,
        })
    }

    /// git with the environment and the configuration that all calls share.
    #[expect(clippy::disallowed_methods, reason = "the one place where children are made")]
    pub(super) fn command(&self) -> Command {
        let program = std::env::var_os("TOFT_GIT").unwrap_or_else(|| "git".into());
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            if !is_inherited(&name) {
                command.env_remove(name);
            }
        }
        if let Some(variable) = self.credential.as_ref().and_then(Credential::variable) {
            command.env_remove(variable);
        }
        // Not LC_ALL=C: that would change the encoding too.
        command.env_remove("LC_ALL").env_remove("LANGUAGE").env("LC_MESSAGES", "C");
        command
            .env("GIT_DIR", &self.gitdir)
            // Over core.worktree, which may be a mount of ours that git would wait for.
            .env("GIT_WORK_TREE", &self.gitdir)
            .env("GIT_ALLOW_PROTOCOL", allowed_protocols())
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // Grafts, which make history look other than it is: in no file.
            .env("GIT_GRAFT_FILE", "/dev/null/none")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_DEFAULT_REF_FORMAT", "files")
            .env("GIT_EDITOR", ":");
        if !self.interactive {
            command.env("GIT_TERMINAL_PROMPT", "0").env_remove("SSH_ASKPASS");
            command.process_group(0);
        }
        command.current_dir(if self.gitdir.is_dir() { &self.gitdir } else { Path::new("/") });
        for setting in OVERRIDES {
            command.arg("-c").arg(setting);
        }
        with_usual_limits(&mut command);
        command
    }
}

fn is_inherited(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return true };
    !name.starts_with("GIT_")
        || INHERITED.contains(&name)
        || INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What we allow, and of that what the user allows.
fn allowed_protocols() -> String {
    let users = std::env::var("GIT_ALLOW_PROTOCOL").ok();
    let allowed = PROTOCOLS.iter().copied().filter(|protocol| {
        users.as_ref().is_none_or(|users| users.split(':').any(|user| user == *protocol))
    });
    allowed.collect::<Vec<_>>().join(":")
}

/// Tells git that `remote` keeps what is not here, as `git clone --filter` would in a file.
fn promises(remote: &str) -> [(String, String); 2] {
    let set = |key: &str, value: &str| (format!("remote.{remote}.{key}"), value.to_owned());
    [set("promisor", "true"), set("partialclonefilter", BLOBLESS)]
}

/// A file without a name that holds `bytes`.
fn readable(bytes: &[u8]) -> std::io::Result<File> {
    let mut file: File = memfd_create("toft-stdin", MemfdFlags::CLOEXEC)?.into();
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Adds `config` behind what the environment configures already.
fn add_config(command: &mut Command, config: &[(String, String)]) {
    let inherited = std::env::var("GIT_CONFIG_COUNT").ok();
    let first: usize = inherited.and_then(|count| count.parse().ok()).unwrap_or(0);
    for (index, (key, value)) in config.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{}", first + index), key);
        command.env(format!("GIT_CONFIG_VALUE_{}", first + index), value);
    }
    if !config.is_empty() {
        command.env("GIT_CONFIG_COUNT", (first + config.len()).to_string());
    }
}

/// Shows the progress of a child on our stderr, line by line, as it comes.
struct Progress<'a> {
    redactor: &'a Redactor,
    shown: bool,
    line: Vec<u8>,
}

impl<'a> Progress<'a> {
    fn new(redactor: &'a Redactor, shown: bool) -> Self {
        Self { redactor, shown, line: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().filter(|_| self.shown) {
            if matches!(byte, b'\r' | b'\n') {
                let text = self.redactor.clean(&String::from_utf8_lossy(&self.line));
                if classify::is_progress(&text) {
                    let _ = write!(std::io::stderr(), "{}{}", text.trim_end(), char::from(byte));
                }
                self.line.clear();
            } else if self.line.len() < LINE_MAX {
                self.line.push(byte);
            }
        }
    }
}
