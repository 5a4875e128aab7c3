//! A person's session in a mount, and what must be true after it.

use super::support::{Host, Ran, Server, Tree};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

/// Mounts `url` at a new folder of the host; more flags in `flags`, separated by blanks.
#[track_caller]
pub fn mount(host: &Host, url: &str, name: &str, flags: &str) -> PathBuf {
    let dir = host.path("work").join(name);
    try_mount(host, url, &dir, flags).expect_code(0);
    dir
}

/// Tries to mount `url` at `dir`.
pub fn try_mount(host: &Host, url: &str, dir: &Path, flags: &str) -> Ran {
    let flags = flags.split(' ').filter(|flag| !flag.is_empty());
    let arguments: Vec<&str> = ["mount", url, text(dir)].into_iter().chain(flags).collect();
    host.toft_with(&arguments)
}

/// Flushes and unmounts; more flags in `flags`.
pub fn umount(host: &Host, dir: &Path, flags: &str) -> Ran {
    let flags = flags.split(' ').filter(|flag| !flag.is_empty());
    let arguments: Vec<&str> = ["umount", text(dir)].into_iter().chain(flags).collect();
    host.toft_with(&arguments)
}

/// Some of everything that can be done to a tree made by [`Server::seeded`].
pub fn edit(dir: &Path) {
    fs::write(dir.join("README"), "hello again\n").expect("write over");
    fs::create_dir_all(dir.join("new/deep")).expect("mkdir");
    fs::write(dir.join("new/deep/file"), vec![7; 100_000]).expect("write");
    fs::write(dir.join("new/empty"), "").expect("write");
    let strange = std::ffi::OsStr::from_bytes(b"new/\xff\xfe not utf-8\n");
    fs::write(dir.join(strange), "bytes\n").expect("write");
    fs::write(dir.join("new/script"), "#!/bin/sh\n").expect("write");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.join("new/script"), executable).expect("chmod");
    symlink("../README", dir.join("new/link")).expect("link");
    fs::rename(dir.join("src"), dir.join("source")).expect("rename a folder");
    fs::remove_file(dir.join("link")).expect("rm");
    symlink("source/main.c", dir.join("link")).expect("link");
    let plain = fs::Permissions::from_mode(0o644);
    fs::set_permissions(dir.join("run"), plain).expect("chmod");
}

/// The id of the tree that stock git makes of the files below `dir`.
pub fn oracle_tree(host: &Host, dir: &Path) -> String {
    let place = tempfile::tempdir().expect("tempdir");
    let plain = place.path().join("plain");
    let mut copy = host.command("cp");
    copy.arg("-a").arg(dir).arg(&plain);
    host.run(copy).ok();
    let _ = fs::remove_file(plain.join(".git"));
    host.git(&plain, &["init", "-q"]);
    host.git(&plain, &["add", "-A"]);
    host.git(&plain, &["write-tree"])
}

/// A value of `status --json`, by JSON pointer.
pub fn status(host: &Host, target: &str) -> serde_json::Value {
    let said = host.toft_with(&["status", "--json", target]).ok();
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// What every test ends with: the remote is sound.
pub fn assert_sound(repo: &Path) {
    let host = Host::new();
    let said = host.try_git(repo, &["fsck", "--strict", "--no-dangling"]).expect_code(0);
    assert_eq!((said.text().as_str(), said.stderr.as_str()), ("", ""), "{}", repo.display());
}

/// The commits of `branch`, newest first.
pub fn history(repo: &Path, branch: &str) -> Vec<String> {
    let host = Host::new();
    let said = host.git(repo, &["rev-list", "--topo-order", branch]);
    said.lines().map(str::to_owned).collect()
}

/// A host that may use `server`, and the flags that a mount of it needs.
pub fn guest(server: &Server, host: Host) -> (Host, String) {
    server.introduce_to(&host);
    let flags = server.secret().map(|secret| {
        let file = host.secret("toft-credential", secret);
        format!("--credential file:{}", file.display())
    });
    (host, flags.unwrap_or_default())
}

/// What a mount shows, as git would record it.
pub fn seen(dir: &Path) -> Tree {
    Tree::read(dir).for_git()
}
