//! Every command of the README is run, in the order in which it stands there.
#![allow(clippy::disallowed_methods, reason = "tests start children")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use support::{Host, Kind, Ran, Server};

/// Blocks that build or install; CI runs them, this test only looks whether they are there.
const BY_HAND: [&str; 3] = ["scripts/quickstart", "scripts/test", "sudo scripts/install"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The fenced blocks of the README that are marked with `language`.
fn blocks(language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("README.md")).expect("the README");
    let parts = text.split("\n```").enumerate().filter(|(at, _)| at % 2 == 1);
    let marked = parts.filter_map(|(_, block)| block.split_once('\n'));
    marked.filter(|(mark, _)| *mark == language).map(|(_, block)| block.to_owned()).collect()
}

/// A host where `toft` is installed and the URLs of the README lead to a repo on this machine.
fn reader() -> (Server, Host) {
    let server = Server::start(Kind::File);
    let repo = server.create("widgets.git");
    let host = Host::new();
    let seed = host.folder("seed");
    fs::write(seed.join("README"), "Widgets.\n").expect("write");
    fs::write(seed.join("notes"), "Some notes.\n").expect("write");
    host.git(&seed, &["init", "-q"]);
    host.git(&seed, &["add", "-A"]);
    host.git(&seed, &["commit", "-q", "-m", "Begin"]);
    let to = repo.to_str().expect("text");
    host.git(&seed, &["push", "-q", to, "HEAD:main", "HEAD:next", "HEAD:refs/tags/v1.0"]);
    fs::remove_dir_all(&seed).expect("rm -r");
    for url in ["https://github.com/acme/widgets", "git@github.com:acme/widgets"] {
        host.configure(&format!("url.{}.insteadOf", server.url("widgets.git")), url);
    }
    symlink(env!("CARGO_BIN_EXE_toft"), host.path("bin/toft")).expect("link");
    (server, host)
}

fn run(host: &Host, script: &str) -> Ran {
    let mut command = host.command("sh");
    command.args(["-euxc", script]);
    host.run(command)
}

#[test]
fn the_commands_of_the_readme_work_as_they_stand_there() {
    if !support::can_mount("the_commands_of_the_readme_work_as_they_stand_there") {
        return;
    }
    let (_server, host) = reader();
    let mut ran = 0;
    for block in blocks("sh") {
        let first = block.lines().next().expect("a block has lines");
        if BY_HAND.contains(&first) {
            let script = root().join(first.trim_start_matches("sudo "));
            let mode = fs::metadata(&script).expect("the script").permissions().mode();
            assert!(mode & 0o111 != 0, "{first}");
            continue;
        }
        run(&host, &block).expect_code(0);
        ran += 1;
    }
    assert!(ran >= 4, "the README has its examples");
    run(&host, "toft list --json | grep -q '\"state\": *\"mounted\"' && exit 1; exit 0")
        .expect_code(0);
}

/// What `scripts/install` makes below a directory, from the binaries under test.
fn installed(host: &Host) -> PathBuf {
    let place = host.path("installed");
    let mut install = host.command(root().join("scripts/install"));
    let binaries = Path::new(env!("CARGO_BIN_EXE_toft")).parent().expect("a directory");
    assert!(binaries.join("mount-helper").exists(), "build the whole workspace first");
    install.arg(binaries).env("DESTDIR", &place);
    host.run(install).expect_code(0);
    place
}

#[test]
fn what_is_installed_understands_the_fstab_line_of_the_readme() {
    let lines = blocks("fstab");
    assert_eq!(lines.len(), 1);
    let words: Vec<&str> = lines[0].split_whitespace().collect();
    let [source, dir, kind, options, "0", "0"] = words[..] else { panic!("{words:?}") };
    assert!(dir.starts_with('/') && kind == "toft");
    let host = Host::new();
    let place = installed(&host);
    for name in ["mount.toft", "mount.fuse.toft", "umount.toft", "umount.fuse.toft"] {
        let target = fs::read_link(place.join("usr/sbin").join(name)).expect("a link");
        assert!(place.join(target.strip_prefix("/").expect("absolute")).exists());
    }
    let mut command = host.command(place.join("usr/local/bin/mount-helper"));
    std::os::unix::process::CommandExt::arg0(&mut command, "mount.toft");
    command.arg(source).arg(host.folder("srv")).args(["-f", "-o", options]);
    host.run(command).expect_code(0);
}

#[test]
fn the_readme_names_every_command_and_every_exit_code() {
    let host = Host::new();
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let help = host.toft("--help").ok();
    let list = help.split("Commands:").nth(1).expect("commands in the help");
    let names = list.lines().skip(1).take_while(|line| line.starts_with("  "));
    // a line that begins further in goes on with what was said before
    let names = names.filter(|line| !line.starts_with("   "));
    for name in names.filter_map(|line| line.split_whitespace().next()) {
        assert!(name == "help" || readme.contains(&format!("toft {name}")), "toft {name}");
    }
    let codes = help.split("Exit codes:").nth(1).expect("exit codes in the help");
    let codes = codes.lines().skip(1).take_while(|line| line.starts_with("  "));
    for code in codes.filter_map(|line| line.split_whitespace().next()) {
        let number: u32 = code.parse().expect("a code");
        assert!(readme.contains(&format!("{number} ")), "exit code {code}");
    }
}
