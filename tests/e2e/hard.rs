//! The hard repositories, mounted: a mount shows what git checks out, and nothing hostile.

use super::support::hard_cases::{self, Sizes};
use super::support::repo::Builder;
use super::support::{self, Host, Kind, Server, Tree};
use super::work::{assert_sound, history, mount, oracle_tree, status, text, umount};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

#[test]
fn a_mount_of_everything_hard_equals_a_raw_checkout_and_comes_back() {
    if !support::can_mount("a_mount_of_everything_hard_equals_a_raw_checkout") {
        return;
    }
    for format in ["sha1", "sha256"] {
        let server = Server::start(Kind::File);
        let repo = server.repo("hard.git");
        let builder = Builder::init(&repo, format);
        builder.branch("main", &hard_cases::legal(&builder, Sizes::chosen()));
        let host = Host::new();
        let dir = mount(&host, &server.url("hard.git"), "hard", "");

        // git's own checkout, with its conversions switched off: a mount shows the raw bytes
        let plain = host.path("work/plain");
        let clone = ["clone", "-q", "--no-checkout", &server.url("hard.git"), text(&plain)];
        host.git(&host.path("work"), &clone);
        fs::create_dir_all(plain.join(".git/info")).expect("mkdir");
        let raw = "* -text -eol -filter -ident -working-tree-encoding\n";
        fs::write(plain.join(".git/info/attributes"), raw).expect("write");
        host.git(&plain, &["checkout", "-q", "main"]);
        let shown = Tree::read(&dir).for_git();
        shown.assert_equals(&Tree::read(&plain).for_git());
        assert!(
            fs::read_dir(dir.join("submodule")).expect("a gitlink is a folder").next().is_none()
        );

        // one change in each corner, then the same from nothing
        fs::rename(dir.join("many"), dir.join("moved")).expect("rename");
        fs::write(dir.join("moved/entry-000007"), "changed\n").expect("write");
        let name = OsStr::from_bytes(b"names/not-utf8-\xff\xfe");
        fs::write(dir.join(name), "changed\n").expect("write");
        let sparse = fs::OpenOptions::new().write(true).open(dir.join("sparse")).expect("open");
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 10 << 20).expect("write");
        drop(sparse);
        let wrote = Tree::read(&dir).for_git();
        umount(&host, &dir, "--allow big-file").expect_code(0);
        assert_eq!(history(&repo, "main").len(), 2);
        host.forget();
        let dir = mount(&host, &server.url("hard.git"), "again", "");
        Tree::read(&dir).for_git().assert_equals(&wrote);
        let kept = host.git(&dir, &["ls-tree", "HEAD", "submodule"]);
        assert!(kept.starts_with("160000 commit 555555"), "{kept}");
        umount(&host, &dir, "").expect_code(0);
        assert_sound(&repo);
    }
}

#[test]
fn hostile_entries_do_not_resolve_and_are_reported_and_not_sealed_away() {
    if !support::can_mount("hostile_entries_do_not_resolve") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.repo("hostile.git");
    let builder = Builder::init(&repo, "sha1");
    let (commit, folders) = hard_cases::hostile(&builder);
    builder.branch("main", &commit);
    let host = Host::new();
    let dir = mount(&host, &server.url("hostile.git"), "hostile", "");
    for hostile in &folders {
        let folder = dir.join(&hostile.folder);
        let names = fs::read_dir(&folder).map(|entries| {
            entries.map(|entry| entry.expect("an entry").file_name()).collect::<Vec<_>>()
        });
        match names {
            Ok(names) => assert_eq!(names, ["fine"], "{}", hostile.folder),
            Err(error) => panic!("{}: {error}", hostile.folder),
        }
        for name in &hostile.hidden {
            let plain = !matches!(name.as_slice(), b"." | b"..") && !name.contains(&b'/');
            if plain {
                let path = folder.join(OsStr::from_bytes(name));
                assert!(fs::symlink_metadata(&path).is_err(), "{}", path.display());
            }
        }
    }
    // seen from outside, nothing was reached through a hostile name
    fs::write(dir.join("dotdot/fine"), "changed\n").expect("write");
    let said = host.toft_with(&["status", text(&dir)]);
    assert!(said.stderr.contains("dotdot/.. (no file can have this name)"), "{}", said.stderr);
    let ran = umount(&host, &dir, "");
    if ran.code == 0 {
        // sealed: then every hostile entry of an untouched folder is still what it was
        let git = |path: &str| host.git(&repo, &["rev-parse", path]);
        assert_eq!(git("main:twice"), git(&format!("{commit}:twice")));
    } else {
        assert_eq!(ran.code, 79, "{}", ran.stderr);
        assert_eq!(history(&repo, "main"), [commit]);
        umount(&host, &dir, "--discard").expect_code(0);
    }
}

#[test]
fn this_projects_own_history_is_mounted_whole() {
    if !support::can_mount("this_projects_own_history_is_mounted_whole") {
        return;
    }
    let own = env!("CARGO_MANIFEST_DIR");
    let host = Host::new();
    let server = Server::start(Kind::File);
    let repo = server.repo("own.git");
    let clone = host.try_git(&server.path("repos"), &["clone", "-q", "--bare", own, text(&repo)]);
    if clone.code != 0 {
        support::skip("this_projects_own_history_is_mounted_whole", "not run from a git clone");
        return;
    }
    host.git(&repo, &["update-ref", "refs/heads/main", "HEAD"]);
    host.git(&repo, &["symbolic-ref", "HEAD", "refs/heads/main"]);
    let dir = mount(&host, &server.url("own.git"), "own", "");
    let commits = host.git(&repo, &["rev-list", "--count", "main"]);
    assert_eq!(host.git(&dir, &["rev-list", "--count", "HEAD"]), commits);
    assert_eq!(host.git(&dir, &["status", "--porcelain"]), "");
    assert_eq!(oracle_tree(&host, &dir), host.git(&repo, &["rev-parse", "main^{tree}"]));
    assert_eq!(status(&host, text(&dir))["durability"]["pushed"], true);
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(host.git(&repo, &["rev-list", "--count", "main"]), commits);
}
