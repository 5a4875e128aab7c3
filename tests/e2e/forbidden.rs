//! No FUSE, no permission, no place: told before anything is fetched or made.

use super::support::{self, Host, Kind, Ran, Server, wait_until};
use super::work::{assert_sound, mount, text, try_mount, umount};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// Runs `script` as root in a mount namespace of its own, where `toft mount $1 $2` is `$0`'s work.
fn in_namespace(host: &Host, script: &str, url: &str, dir: &Path) -> Ran {
    let mut command = host.command("unshare");
    command.uid(0).gid(0).args(["--mount", "--propagation", "private", "sh", "-c", script]);
    command.args([text(&host.program()), url, text(dir)]);
    host.run(command)
}

fn assert_nothing_was_done(host: &Host, dir: &Path) {
    assert!(!dir.exists());
    assert!(support::mounts::below(&host.path("work")).is_empty());
    assert!(fs::read_dir(host.path("cache")).expect("ls").next().is_none(), "nothing was fetched");
}

#[test]
fn without_fuse_nothing_is_done_and_the_way_to_it_is_told() {
    let test = "without_fuse_nothing_is_done_and_the_way_to_it_is_told";
    if !support::is_root() {
        return support::skip(test, "needs root, to take /dev/fuse away");
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let host = Host::new();
    let dir = host.path("work/r");
    let missing = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && ";
    for verb in ["mount \"$1\" \"$2\"", "doctor"] {
        let script = format!("{missing} \"$0\" {verb}");
        let ran = in_namespace(&host, &script, &server.url("r.git"), &dir).expect_code(1);
        let said = format!("{}{}", ran.text(), ran.stderr);
        assert!(said.contains("/dev/fuse is missing"), "{verb}: {said}");
        assert!(said.contains("modprobe fuse"), "{verb}: {said}");
        assert_nothing_was_done(&host, &dir);
    }
    // a device that only root may open, and no fusermount3 that would
    let host = Host::ordinary_user();
    let dir = host.path("work/r");
    for (hide, said) in [
        ("chmod 600 /dev/fuse", "Permission denied"),
        ("chmod 666 /dev/fuse", "fusermount3 is not installed"),
    ] {
        let script = format!(
            "{missing} mknod /dev/fuse c 10 229 && {hide} && \
             mkdir -p -m 755 \"$2-bin\"; ln -s /usr/bin/git \"$2-bin/git\"; export PATH=\"$2-bin\"; \
             exec /usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups \
             \"$0\" mount \"$1\" \"$2\""
        );
        let ran = in_namespace(&host, &script, &server.url("r.git"), &dir).expect_code(1);
        assert!(ran.stderr.contains("error[no-fuse]"), "{}", ran.stderr);
        assert!(ran.stderr.contains(said) && ran.stderr.contains("fix:"), "{}", ran.stderr);
        assert_nothing_was_done(&host, &dir);
        fs::remove_dir_all(host.path("work/r-bin")).expect("rm");
    }
}

#[test]
fn a_user_mounts_nothing_where_he_may_not_write() {
    let test = "a_user_mounts_nothing_where_he_may_not_write";
    if !support::is_root() || !support::can_mount_as_user(test) {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let url = server.url("r.git");
    let host = Host::ordinary_user();
    let roots = host.path("of-root");
    fs::create_dir(&roots).expect("mkdir");
    fs::create_dir(roots.join("empty")).expect("mkdir");
    // a folder to be made where he may make none, and one that is there and not his
    for dir in [roots.join("new"), roots.join("empty")] {
        let ran = try_mount(&host, &url, &dir, "").expect_code(1);
        assert!(ran.stderr.contains("error[permission]"), "{}: {}", dir.display(), ran.stderr);
        assert!(ran.stderr.contains("  fix:"), "{}: {}", dir.display(), ran.stderr);
        assert!(support::mounts::below(&host.path("")).is_empty(), "{}", dir.display());
    }
    assert!(!roots.join("new").exists() && roots.join("empty").exists());
    // Who has answered may take a moment to end.
    wait_until("nothing is left running", || host.processes().is_empty());
    // directories of toft's that he may not use
    for which in ["state", "cache", "run"] {
        let path = host.path(which);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("chmod");
        let dir = host.path("work/r");
        let ran = try_mount(&host, &url, &dir, "").expect_code(1);
        assert!(ran.stderr.contains("error[permission]"), "{which}: {}", ran.stderr);
        assert!(ran.stderr.contains("  fix:"), "{which}: {}", ran.stderr);
        assert!(support::mounts::below(&host.path("work")).is_empty(), "{which}");
        assert!(!dir.exists(), "{which}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("chmod");
    }
    let dir = mount(&host, &url, "r", "");
    umount(&host, &dir, "").expect_code(0);
    assert_sound(&repo);
}

#[test]
fn a_mount_is_kept_clear_of_its_source_and_of_other_mounts() {
    let test = "a_mount_is_kept_clear_of_its_source_and_of_other_mounts";
    if !support::can_mount(test) {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let clone = host.path("work/clone");
    host.git(&host.path("work"), &["clone", "-q", text(&repo), "clone"]);
    fs::create_dir(clone.join("empty")).expect("mkdir");
    // the source is a working copy: in it, in its .git, it itself, over a link to it
    std::os::unix::fs::symlink(&clone, host.path("work/link")).expect("link");
    for dir in ["clone/new", "clone/empty", "clone/.git/x", "clone", "link/new", "link"] {
        let ran = try_mount(&host, text(&clone), &host.path("work").join(dir), "").expect_code(1);
        assert!(ran.stderr.contains("its own source"), "{dir}: {}", ran.stderr);
    }
    let dir = mount(&host, text(&repo), "m", "");
    fs::create_dir(dir.join("empty")).expect("mkdir");
    for inside in ["empty", "new", "a/b", ".git"] {
        let ran = try_mount(&host, text(&clone), &dir.join(inside), "").expect_code(1);
        let said = ["inside another toft mount", "Not a directory"];
        assert!(said.iter().any(|word| ran.stderr.contains(word)), "{inside}: {}", ran.stderr);
    }
    // around it: the folder is not empty
    try_mount(&host, text(&clone), &host.path("work"), "").expect_code(1);
    assert_eq!(support::mounts::below(&host.path("work")).len(), 1);
    assert!(clone.join(".git/HEAD").exists() && dir.join("empty").exists());
    umount(&host, &dir, "").expect_code(0);
    assert_sound(&repo);
}
