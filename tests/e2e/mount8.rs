//! mount(8) and umount(8) with our helper, in a mount namespace of the test's own.

use super::support::{self, Host, Kind, Ran, Server, wait_until};
use super::work::{assert_sound, history, text};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A place where `mount.toft` is installed, as far as a script run by [`Installed::run`] can see.
struct Installed {
    host: Host,
}

impl Installed {
    fn new() -> Installed {
        let host = Host::new();
        let (sbin, aside) = (host.folder("sbin"), host.folder("sbin-of-the-host"));
        // what is in /sbin, and ours beside it
        for entry in fs::read_dir("/usr/sbin").expect("/usr/sbin").flatten() {
            let target = aside.join(entry.file_name());
            let _ = symlink(target, sbin.join(entry.file_name()));
        }
        let helper = Path::new(env!("CARGO_BIN_EXE_toft")).with_file_name("mount-helper");
        assert!(helper.exists(), "build the workspace: {}", helper.display());
        for name in ["mount.toft", "mount.fuse.toft", "umount.toft", "umount.fuse.toft"] {
            let _ = fs::remove_file(sbin.join(name));
            symlink(&helper, sbin.join(name)).expect("link");
        }
        Installed { host }
    }

    /// Runs `script` by sh in a mount namespace where /usr/sbin has our helper. `$1`... are
    /// `arguments`.
    fn run(&self, script: &str, arguments: &[&str]) -> Ran {
        let preparation = "cd / && mount --bind /usr/sbin \"$0-of-the-host\" && \
             mount --bind \"$0\" /usr/sbin && ";
        let mut command = self.host.command("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c"]);
        command.arg(format!("{preparation}{script}")).arg(self.host.path("work/sbin"));
        command.args(arguments);
        self.host.run(command)
    }

    fn fstab(&self, line: &str) -> PathBuf {
        let path = self.host.path("work/fstab");
        fs::write(&path, format!("{line}\n")).expect("write");
        path
    }
}

/// These tests need root, to install a helper and to use mount(8) fully.
fn possible(test: &str) -> bool {
    if !support::is_root() {
        support::skip(test, "needs root");
    }
    support::is_root() && support::can_mount(test)
}

#[test]
fn mount_and_umount_by_type_take_the_whole_way() {
    if !possible("mount_and_umount_by_type_take_the_whole_way") {
        return;
    }
    for kind in ["toft", "fuse.toft"] {
        let server = Server::start(Kind::Http);
        let repo = server.seeded("r.git");
        let installed = Installed::new();
        let dir = installed.host.folder("m");
        let script = "mount -t $3 \"$1\" \"$2\" -o branch=main,nosuid,nodev && \
             findmnt -n -o FSTYPE,OPTIONS \"$2\" && echo work >\"$2/work\" && umount \"$2\"";
        let ran = installed.run(script, &[&server.url("r.git"), text(&dir), kind]).expect_code(0);
        let shown = ran.text();
        assert!(shown.starts_with("fuse.toft"), "{shown}");
        assert!(shown.contains("nosuid") && shown.contains("nodev"), "{shown}");
        wait_until("the remote has it", || history(&repo, "main").len() == 2);
        assert_sound(&repo);
    }
}

#[test]
fn a_line_of_fstab_is_mounted_with_the_words_of_the_system() {
    if !possible("a_line_of_fstab_is_mounted_with_the_words_of_the_system") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let installed = Installed::new();
    let dir = installed.host.folder("with blank");
    let line = format!(
        "{} {} toft rw,nofail,_netdev,noauto,x-systemd.mount-timeout=30,branch=main,flush-on=umount 0 0",
        server.url("r.git"),
        text(&dir).replace(' ', "\\040")
    );
    let fstab = installed.fstab(&line);
    let script = "mount -T \"$1\" \"$2\" && echo work >\"$2/work\" && umount \"$2\"";
    installed.run(script, &[text(&fstab), text(&dir)]).expect_code(0);
    wait_until("the remote has it", || history(&repo, "main").len() == 2);
    // noauto: mount -a leaves it alone
    let script = "mount -a -T \"$1\" && ! findmnt -n \"$2\"";
    installed.run(script, &[text(&fstab), text(&dir)]).expect_code(0);
    assert_sound(&repo);
}

#[test]
fn mount_a_mounts_each_line_once_and_umount_takes_it_away() {
    if !possible("mount_a_mounts_each_line_once_and_umount_takes_it_away") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let installed = Installed::new();
    let (first, second) = (installed.host.folder("first"), installed.host.folder("second"));
    let fstab = installed.fstab(&format!(
        "{url} {} toft nofail,_netdev,branch=main 0 0\n{url} {} fuse.toft ro,nofail,_netdev 0 0",
        text(&first),
        text(&second),
        url = server.url("r.git"),
    ));
    let script = "count() { grep -cF \" $1 \" /proc/self/mountinfo; }
         mount -a -T \"$1\" && mount -a -T \"$1\" || exit
         count \"$2\"; count \"$3\"
         echo work >\"$2/work\" && ! echo no >\"$3/no\" && umount \"$2\" && umount \"$3\" || exit
         count \"$2\"; count \"$3\"; true";
    let ran = installed.run(script, &[text(&fstab), text(&first), text(&second)]).expect_code(0);
    assert_eq!(ran.text().lines().collect::<Vec<_>>(), ["1", "1", "0", "0"], "{}", ran.stderr);
    assert!(ran.stderr.contains("Read-only file system"), "{}", ran.stderr);
    assert_eq!(history(&repo, "main").len(), 2, "umount(8) waits for our helper");
    assert_sound(&repo);
}

