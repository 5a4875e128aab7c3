//! A host of a test's own: home, configuration, state directories, a chosen git.

use super::{child, mounts};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long any command of a test may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// What every user of a test host has configured.
const GITCONFIG: &str = "[user]
\tname = Test Person
\temail = test@example.com
[init]
\tdefaultBranch = main
[gc]
\tauto = 0
[safe]
\tdirectory = *
";

/// An installed git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitProgram {
    /// The first in PATH.
    Usual,
    /// Debian's, `/usr/bin/git`.
    Debian,
    /// The one below `/usr/local`.
    Local,
}

impl GitProgram {
    /// Those that the machine has, each once.
    pub fn installed() -> Vec<GitProgram> {
        [Self::Debian, Self::Local].into_iter().filter(|git| git.path().exists()).collect()
    }

    /// Where it is.
    pub fn path(self) -> PathBuf {
        let local = Path::new("/usr/local/bin/git");
        match self {
            Self::Usual if local.exists() => local.into(),
            Self::Usual | Self::Debian => "/usr/bin/git".into(),
            Self::Local => local.into(),
        }
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ran {
    /// The command line, for messages.
    pub what: String,
    /// Exit code; 128 + signal where one ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Panics with all that was said unless the exit code is `code`.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Ran {
        let Ran { what, code: found, stderr, .. } = &self;
        assert!(*found == code, "{what}: exit {found}, not {code}\n{}{stderr}", self.text());
        self
    }

    /// Panics unless it succeeded; standard output without the last line break.
    #[track_caller]
    pub fn ok(self) -> String {
        let ran = self.expect_code(0);
        ran.text().trim_end_matches('\n').to_owned()
    }
}

/// A user's account on a machine of its own, as far as git and toft can see.
pub struct Host {
    dir: TempDir,
    user: Option<u32>,
}

/// Lifecycle
impl Host {
    /// A host with the usual git.
    pub fn new() -> Host {
        Self::with(GitProgram::Usual, None)
    }

    /// A host with a chosen git.
    pub fn with_git(git: GitProgram) -> Host {
        Self::with(git, None)
    }

    /// A host whose commands run as the ordinary user `nobody` (needs root).
    pub fn ordinary_user() -> Host {
        Self::with(GitProgram::Usual, Some(65534))
    }

    fn with(git: GitProgram, user: Option<u32>) -> Host {
        let dir = tempfile::Builder::new().prefix("toft-host-").tempdir().expect("tempdir");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let host = Host { dir, user };
        for name in ["home", "bin", "state", "cache", "run", "work"] {
            fs::create_dir(host.path(name)).expect("mkdir");
            host.own(&host.path(name));
        }
        for name in ["state", "cache", "run"] {
            fs::set_permissions(host.path(name), fs::Permissions::from_mode(0o700)).expect("chmod");
        }
        symlink(git.path(), host.path("bin/git")).expect("link");
        if user.is_some() {
            // An ordinary user may not see where we were built.
            let (built, program) = (env!("CARGO_BIN_EXE_toft"), host.program());
            fs::hard_link(built, &program)
                .or_else(|_| fs::copy(built, &program).map(drop))
                .expect("a toft for an ordinary user");
        }
        fs::write(host.path("home/.gitconfig"), GITCONFIG).expect("write");
        host
    }

    /// Gives `path` to the user of this host.
    pub fn own(&self, path: &Path) {
        if let Some(user) = self.user {
            chown(path, Some(user), Some(user)).expect("chown");
        }
    }

    /// Another host with the same git configuration and nothing else in common.
    pub fn another(&self) -> Host {
        let git = fs::read_link(self.path("bin/git")).expect("the link to git");
        let other = Self::with(GitProgram::Usual, self.user);
        fs::remove_file(other.path("bin/git")).expect("rm");
        symlink(git, other.path("bin/git")).expect("link");
        fs::copy(self.path("home/.gitconfig"), other.path("home/.gitconfig")).expect("copy");
        other
    }

