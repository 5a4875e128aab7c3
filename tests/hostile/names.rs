//! T1, T3: entries that no file can stand for, and links that lead out.

use super::support::hard_cases;
use super::support::repo::{Builder, Node};
use super::support::{self, Host, Kind, Server};
use super::work::{assert_sound, history, mount, status, text, umount};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// A remote with a folder for each way to be hostile.
fn hostile() -> (Server, String, Vec<hard_cases::Hostile>) {
    let server = Server::start(Kind::File);
    let builder = Builder::init(&server.repo("hostile.git"), "sha1");
    let (commit, folders) = hard_cases::hostile(&builder);
    builder.branch("main", &commit);
    (server, commit, folders)
}

#[test]
fn a_seal_is_refused_while_a_changed_folder_holds_what_no_file_can_stand_for() {
    if !support::can_mount("a_seal_is_refused_while_a_changed_folder_holds") {
        return;
    }
    let (server, commit, folders) = hostile();
    let host = Host::new();
    let dir = mount(&host, &server.url("hostile.git"), "hostile", "");
    for hostile in &folders {
        fs::write(dir.join(&hostile.folder).join("fine"), "changed\n").expect("write");
    }
    let ran = host.toft_with(&["flush", text(&dir)]).expect_code(79);
    assert!(ran.stderr.contains(&folders[0].folder), "{}", ran.stderr);
    assert_eq!(history(&server.repo("hostile.git"), "main"), [commit]);
    // each alone is reason enough: what is left of the others is put right one by one
    for (at, hostile) in folders.iter().enumerate() {
        let folder = dir.join(&hostile.folder);
        if at % 4 == 0 {
            let ran = host.toft_with(&["commit", text(&dir)]).expect_code(79);
            assert!(ran.stderr.contains("error[guard]"), "{}", ran.stderr);
        }
        // as a whole it can go: that is no accident
        fs::remove_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", hostile.folder));
    }
    fs::write(dir.join("instead"), "x\n").expect("write");
    umount(&host, &dir, "--allow mass-delete").expect_code(0);
    let shown = host.git(&server.repo("hostile.git"), &["ls-tree", "--name-only", "main"]);
    assert_eq!(shown, "instead");
}

#[test]
fn hostile_entries_stay_as_they_are_when_something_else_is_sealed() {
    if !support::can_mount("hostile_entries_stay_as_they_are") {
        return;
    }
    let (server, commit, folders) = hostile();
    let repo = server.repo("hostile.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("hostile.git"), "hostile", "");
    let report = status(&host, text(&dir));
    for hostile in &folders {
        // looked at, read, and one moved as a whole
        assert_eq!(fs::read(dir.join(&hostile.folder).join("fine")).expect("read"), b"hostile\n");
    }
    fs::rename(dir.join("dotdot"), dir.join("moved")).expect("rename");
    host.toft_with(&["flush", text(&dir)]).expect_code(79);
    fs::rename(dir.join("moved"), dir.join("dotdot")).expect("rename back");
    fs::write(dir.join("new"), "x\n").expect("write");
    umount(&host, &dir, "").expect_code(0);
    let listed = |rev: &str| host.git(&repo, &["ls-tree", rev]);
    let without_new: Vec<_> =
        listed("main").lines().filter(|l| !l.ends_with("\tnew")).map(str::to_owned).collect();
    assert_eq!(without_new.join("\n"), listed(&commit));
    let problems = report["problems"].to_string();
    for told in [
        "git-stream/.git::$INDEX_ALLOCATION (the name passes for .git)",
        "twice/a (",
        "mode-zero/a (",
    ] {
        assert!(problems.contains(told), "{told}: {problems}");
    }
}

#[test]
fn links_are_served_as_they_are_and_never_followed_by_the_daemon() {
    if !support::can_mount("links_are_served_as_they_are") {
        return;
    }
    let host = Host::new();
    let outside = host.folder("outside");
    fs::write(outside.join("file"), "outside\n").expect("write");
    let server = Server::start(Kind::File);
    let builder = Builder::init(&server.repo("links.git"), "sha1");
    let mut targets: BTreeMap<Vec<u8>, Vec<u8>> = hard_cases::hard_links()
        .into_iter()
        .map(|(name, target)| (name.to_vec(), target))
        .collect();
    let file = outside.join("file").as_os_str().as_bytes().to_vec();
    for name in [".gitattributes", ".gitignore", ".gitmodules", "file"] {
        targets.insert(name.into(), file.clone());
    }
    targets.insert(b"folder".to_vec(), outside.as_os_str().as_bytes().to_vec());
    targets.insert(b"newline".to_vec(), b"a\nb\x1b[2J".to_vec());
    let link = |target: &Vec<u8>| Node::Object("120000", builder.blob(target));
    let tree = targets.iter().map(|(name, target)| (name.clone(), link(target))).collect();
    builder.branch("main", &builder.commit(&builder.tree(&tree), &[], "links"));

    let dir = mount(&host, &server.url("links.git"), "links", "");
    for (name, target) in &targets {
        let path = dir.join(std::ffi::OsStr::from_bytes(name));
        let shown = fs::read_link(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(shown.as_os_str().as_bytes(), target, "{}", path.display());
        // touched: it is sealed anew, from the overlay
        let beside = dir.join("beside");
        fs::rename(&path, &beside).expect("rename");
        fs::rename(&beside, &path).expect("rename back");
    }
    assert_eq!(fs::metadata(dir.join("self")).unwrap_err().raw_os_error(), Some(libc::ELOOP));
    fs::write(dir.join("work"), "x\n").expect("write");
    umount(&host, &dir, "").expect_code(0);
    let repo = server.repo("links.git");
    let before = host.git(&repo, &["ls-tree", "main~1"]);
    let after = host.git(&repo, &["ls-tree", "main"]);
    assert_eq!(
        after.lines().filter(|line| !line.ends_with("\twork")).collect::<Vec<_>>().join("\n"),
        before
    );
    assert_eq!(fs::read_dir(&outside).expect("ls").count(), 1);
    assert_eq!(fs::read(outside.join("file")).expect("read"), b"outside\n");
    assert_sound_but_for_links(&repo);
}

/// git's fsck minds `.gitmodules` as a link, which is what this is about.
fn assert_sound_but_for_links(repo: &std::path::Path) {
    let host = Host::new();
    host.try_git(repo, &["fsck", "--connectivity-only"]).expect_code(0);
    let _ = assert_sound;
}