#[test]
fn words_behind_mount_o_are_added_to_those_of_fstab() {
    if !possible("words_behind_mount_o_are_added_to_those_of_fstab") {
        return;
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let installed = Installed::new();
    let dir = installed.host.folder("m");
    let line = format!("{} {} toft nofail,_netdev,noauto 0 0", server.url("r.git"), text(&dir));
    let fstab = installed.fstab(&line);
    let script = "mount -T \"$1\" \"$2\" -o ro,noexec,noatime || exit
         findmnt -n -o OPTIONS \"$2\" && \"$2/run\"; code=$?
         umount \"$2\" || exit
         mount -T \"$1\" \"$2\" && \"$2/run\" && umount \"$2\" || exit
         exit $code";
    let ran = installed.run(script, &[text(&fstab), text(&dir)]).expect_code(126);
    let said = ran.text();
    for word in ["ro,", "noexec", "noatime", "nosuid", "nodev"] {
        assert!(said.lines().next().expect("options").contains(word), "{word}: {said}");
    }
    assert_eq!(said.lines().last(), Some("hi"), "without the words it runs: {said}");
}

#[test]
fn a_remote_that_is_away_does_not_stop_mount_a_where_nofail_stands() {
    if !possible("a_remote_that_is_away_does_not_stop_mount_a_where_nofail_stands") {
        return;
    }
    let installed = Installed::new();
    let dir = installed.host.folder("m");
    let port = support::server::free_port();
    let line =
        |words: &str| format!("http://127.0.0.1:{port}/r.git {} toft {words} 0 0", text(&dir));
    let fstab = installed.fstab(&line("nofail,_netdev"));
    let ran = installed.run("mount -a -T \"$1\"", &[text(&fstab)]);
    // mount(8) reports a helper's failure also for nofail; boot goes on, systemd ignores it
    assert!([0, 32, 64].contains(&ran.code), "{}: {}", ran.code, ran.stderr);
    let fstab = installed.fstab(&line("_netdev"));
    let ran = installed.run("mount -T \"$1\" \"$2\"", &[text(&fstab), text(&dir)]).expect_code(32);
    assert!(ran.stderr.contains("cannot be reached"), "{}", ran.stderr);
}

#[test]
fn mistakes_are_told_with_the_codes_of_mount() {
    if !possible("mistakes_are_told_with_the_codes_of_mount") {
        return;
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let installed = Installed::new();
    let dir = installed.host.folder("m");
    let mount = "mount -t toft \"$1\" \"$2\" -o \"$3\"";
    let (url, dir) = (server.url("r.git"), text(&dir).to_owned());
    let ran = installed.run(mount, &[&url, &dir, "brnach=main"]).expect_code(1);
    assert!(ran.stderr.contains("did you mean 'branch'?"), "{}", ran.stderr);
    for word in ["strictatime", "sync", "dirsync", "token=x"] {
        let ran = installed.run(mount, &[&url, &dir, word]).expect_code(1);
        let name = word.split('=').next().expect("a name");
        assert!(ran.stderr.contains(&format!("'{name}' is refused")), "{word}: {}", ran.stderr);
    }
    let ran = installed.run(mount, &[&url, &dir, "allow_root,allow_other"]).expect_code(1);
    assert!(ran.stderr.contains("exclude each other"), "{}", ran.stderr);
    installed.run(mount, &[&url, &dir, "branch=no-such"]).expect_code(32);
    let none = format!("{url}.none");
    installed.run(mount, &[&none, &dir, "ro"]).expect_code(32);
    // -s is for options that another system knows
    let sloppy = "mount -s -t toft \"$1\" \"$2\" -o context=x,ro && umount \"$2\"";
    installed.run(sloppy, &[&url, &dir]).expect_code(0);
    // -f only checks
    let fake = "mount -f -n -t toft \"$1\" \"$2\" -o ro && ! findmnt -n \"$2\"";
    installed.run(fake, &[&url, &dir]).expect_code(0);
}

#[test]
fn a_swapped_folder_is_not_mounted_on() {
    if !possible("a_swapped_folder_is_not_mounted_on") {
        return;
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let host = Host::new();
    let (checked, victim) = (host.folder("checked"), host.folder("victim"));
    let metadata = fs::metadata(&checked).expect("stat");
    // between the helper's check and the mount, the folder becomes a link to another one
    fs::remove_dir(&checked).expect("rmdir");
    symlink(&victim, &checked).expect("link");
    let request = serde_json::json!({
        "schema": "toft.mount-request/1",
        "source": server.url("r.git"),
        "dir": text(&checked),
        "dir_dev": std::os::unix::fs::MetadataExt::dev(&metadata),
        "dir_ino": std::os::unix::fs::MetadataExt::ino(&metadata),
        "options": {},
    });
    let file = host.path("work/request");
    fs::write(&file, request.to_string()).expect("write");
    let mut command = host.command(env!("CARGO_BIN_EXE_toft"));
    command.args(["mount", "--from-helper"]).stdin(fs::File::open(&file).expect("open"));
    let ran = host.run_with_stdin(command);
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    assert!(support::mounts::below(&host.path("work")).is_empty());
}
