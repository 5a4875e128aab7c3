//! The helper as mount(8) runs it, with a script in place of `toft` beside it.
#![expect(clippy::disallowed_methods, reason = "a test starts children")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// A folder with the helper under its four names and a `toft` that does what the test says.
struct Installed {
    dir: TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// One test at a time: a child that another thread forks meanwhile would hold our script open for
/// writing, and running it would fail (ETXTBSY).
static ALONE: Mutex<()> = Mutex::new(());

impl Installed {
    fn new(toft: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let installed = Self { dir, _alone: alone };
        fs::copy(env!("CARGO_BIN_EXE_mount-helper"), installed.path("mount-helper")).expect("copy");
        for name in ["mount.toft", "mount.fuse.toft", "umount.toft", "umount.fuse.toft"] {
            symlink("mount-helper", installed.path(name)).expect("link");
        }
        let script = format!("#!/bin/sh\n{toft}\n");
        fs::write(installed.path("toft"), script).expect("script");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(installed.path("toft"), executable).expect("chmod");
        fs::create_dir(installed.path("m n")).expect("mkdir");
        installed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn mountpoint(&self) -> String {
        let path = fs::canonicalize(self.path("m n")).expect("real path");
        path.into_os_string().into_string().expect("UTF-8")
    }

    fn command(&self, name: &str) -> Command {
        Command::new(self.path(name))
    }

    fn mount(&self, dir: &Path, more: &[&str]) -> Output {
        let mut command = self.command("mount.toft");
        command.arg("https://h/r.git").arg(dir).args(more).output().expect("the helper runs")
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn toft_gets_the_request_on_stdin_and_nothing_on_its_command_line() {
    let installed = Installed::new("echo \"$*\" >&2; cat >&2");
    let dir = installed.mountpoint();
    let output = installed.mount(Path::new(&dir), &["-o", "rw,nofail,branch=main", "-n"]);
    let folder = fs::metadata(&dir).expect("stat");
    let wanted = format!(
        "mount --from-helper\n{{\"schema\":\"toft.mount-request/1\",\"source\":\"https://h/r.git\",\
         \"dir\":\"{dir}\",\"dir_dev\":{},\"dir_ino\":{},\"options\":{{\"branch\":\"main\"}}}}",
        folder.dev(),
        folder.ino()
    );
    assert_eq!(stderr(&output), wanted);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn exit_codes_are_those_of_mount() {
    for (toft, wanted) in [
        ("exit 0", 0),
        ("exit 1", 32),
        ("exit 2", 1),
        ("exit 69", 32),
        ("exit 75", 32),
        ("exit 77", 32),
        ("exit 101", 4),
        ("kill -INT $$", 8),
        ("kill -SEGV $$", 4),
    ] {
        let installed = Installed::new(toft);
        let output = installed.mount(Path::new(&installed.mountpoint()), &[]);
        assert_eq!(output.status.code(), Some(wanted), "{toft}: {}", stderr(&output));
    }
    let missing = Installed::new("exit 0");
    fs::remove_file(missing.path("toft")).expect("rm");
    if !["/usr/local/bin/toft", "/usr/bin/toft"].iter().any(|path| Path::new(path).exists()) {
        let output = missing.mount(Path::new(&missing.mountpoint()), &[]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
}

#[test]
fn a_link_in_place_of_the_folder_is_refused_and_one_above_it_is_resolved() {
    let installed = Installed::new("cat >&2");
    symlink(installed.mountpoint(), installed.path("link")).expect("link");
    let output = installed.mount(&installed.path("link"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("it is a link, not a folder"), "{}", stderr(&output));

    fs::create_dir(installed.path("above")).expect("mkdir");
    symlink(installed.dir.path(), installed.path("above/down")).expect("link");
    let output = installed.mount(&installed.path("above/down/m n"), &[]);
    let wanted = format!("\"dir\":\"{}\"", installed.mountpoint());
    assert!(stderr(&output).contains(&wanted), "{}", stderr(&output));

    for (dir, why) in [
        (installed.path("toft"), "not a folder"),
        (installed.path("none"), "No such file"),
        (PathBuf::from("m n"), "not absolute"),
    ] {
        let output = installed.mount(&dir, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(why), "{dir:?}: {}", stderr(&output));
    }
}

#[test]
fn a_check_runs_no_toft() {
    let installed = Installed::new("echo RAN >&2");
    let output = installed.mount(Path::new(&installed.mountpoint()), &["-f"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let output = installed.mount(Path::new(&installed.mountpoint()), &["-f", "-o", "brnach=x"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("did you mean 'branch'?"), "{}", stderr(&output));
}

#[test]
fn toft_inherits_no_descriptor_no_folder_and_no_variable_that_was_not_chosen() {
    let installed = Installed::new("ls /proc/self/fd >&2; pwd >&2; env >&2");
    let mut command = Command::new("sh");
    command.args(["-c", "exec 9</etc/passwd; exec \"$0\" \"$@\""]);
    command.arg(installed.path("mount.toft")).args(["s", &installed.mountpoint()]);
    command.current_dir(installed.dir.path());
    command.env_clear().env("LANG", "C.UTF-8").env("GIT_SSH_COMMAND", "canary");
    command.env("LD_LIBRARY_PATH", "canary").env("HOME", "relative");
    let said = stderr(&command.output().expect("the helper runs"));
    let lines: Vec<&str> = said.lines().collect();
    // 3 is the directory that ls reads
    assert_eq!(lines.get(..5), Some(["0", "1", "2", "3", "/"].as_slice()), "{said}");
    assert!(!said.contains("canary"), "{said}");
    assert!(said.contains("LANG=C.UTF-8") && said.contains("PATH=/usr/local/sbin:"), "{said}");
    assert!(lines.iter().any(|line| line.starts_with("HOME=/")), "{said}");
}

#[test]
fn setuid_becomes_that_user_before_toft_runs() {
    let installed = Installed::new("id -u >&2; id -G >&2; echo $HOME >&2; cat >&2");
    let mut command = installed.command("mount.toft");
    command.args(["s", &installed.mountpoint(), "-o", "setuid=nobody"]);
    let output = command.output().expect("the helper runs");
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if is_root {
        assert!(stderr(&output).starts_with("65534\n65534\n/"), "{}", stderr(&output));
        assert!(!stderr(&output).contains("setuid"), "{}", stderr(&output));
    } else {
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
    let output = installed.mount(Path::new(&installed.mountpoint()), &["-o", "setuid=no-one-here"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_unmount_is_handed_to_toft_and_fails_where_the_mount_stays() {
    let installed = Installed::new("echo \"$*\" >&2; exit 79");
    let mut command = installed.command("umount.toft");
    let output = command.args(["/srv/m n", "-v", "-r"]).output().expect("the helper runs");
    assert_eq!(output.status.code(), Some(32));
    assert!(stderr(&output).starts_with("umount -- /srv/m n\n"), "{}", stderr(&output));
    let output = installed.command("umount.toft").output().expect("the helper runs");
    assert_eq!(output.status.code(), Some(1));
}
