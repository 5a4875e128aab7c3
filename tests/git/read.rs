//! Reading objects and history.

use crate::git::{Sandbox, command, newest};
use std::os::unix::ffi::OsStrExt;
use toft::git::{GitError, Repo};
use toft::types::HashKind;

const HASHES: [HashKind; 2] = [HashKind::Sha1, HashKind::Sha256];

#[test]
fn trees_blobs_and_commits_read_as_git_shows_them() {
    for hash in HASHES {
        let sandbox = Sandbox::new(hash);
        sandbox.write("a/b.txt", "bee");
        sandbox.write(std::ffi::OsStr::from_bytes(b"no-\xff-utf8"), "");
        std::os::unix::fs::symlink("a/b.txt", sandbox.path().join("link")).unwrap();
        let commit = sandbox.commit("One\nsubject\n\nand a body");
        for packed in [false, true] {
            if packed {
                sandbox.git(&["repack", "-adq"]);
            }
            let repo = sandbox.open();
            assert_eq!(repo.hash_kind(), hash);
            let info = repo.commit(commit).unwrap();
            assert_eq!(info.tree, sandbox.rev("HEAD^{tree}"));
            assert_eq!(info.subject, "One subject");
            assert_eq!(info.committer_time_s, 1_700_000_001);
            assert!(info.parents.is_empty());
            let root = repo.tree(info.tree).unwrap();
            let names: Vec<_> = root.iter().map(|entry| (entry.mode, &entry.name[..])).collect();
            let expected: [(u32, &[u8]); 3] =
                [(0o40000, b"a"), (0o120_000, b"link"), (0o100_644, b"no-\xff-utf8")];
            assert_eq!(names, expected);
            let blob = sandbox.rev("HEAD:a/b.txt");
            assert_eq!(repo.blob_size(blob).unwrap(), 3);
            assert_eq!(repo.blob(blob).unwrap(), b"bee");
        }
    }
}

#[test]
fn an_unborn_repository_opens_and_knows_the_empty_tree() {
    for hash in HASHES {
        let sandbox = Sandbox::new(hash);
        let repo = sandbox.open();
        assert!(repo.exists(repo.empty_tree()));
        assert_eq!(repo.tree(repo.empty_tree()).unwrap(), []);
        let oracle = sandbox.oid(&["hash-object", "-t", "tree", "/dev/null"]);
        assert_eq!(repo.empty_tree(), oracle);
        assert_eq!(repo.resolve_commit("HEAD").unwrap(), None);
    }
}

#[test]
fn what_is_missing_is_not_what_is_corrupt() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write("a", "aaaaaaaaaaaaaaaaaaaa");
    sandbox.write("b", "bbbbbbbbbbbbbbbbbbbb");
    sandbox.commit("x");
    let (a, b) = (sandbox.rev("HEAD:a"), sandbox.rev("HEAD:b"));
    let file = |oid: toft::types::Oid| {
        let hex = oid.to_string();
        sandbox.gitdir().join("objects").join(&hex[..2]).join(&hex[2..])
    };
    let repo = sandbox.open();
    std::fs::remove_file(file(a)).unwrap();
    assert!(matches!(repo.blob(a), Err(GitError::NotFound(oid)) if oid == a));
    assert!(matches!(repo.blob_size(a), Err(GitError::NotFound(_))));
    assert!(!repo.exists(a));
    // Well formed, but the content of another object.
    std::fs::copy(file(b), file(a)).unwrap();
    assert!(matches!(repo.blob(a), Err(GitError::Corrupt { oid, .. }) if oid == a));
    std::fs::remove_file(file(b)).unwrap();
    std::fs::write(file(b), b"no zlib stream").unwrap();
    assert!(matches!(repo.blob(b), Err(GitError::Corrupt { .. })));
    let tree = sandbox.rev("HEAD^{tree}");
    assert!(matches!(repo.blob(tree), Err(GitError::Corrupt { .. })));
    assert!(matches!(repo.tree(sandbox.rev("HEAD")), Err(GitError::Corrupt { .. })));
}