    /// Drops all local state: the next mount starts from nothing.
    pub fn forget(&self) {
        for name in ["state", "cache"] {
            fs::remove_dir_all(self.path(name)).expect("rm -r");
            fs::create_dir(self.path(name)).expect("mkdir");
            self.own(&self.path(name));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        mounts::detach_all(self.dir.path());
        mounts::kill_all(self.dir.path());
        mounts::detach_all(self.dir.path());
    }
}

/// Places
impl Host {
    /// A path inside the host's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A new, empty folder in `work/`.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path("work").join(name);
        fs::create_dir(&path).expect("mkdir");
        self.own(&path);
        path
    }

    /// Sets a key of the user's git configuration.
    pub fn configure(&self, key: &str, value: &str) {
        let file = self.path("home/.gitconfig");
        let file = file.to_str().expect("a temporary path is text");
        self.git(self.dir.path(), &["config", "--file", file, "--add", key, value]);
    }

    /// Writes a file that only the user may read, for `--credential file:PATH`.
    pub fn secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path("home").join(name);
        let beside = self.path("home").join(format!("{name}.new"));
        fs::write(&beside, content).expect("write");
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).expect("chmod");
        self.own(&beside);
        fs::rename(&beside, &path).expect("rename");
        path
    }
}

/// Commands
impl Host {
    /// A command with this host's environment and nothing of the caller's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let bin = self.path("bin").into_os_string().into_string().expect("text");
        command
            .env_clear()
            .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"))
            .env("HOME", self.path("home"))
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("TOFT_STATE_DIR", self.path("state"))
            .env("TOFT_CACHE_DIR", self.path("cache"))
            .env("TOFT_RUNTIME_DIR", self.path("run"))
            .current_dir(self.path("work"))
            .process_group(0);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs `command` to its end; panics when that takes more than two minutes.
    ///
    /// Its output goes through files: a daemon that inherits them keeps nobody waiting.
    pub fn run(&self, mut command: Command) -> Ran {
        command.stdin(Stdio::null());
        self.run_with_stdin(command)
    }

    /// The same with the standard input that the caller chose.
    pub fn run_with_stdin(&self, mut command: Command) -> Ran {
        let what = format!("{command:?}");
        let what = what.split_once("\"PATH").map_or(what.as_str(), |(_, rest)| rest).to_owned();
        let stdout = tempfile::NamedTempFile::new().expect("a temporary file");
        let stderr = tempfile::NamedTempFile::new().expect("a temporary file");
        command.stdout(stdout.reopen().expect("open")).stderr(stderr.reopen().expect("open"));
        let mut child = spawn(&mut command).unwrap_or_else(|error| panic!("{what}: {error}"));
        let status = child::wait(&mut child, DEADLINE);
        let read = |file: &tempfile::NamedTempFile| fs::read(file.path()).expect("read");
        let stderr = String::from_utf8_lossy(&read(&stderr)).into_owned();
        let stdout = read(&stdout);
        let Some(status) = status else {
            panic!("{what}: no end after {DEADLINE:?}\n{stderr}");
        };
        let signal = std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0);
        Ran { what, code: status.code().unwrap_or(128 + signal), stdout, stderr }
    }

    /// Runs git in `dir`; it must succeed.
    #[track_caller]
    pub fn git(&self, dir: &Path, args: &[&str]) -> String {
        self.try_git(dir, args).ok()
    }

    /// Runs git in `dir`.
    pub fn try_git(&self, dir: &Path, args: &[&str]) -> Ran {
        let mut command = self.command(self.path("bin/git"));
        command.current_dir(dir).args(args);
        self.run(command)
    }

    /// Runs toft; `arguments` are separated by blanks in `line`.
    pub fn toft(&self, line: &str) -> Ran {
        let arguments: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        self.toft_with(&arguments)
    }

    /// The toft that the user of this host runs.
    pub fn program(&self) -> PathBuf {
        match self.user {
            Some(_) => self.path("bin/toft"),
            None => env!("CARGO_BIN_EXE_toft").into(),
        }
    }

    /// Runs toft.
    pub fn toft_with<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        let mut command = self.command(self.program());
        command.args(arguments);
        self.run(command)
    }

    /// The processes that run for this host.
    pub fn processes(&self) -> Vec<u32> {
        mounts::processes_of(self.dir.path())
    }
}

/// A script that was just written may still be open in a child that another test is starting.
fn spawn(command: &mut Command) -> std::io::Result<std::process::Child> {
    for _ in 0..100 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            spawned => return spawned,
        }
    }
    command.spawn()
}
