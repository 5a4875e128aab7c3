//! The hard repositories are what they claim to be, and the base reads each as promised.

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use support::hard_cases::{self, Damage, Sizes};
use support::repo::Builder;
use toft::base::Base;
use toft::git::Repo;
use toft::types::Oid;

fn builder(place: &tempfile::TempDir, format: &str) -> Builder {
    Builder::init(&place.path().join("hard.git"), format)
}

fn oid(hex: &str) -> Oid {
    Oid::from_hex(hex.as_bytes()).expect("an object id")
}

fn base(repo: &Path, place: &tempfile::TempDir) -> Base {
    Base::new(Repo::open(repo).expect("a repository"), place.path().to_owned())
}

/// The base's paths below `tree`, folders included.
fn walk(base: &Base, tree: Oid, above: &[u8], into: &mut BTreeSet<Vec<u8>>) {
    for entry in &base.tree(tree).expect("readable").entries {
        let path = [above, entry.name.as_bytes()].concat();
        if entry.mode == toft::types::TreeMode::Tree {
            walk(base, entry.oid, &[&path, b"/" as &[u8]].concat(), into);
        }
        into.insert(path);
    }
}

#[test]
fn the_base_shows_every_hard_but_legal_path_under_both_hashes() {
    for format in ["sha1", "sha256"] {
        let place = tempfile::tempdir().expect("tempdir");
        let builder = builder(&place, format);
        let commit = hard_cases::legal(&builder, Sizes { entries: 500, ..Sizes::SHORT });
        let listed = builder.git(&["ls-tree", "-r", "-t", "--name-only", &commit]).lines().count();
        let root = oid(&builder.git(&["rev-parse", &format!("{commit}^{{tree}}")]));
        let mut seen = BTreeSet::new();
        walk(&base(builder.path(), &place), root, b"", &mut seen);
        assert_eq!(seen.len(), listed, "{format}");
        for name in hard_cases::hard_names() {
            assert!(
                seen.contains(&[b"names/" as &[u8], &name].concat()),
                "{}",
                name.escape_ascii()
            );
        }
        let deepest = seen.iter().map(|path| path.split(|byte| *byte == b'/').count()).max();
        assert_eq!(deepest, Some(61));
        // git has nothing to say against it
        builder.branch("main", &commit);
        builder.git(&["fsck", "--strict"]);
    }
}

#[test]
fn the_base_hides_every_hostile_entry_and_only_that() {
    let place = tempfile::tempdir().expect("tempdir");
    let builder = builder(&place, "sha1");
    let (commit, folders) = hard_cases::hostile(&builder);
    let root = oid(&builder.git(&["rev-parse", &format!("{commit}^{{tree}}")]));
    let base = base(builder.path(), &place);
    let root = base.tree(root).expect("the root is fine");
    assert_eq!(root.entries.len(), folders.len());
    for hostile in folders {
        let folder = root.find(hostile.folder.as_bytes()).expect("it is there");
        let tree = base.tree(folder.oid).expect("it can be read");
        let shown: Vec<&[u8]> = tree.entries.iter().map(|entry| entry.name.as_bytes()).collect();
        assert_eq!(shown, [b"fine"], "{}", hostile.folder);
        for name in &hostile.hidden {
            assert!(tree.hidden.iter().any(|(hidden, _)| hidden == name), "{}", hostile.folder);
            assert!(tree.find(name).is_none(), "{}", hostile.folder);
        }
    }
    // an entry without a name, which git neither fetches nor pushes
    let fine = builder.blob(b"fine\n");
    let nameless = builder.raw_tree(&[("100644", b"", &fine), ("100644", b"fine", &fine)]);
    assert!(base.tree(oid(&nameless)).map_or(true, |tree| tree.entries.len() == 1));
    // what git itself says of it
    let host = support::Host::new();
    let ran = host.try_git(builder.path(), &["fsck", "--strict", &commit]);
    for word in ["hasDotdot", "hasDotgit", "fullPathname", "hasDot", "duplicateEntries"] {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}

#[test]
fn a_damaged_blob_is_an_error_for_that_blob_alone() {
    for how in Damage::ALL {
        let place = tempfile::tempdir().expect("tempdir");
        let builder = builder(&place, "sha1");
        let (good, bad) = (builder.blob(b"good\n"), builder.blob(b"bad\n"));
        hard_cases::damage(builder.path(), &bad, how);
        let base = base(builder.path(), &place);
        assert!(base.blob(oid(&bad)).is_err(), "{how:?}");
        assert!(base.blob(oid(&good)).is_ok(), "{how:?}");
    }
}

#[test]
fn packs_become_loose_objects_that_can_be_damaged_one_by_one() {
    let place = tempfile::tempdir().expect("tempdir");
    let builder = builder(&place, "sha1");
    let (one, two) = (builder.blob(b"one\n"), builder.blob(b"two\n"));
    let object = |oid: &str| support::repo::Node::Object("100644", oid.to_owned());
    let folder = [(b"one".to_vec(), object(&one)), (b"two".to_vec(), object(&two))].into();
    let tree = builder.tree(&folder);
    builder.branch("main", &builder.commit(&tree, &[], "two files"));
    builder.git(&["repack", "-q", "-a", "-d"]);
    hard_cases::damage(builder.path(), &one, Damage::Missing);
    let host = support::Host::new();
    assert_eq!(host.try_git(builder.path(), &["cat-file", "-e", &two]).code, 0);
    assert_ne!(host.try_git(builder.path(), &["cat-file", "-e", &one]).code, 0);
    let said = host.try_git(builder.path(), &["fsck", "--connectivity-only"]).text();
    assert!(said.contains(&format!("missing blob {one}")) && !said.contains(&two), "{said}");
}
