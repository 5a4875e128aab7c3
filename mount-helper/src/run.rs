//! Carries a request out: the folder, the environment, `toft`, and its exit code in mount(8)'s.

use super::exit;
use super::request::{Mount, Unmount};
use super::{Failure, sys, wire};
use mount_words::Value;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Variables that a child may see; everything else of the caller's environment is dropped.
const ENVIRONMENT: &[&str] = &[
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TZ",
    "SSH_AUTH_SOCK",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    "TOFT_CACHE_DIR",
    "TOFT_RUNTIME_DIR",
    "TOFT_STATE_DIR",
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Mounts.
pub fn mount(request: &Mount) -> Result<(), Failure> {
    for warning in &request.warnings {
        eprintln!("mount.toft: warning: {warning}");
    }
    // before -N: the namespace may be another's, the binary is ours
    let toft = toft_binary()?;
    enter(request.namespace.as_deref())?;
    let (dir, dir_dev, dir_ino) = checked_folder(&request.dir)?;
    let user = match request.options.get("setuid") {
        Some(Value::Text(name)) => Some(sys::user(name).ok_or_else(|| {
            Failure::new(exit::USAGE, format!("setuid={name}: there is no such user"))
        })?),
        _ => None,
    };
    if request.check_only {
        return Ok(());
    }
    let mut command = command(&toft, user.as_ref());
    command.args(["mount", "--from-helper"]).stdin(Stdio::piped());
    command.stdout(if request.verbose { Stdio::inherit() } else { Stdio::null() });
    let mut child = command.spawn().map_err(|error| cannot_run(&toft, &error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // a child that did not read its request says why itself, and by its code
        let _ = stdin.write_all(wire::json(request, &dir, dir_dev, dir_ino).as_bytes());
    }
    let status = child.wait().map_err(|error| cannot_run(&toft, &error))?;
    match code(status) {
        0 => Ok(()),
        code => Err(Failure::new(code, format!("{dir} is not mounted"))),
    }
}

/// Unmounts.
///
/// The code says whether the folder is free again, which is what umount(8) is asked for. How far
/// the work came (`sealed here, not pushed yet`) is said by toft on stderr; it is never lost.
pub fn unmount(request: &Unmount) -> Result<(), Failure> {
    let toft = toft_binary()?;
    enter(request.namespace.as_deref())?;
    let dir = request.dir.as_str();
    if request.lazy && sys::is_root() {
        return detach(dir, request.force);
    }
    let before = mounts_at(dir);
    let status = if request.lazy {
        let mut fusermount = command(Path::new("/usr/bin/fusermount3"), None);
        fusermount.args(["-u", "-z", "--", dir]).status()
    } else {
        let mut command = command(&toft, None);
        command.stdout(if request.verbose { Stdio::inherit() } else { Stdio::null() });
        command.args(["umount", "--", dir]).status()
    };
    let code = code(status.map_err(|error| cannot_run(&toft, &error))?);
    if code == 0 || mounts_at(dir) < before {
        return Ok(());
    }
    if request.force && sys::is_root() {
        return detach(dir, true);
    }
    Err(Failure::new(code, format!("{dir} is still mounted")))
}

fn detach(dir: &str, force: bool) -> Result<(), Failure> {
    sys::detach(Path::new(dir), force)
        .map_err(|error| Failure::new(exit::FAILURE, format!("cannot detach {dir}: {error}")))
}

fn enter(namespace: Option<&str>) -> Result<(), Failure> {
    // no relative path, and no file system kept busy by our working directory
    let at_root = std::env::set_current_dir("/");
    let entered = match namespace {
        Some(path) => sys::enter_mount_namespace(Path::new(path)),
        None => Ok(()),
    };
    at_root.and(entered).map_err(|error| {
        Failure::new(exit::SYSTEM, format!("cannot enter {}: {error}", namespace.unwrap_or("/")))
    })
}

/// Opens the folder without following a link at its end, and returns the path that has no link in
/// it at all, with what identifies the folder.
fn checked_folder(dir: &str) -> Result<(String, u64, u64), Failure> {
    let refused = |why: String| Failure::new(exit::USAGE, format!("cannot mount at {dir}: {why}"));
    if !dir.starts_with('/') {
        return Err(refused("the path is not absolute".to_owned()));
    }
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_DIRECTORY;
    let folder: File = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(dir.trim_end_matches('/'))
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ENOTDIR | libc::ELOOP) => refused("it is a link, not a folder".to_owned()),
            _ => refused(error.to_string()),
        })?;
    let path = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))
        .map_err(|error| refused(format!("its path cannot be read: {error}")))?;
    let path = path.into_os_string().into_string();
    let path = path.map_err(|_| refused("its real path is not UTF-8".to_owned()))?;
    if path.ends_with(" (deleted)") && !Path::new(&path).exists() {
        return Err(refused("it was removed meanwhile".to_owned()));
    }
    let metadata = folder.metadata().map_err(|error| refused(error.to_string()))?;
    Ok((path, metadata.dev(), metadata.ino()))
}

/// A child with nothing inherited that we did not choose.
#[expect(clippy::disallowed_methods, reason = "the one place where the helper starts children")]
fn command(program: &Path, user: Option<&sys::User>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).stdin(Stdio::null());
    let home = match user {
        Some(user) => {
            command.uid(user.uid).gid(user.gid);
            Some(user.home.clone())
        }
        None => {
            let kept = ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
            command.envs(kept);
            // at boot nobody sets HOME
            std::env::var_os("HOME")
                .filter(|home| sys::is_home(home))
                .or_else(|| sys::current_user().map(|user| user.home))
        }
    };
    command.envs(home.map(|home| ("HOME", home)));
    command
}

/// `toft` is beside this program (links resolved), else where distributions put it. No variable
/// and no search path of the caller's has a say in it.
fn toft_binary() -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe().ok().map(|exe| exe.with_file_name("toft"));
    let usual = ["/usr/local/bin/toft", "/usr/bin/toft"].map(PathBuf::from);
    let mut places = beside.into_iter().chain(usual);
    places
        .find(|path| path.is_file())
        .ok_or_else(|| Failure::new(exit::SYSTEM, "toft is not installed beside its mount helper"))
}

fn cannot_run(toft: &Path, error: &std::io::Error) -> Failure {
    Failure::new(exit::SYSTEM, format!("cannot run {}: {error}", toft.display()))
}

/// toft's exit code in mount(8)'s words.
fn code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(0), _) => 0,
        (Some(2), _) => exit::USAGE,
        (Some(101), _) => exit::INTERNAL,
        (None, Some(libc::SIGINT | libc::SIGTERM | libc::SIGHUP)) => exit::INTERRUPTED,
        (None, _) => exit::INTERNAL,
        (Some(_), _) => exit::FAILURE,
    }
}

/// How many mounts of toft's the kernel shows at `dir`.
fn mounts_at(dir: &str) -> usize {
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let table = String::from_utf8_lossy(&table).into_owned();
    let escaped = escaped(dir);
    let is_ours = |line: &&str| {
        let mut halves = line.splitn(2, " - ");
        let place = halves.next().and_then(|half| half.split(' ').nth(4));
        let kind = halves.next().and_then(|half| half.split(' ').next());
        place == Some(&escaped) && matches!(kind, Some("fuse.toft" | "fuse"))
    };
    table.lines().filter(is_ours).count()
}

/// A path as mountinfo writes it.
fn escaped(path: &str) -> String {
    path.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}