#[test]
fn a_damaged_pack_is_an_error_for_the_objects_it_damaged() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    for number in 0..50 {
        sandbox.write(format!("f{number}"), format!("{number} ").repeat(200));
    }
    sandbox.commit("x");
    sandbox.git(&["repack", "-adq", "--window=0"]);
    let oids = (0..50).map(|number| sandbox.rev(&format!("HEAD:f{number}"))).collect::<Vec<_>>();
    let pack = pack_file(&sandbox);
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 4; // the tree is the second half
    bytes[middle..middle + 40].fill(0);
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, bytes).unwrap();
    let repo = sandbox.open();
    let mut good = 0;
    for (number, oid) in oids.into_iter().enumerate() {
        match repo.blob(oid) {
            Ok(content) => {
                assert_eq!(content, format!("{number} ").repeat(200).as_bytes());
                good += 1;
            }
            Err(GitError::Corrupt { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!((10..50).contains(&good), "{good} blobs could be read");
}

#[test]
fn malformed_trees_are_corrupt_and_odd_ones_are_read() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let id = [7; 20];
    let entry = |mode: &str, name: &[u8]| [mode.as_bytes(), b" ", name, b"\0", &id[..]].concat();
    let repo = sandbox.open();
    for bytes in [
        b"100644 a\0short".to_vec(),
        b"100644 without-end".to_vec(),
        b"100644".to_vec(),
        entry("", b"a"),
        entry("10064x", b"a"),
        entry("10064444444444444", b"a"),
    ] {
        let oid = sandbox.raw_tree(&bytes);
        assert!(
            matches!(repo.tree(oid), Err(GitError::Corrupt { .. })),
            "{}",
            bytes.escape_ascii()
        );
    }
    let odd =
        [entry("100664", b"z"), entry("40000", b".."), entry("0644", b""), entry("40000", b"a/b")];
    let oid = sandbox.raw_tree(&odd.concat());
    let read: Vec<_> = repo.tree(oid).unwrap().into_iter().map(|e| (e.mode, e.name)).collect();
    let expected: [(u32, &[u8]); 4] =
        [(0o100_664, b"z"), (0o40000, b".."), (0o644, b""), (0o40000, b"a/b")];
    assert_eq!(read, expected.map(|(mode, name)| (mode, name.to_vec())));
}

#[test]
fn objects_are_seen_through_alternates_and_when_others_write_packs() {
    let store = Sandbox::new(HashKind::Sha1);
    store.write("f", "in the store");
    let commit = store.commit("x");
    let gitdir = tempfile::TempDir::new().unwrap();
    let gitdir = gitdir.path().join("w");
    assert!(
        command(newest()).args(["init", "-q", "--bare"]).arg(&gitdir).status().unwrap().success()
    );
    let repo = Repo::open(&gitdir).unwrap();
    assert!(!repo.exists(commit));
    let alternates = format!("{}\n", store.gitdir().join("objects").display());
    std::fs::write(gitdir.join("objects/info/alternates"), alternates).unwrap();
    repo.refresh();
    assert_eq!(repo.blob(store.rev("HEAD:f")).unwrap(), b"in the store");
    for round in 0..60 {
        store.write("f", format!("round {round}"));
        store.commit("x");
        store.git(&["repack", "-q"]);
        store.git(&["prune-packed", "-q"]);
        assert_eq!(repo.blob(store.rev("HEAD:f")).unwrap(), format!("round {round}").as_bytes());
    }
    store.git(&["repack", "-adq"]);
    assert_eq!(repo.commit(commit).unwrap().subject, "x");
}

#[test]
fn a_store_that_is_gone_takes_nothing_else_with_it() {
    let store = Sandbox::new(HashKind::Sha1);
    store.write("f", "in the store");
    store.commit("x");
    let remote = store.rev("HEAD:f");
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write("g", "here");
    sandbox.commit("y");
    let (local, path) = (sandbox.rev("HEAD:g"), store.gitdir().join("objects"));
    let alternates = sandbox.gitdir().join("objects/info/alternates");
    std::fs::write(alternates, format!("{}\n", path.display())).unwrap();
    let aside = store.path().join("aside");
    for open_first in [true, false] {
        let opened = open_first.then(|| sandbox.open());
        if let Some(repo) = &opened {
            assert!(repo.exists(remote) && repo.exists(local));
        }
        std::fs::rename(&path, &aside).unwrap();
        let repo = opened.unwrap_or_else(|| sandbox.open());
        repo.refresh();
        assert_eq!(repo.blob(local).unwrap(), b"here");
        assert!(matches!(repo.blob(remote), Err(GitError::NotFound(_))));
        std::fs::rename(&aside, &path).unwrap();
        repo.refresh();
        assert_eq!(repo.blob(remote).unwrap(), b"in the store");
    }
}

#[test]
fn replacement_objects_replace_nothing() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write("f", "true");
    sandbox.write("g", "false");
    sandbox.commit("x");
    sandbox.git(&[
        "replace",
        &sandbox.rev("HEAD:f").to_string(),
        &sandbox.rev("HEAD:g").to_string(),
    ]);
    assert_eq!(sandbox.open().blob(sandbox.rev("HEAD:f")).unwrap(), b"true");
}

#[test]
fn a_worktree_that_hangs_is_not_looked_at() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write("f", "1");
    let commit = sandbox.commit("x");
    sandbox.git(&["config", "core.worktree", "/proc/self/does-not-exist"]);
    let repo = sandbox.open();
    assert_eq!(repo.resolve_commit("main").unwrap(), Some(commit));
    assert_eq!(repo.identity().committer.email, repo.identity().author.email);
}

