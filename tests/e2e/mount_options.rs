//! Options of mount(8): each has its effect, or is refused by name.

use super::support::{self, Host, Kind, Ran, Server};
use super::work::{assert_sound, mount, text, try_mount, umount};
use std::os::unix::process::CommandExt;
use std::path::Path;

/// Runs `script` by sh as the user with this number; `$0` is `dir`.
fn as_user(host: &Host, user: u32, script: &str, dir: &Path) -> Ran {
    let mut command = host.command("sh");
    command.args(["-c", script, text(dir)]).current_dir("/");
    if support::is_root() {
        command.uid(user).gid(user);
    }
    host.run(command)
}

fn options(dir: &Path) -> Vec<String> {
    let mount = support::mounts::at(dir).expect("mounted");
    mount.options.split(',').map(str::to_owned).collect()
}

#[test]
fn what_mount_takes_of_a_file_system_has_its_effect_for_root_and_for_users() {
    let test = "what_mount_takes_of_a_file_system_has_its_effect_for_root_and_for_users";
    if !support::can_mount(test) {
        return;
    }
    let mut hosts = vec![(0, Host::new())];
    if support::is_root() && support::can_mount_as_user(test) {
        hosts.push((65534, Host::ordinary_user()));
    }
    for (user, host) in hosts {
        let server = Server::start(Kind::Http);
        let repo = server.seeded("r.git");
        let dir = mount(&host, &server.url("r.git"), "r", "");
        assert_eq!(as_user(&host, user, "\"$0/run\"", &dir).ok(), "hi", "uid {user}");
        assert!(!options(&dir).contains(&"noexec".to_owned()));
        umount(&host, &dir, "").expect_code(0);

        let dir = mount(&host, &server.url("r.git"), "r", "-o noexec,noatime -o nodiratime");
        let ran = as_user(&host, user, "\"$0/run\"", &dir).expect_code(126);
        assert!(ran.stderr.contains("Permission denied"), "uid {user}: {}", ran.stderr);
        assert_eq!(as_user(&host, user, "sh \"$0/run\"", &dir).ok(), "hi", "it can be read");
        for word in ["noexec", "noatime", "nosuid", "nodev", "rw"] {
            assert!(options(&dir).contains(&word.to_owned()), "{word}: {:?}", options(&dir));
        }
        umount(&host, &dir, "").expect_code(0);
        assert_sound(&repo);
    }
}

#[test]
fn allow_root_lets_root_in_and_nobody_else() {
    let test = "allow_root_lets_root_in_and_nobody_else";
    if !support::can_mount(test) || !support::is_root() {
        return;
    }
    let server = Server::start(Kind::Http);
    server.seeded("r.git");
    // root's own: everybody may look, unless it is for root only
    let host = Host::new();
    for (flags, code) in [("", 0), ("-o allow_other", 0), ("-o allow_root", 1)] {
        let dir = mount(&host, &server.url("r.git"), "r", flags);
        as_user(&host, 0, "cat \"$0/README\" && touch \"$0/README\"", &dir).expect_code(0);
        as_user(&host, 65533, "cat \"$0/README\"", &dir).expect_code(code);
        umount(&host, &dir, "").expect_code(0);
    }
    if !support::can_mount_as_user(test) {
        return;
    }
    // a user's: /etc/fuse.conf decides, here in a namespace of the test's own
    let host = Host::ordinary_user();
    let ran = try_mount(&host, &server.url("r.git"), &host.path("work/r"), "-o allow_root");
    assert!(ran.expect_code(1).stderr.contains("user_allow_other"));
    let conf = host.path("fuse.conf");
    std::fs::write(&conf, "user_allow_other\n").expect("write");
    let script = "mount --bind \"$1\" /etc/fuse.conf || exit 9
        as() { u=$1; shift; setpriv --reuid $u --regid $u --clear-groups \"$@\"; }
        as 65534 \"$0\" mount \"$2\" \"$3\" -o $4 || exit 9
        cat \"$3/README\" >&2; root=$?
        as 65534 cat \"$3/README\" >&2; owner=$?
        as 65533 cat \"$3/README\" >&2; other=$?
        as 65534 \"$0\" umount \"$3\" >&2 || exit 9
        echo $root $owner $other";
    for (option, wanted) in [("allow_root", "0 0 1"), ("allow_other", "0 0 0")] {
        let mut command = host.command("unshare");
        command.uid(0).gid(0);
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
        command.args([text(&host.program()), text(&conf), &server.url("r.git")]);
        command.args([text(&host.path("work/r")), option]);
        let ran = host.run(command).expect_code(0);
        assert_eq!(ran.text().lines().last(), Some(wanted), "{option}: {}", ran.stderr);
    }
}

#[test]
fn what_cannot_be_had_is_refused_by_name_before_anything_is_done() {
    let host = Host::new();
    for (words, said) in [
        ("strictatime", "'strictatime' is refused"),
        ("suid", "'suid' is refused"),
        ("dev", "'dev' is refused"),
        ("sync", "'sync' is refused"),
        ("remount,ro", "'remount' is refused"),
        ("noexce", "did you mean 'noexec'?"),
        ("allow_other,allow_root", "allow_other and allow_root exclude each other"),
        ("setuid=nobody", "setuid="),
        ("ro=yes", "'ro' takes no value"),
        ("depth=0", "'depth' needs a whole number"),
    ] {
        let ran = try_mount(&host, "x", &host.path("work/y"), &format!("-o {words}"));
        let ran = ran.expect_code(2);
        assert!(ran.stderr.contains(said), "{words}: {}", ran.stderr);
    }
}