#[test]
fn history_questions_are_answered_as_git_answers_them() {
    for hash in HASHES {
        let sandbox = Sandbox::new(hash);
        let root = sandbox.commit("root");
        let left = sandbox.commit("left");
        sandbox.git(&["checkout", "-q", "-b", "right", &root.to_string()]);
        sandbox.write("r", "r");
        let right = sandbox.commit("right");
        sandbox.git(&["merge", "-q", "-m", "merge", "main"]);
        let merge = sandbox.rev("HEAD");
        sandbox.git(&["tag", "-a", "-m", "t", "v1", &left.to_string()]);
        sandbox.git(&["checkout", "-q", "--orphan", "other"]);
        let other = sandbox.commit("other");
        sandbox.git(&["repack", "-adq"]);
        let repo = sandbox.open();
        assert_eq!(repo.resolve_commit("v1").unwrap(), Some(left));
        assert_eq!(repo.resolve_commit("right~1").unwrap(), Some(right));
        assert_eq!(repo.resolve_commit(&left.to_string()[..10]).unwrap(), Some(left));
        assert_eq!(repo.resolve_commit("no-such-thing").unwrap(), None);
        assert_eq!(repo.resolve_commit("right:r").unwrap(), None);
        assert!(repo.is_ancestor(root, merge).unwrap());
        assert!(repo.is_ancestor(merge, merge).unwrap());
        assert!(!repo.is_ancestor(merge, left).unwrap());
        assert!(!repo.is_ancestor(other, merge).unwrap());
        assert_eq!(repo.merge_base(left, right).unwrap(), Some(root));
        assert_eq!(repo.merge_base(left, other).unwrap(), None);
        assert_eq!(repo.count_between(root, merge).unwrap(), 3);
        assert_eq!(repo.count_between(merge, root).unwrap(), 0);
        assert_eq!(repo.count_between(left, merge).unwrap(), 2);
        assert_eq!(repo.count_between(other, merge).unwrap(), 4);
    }
}

#[test]
fn a_shallow_clone_answers_as_far_as_it_reaches() {
    let origin = Sandbox::new(HashKind::Sha1);
    let mut commits = Vec::new();
    for number in 0..6 {
        commits.push(origin.commit(&number.to_string()));
    }
    let clone = tempfile::TempDir::new().unwrap();
    let path = clone.path().join("c.git");
    let url = format!("file://{}", origin.path().display());
    let status =
        command(newest()).args(["clone", "-q", "--bare", "--depth=3", &url]).arg(&path).status();
    assert!(status.unwrap().success());
    let repo = Repo::open(&path).unwrap();
    assert!(repo.is_ancestor(commits[3], commits[5]).unwrap());
    assert_eq!(repo.merge_base(commits[4], commits[5]).unwrap(), Some(commits[4]));
    assert_eq!(repo.count_between(commits[3], commits[5]).unwrap(), 2);
    assert!(!repo.exists(commits[0]));
}

fn pack_file(sandbox: &Sandbox) -> std::path::PathBuf {
    let entries = std::fs::read_dir(sandbox.gitdir().join("objects/pack")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|kind| kind == "pack")).unwrap()
}
