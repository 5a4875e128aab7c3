use crate::support::{TestRepo, gits, hard_cases};
use proptest::prelude::*;
use toft::dotgit::IndexError;
use toft::dotgit::index::{CacheTree, Entry, Index, Raw, Stat, Writer, decode, encode};
use toft::types::{HashKind, Oid, TreeMode};

fn read(repo: &TestRepo) -> Vec<u8> {
    std::fs::read(repo.gitdir().join("index")).unwrap()
}

fn kind(format: &str) -> HashKind {
    if format == "sha256" { HashKind::Sha256 } else { HashKind::Sha1 }
}

fn each(test: impl Fn(TestRepo, HashKind)) {
    for git in gits() {
        for format in ["sha1", "sha256"] {
            test(TestRepo::new(git, format), kind(format));
        }
    }
}

#[test]
fn an_index_of_git_is_read_and_written_back_byte_for_byte() {
    each(|repo, hash| {
        hard_cases(&repo);
        let added = read(&repo);
        assert!(encode(&decode(&added, hash).unwrap()) == added);
        repo.run(["commit", "-q", "-m", "one"]);
        let committed = read(&repo);
        let index = decode(&committed, hash).unwrap();
        assert!(index.cache_tree.as_ref().is_some_and(|tree| tree.valid.is_some()));
        assert!(encode(&index) == committed);
        repo.write("b/one", b"changed");
        repo.run(["add", "b/one"]);
        let invalid = read(&repo);
        let index = decode(&invalid, hash).unwrap();
        assert!(index.cache_tree.as_ref().is_some_and(|tree| tree.valid.is_none()));
        assert!(encode(&index) == invalid);
    });
}

#[test]
fn version_4_says_the_same_as_version_2() {
    each(|repo, hash| {
        hard_cases(&repo);
        repo.run(["commit", "-q", "-m", "one"]);
        let two = decode(&read(&repo), hash).unwrap();
        repo.run(["update-index", "--index-version", "4"]);
        let bytes = read(&repo);
        assert_eq!(bytes[7], 4);
        assert!(decode(&bytes, hash).unwrap() == two);
    });
}

#[test]
fn flags_and_conflicts_come_through() {
    each(|repo, hash| {
        for name in ["assumed", "sparse", "both"] {
            repo.write(name, name.as_bytes());
        }
        repo.commit("one");
        repo.run(["checkout", "-q", "-b", "other"]);
        repo.write("both", b"theirs");
        repo.commit("theirs");
        repo.run(["checkout", "-q", "main"]);
        repo.write("both", b"ours");
        repo.commit("ours");
        assert!(
            !crate::support::command(repo.git, &repo.work)
                .args(["merge", "-q", "other"])
                .output()
                .unwrap()
                .status
                .success()
        );
        repo.write("later", b"");
        repo.run(["add", "-N", "later"]);
        repo.run(["update-index", "--assume-unchanged", "assumed"]);
        repo.run(["update-index", "--skip-worktree", "sparse"]);
        let bytes = read(&repo);
        assert_eq!(bytes[7], 3);
        let index = decode(&bytes, hash).unwrap();
        assert_eq!(index.unmerged(), [b"both"]);
        let find = |path: &[u8]| index.entries.iter().find(|entry| entry.path == path).unwrap();
        assert!(find(b"assumed").assume_valid && !find(b"assumed").skip_worktree);
        assert!(find(b"sparse").skip_worktree && find(b"later").intent_to_add);
        let stages: Vec<u8> = index.entries.iter().map(|entry| entry.stage).collect();
        assert_eq!(stages, [0, 1, 2, 3, 0, 0]);
        // Without what toft does not write, git must say the same of it.
        let said = repo.text(["ls-files", "--stage", "--debug", "-v"]);
        std::fs::write(repo.gitdir().join("index"), encode(&index)).unwrap();
        assert_eq!(repo.text(["ls-files", "--stage", "--debug", "-v"]), said);
    });
}

#[test]
fn an_empty_index_is_an_index() {
    each(|repo, hash| {
        std::fs::write(repo.gitdir().join("index"), encode(&Index::empty(hash))).unwrap();
        assert_eq!(repo.text(["status", "--porcelain"]), "");
        repo.write("x", b"");
        repo.run(["add", "x"]);
        assert_eq!(decode(&read(&repo), hash).unwrap().entries.len(), 1);
        repo.run(["rm", "-q", "-f", "x"]);
        assert_eq!(decode(&read(&repo), hash).unwrap().entries.len(), 0);
    });
}

#[test]
fn what_must_be_understood_and_is_not_is_told() {
    let repo = TestRepo::new(gits()[0], "sha1");
    repo.write("x", b"");
    repo.commit("one");
    repo.run(["update-index", "--split-index"]);
    let split = decode(&read(&repo), HashKind::Sha1);
    assert_eq!(split, Err(IndexError::Unsupported("link".to_owned())));
    repo.run(["update-index", "--no-split-index"]);
    let mut bytes = read(&repo);
    bytes[20] ^= 1;
    assert_eq!(decode(&bytes, HashKind::Sha1), Err(IndexError::Checksum));
    assert_eq!(decode(&bytes[..10], HashKind::Sha1), Err(IndexError::CutOff));
}

fn oid(byte: u8, hash: HashKind) -> Oid {
    Oid::from_bytes_or_panic(&vec![byte; hash.len_in_bytes()])
}

fn arbitrary_index() -> impl Strategy<Value = Index> {
    let paths = prop::collection::btree_set(prop::collection::vec(1..=255_u8, 1..40), 0..40);
    let bits = any::<(u8, bool, bool, bool, u32)>();
    (any::<bool>(), paths, prop::collection::vec(bits, 40), any::<bool>()).prop_map(
        |(sha256, paths, bits, tree)| {
            let hash = if sha256 { HashKind::Sha256 } else { HashKind::Sha1 };
            let entries = paths.into_iter().zip(bits).map(|(path, (byte, a, s, i, n))| Entry {
                path,
                mode: [TreeMode::Blob, TreeMode::BlobExec, TreeMode::Link, TreeMode::Commit]
                    [usize::from(byte % 4)],
                oid: oid(byte, hash),
                stage: byte >> 6,
                assume_valid: a,
                skip_worktree: s,
                intent_to_add: i,
                stat: Stat { mtime: (n, 1), ctime: (1, n), ino: n, size: !n, ..Stat::default() },
            });
            let child = CacheTree {
                name: b"d".to_vec(),
                valid: Some((1, oid(1, hash))),
                ..Default::default()
            };
            let root = CacheTree {
                children: vec![child.clone(), CacheTree { valid: None, ..child }],
                ..Default::default()
            };
            Index { hash, entries: entries.collect(), cache_tree: tree.then_some(root) }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(index in arbitrary_index()) {
        prop_assert_eq!(decode(&encode(&index), index.hash).unwrap(), index);
    }

    #[test]
    fn without_being_taken_apart_its_entries_are_found_and_copied(
        index in arbitrary_index(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 2)
    ) {
        let bytes = encode(&index);
        let raw = Raw::read(bytes.clone(), index.hash, false).unwrap();
        for (at, entry) in index.entries.iter().enumerate() {
            let found = (entry.stage == 0).then(|| (at, entry.clone()));
            prop_assert_eq!(raw.find(&entry.path), found);
            let starts = |other: &&Entry| other.path.starts_with(&entry.path);
            let below = raw.below(&entry.path);
            prop_assert_eq!(below.len(), index.entries.iter().filter(starts).count());
            prop_assert_eq!(below.start, at);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(index.entries.len() + 1)).collect();
        cuts.sort();
        let mut writer = Writer::new(index.hash);
        writer.copy(&raw, 0..cuts[0]);
        index.entries[cuts[0]..cuts[1]].iter().for_each(|entry| writer.push(entry));
        writer.copy(&raw, cuts[1]..index.entries.len());
        let written = writer.finish(index.cache_tree.as_ref());
        let copied = [&written.pieces.concat(), written.checksum().as_slice()].concat();
        prop_assert_eq!(copied, bytes);
    }

    #[test]
    fn damage_is_told_and_never_panics(
        index in arbitrary_index(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()
    ) {
        let mut bytes = encode(&index);
        let length = bytes.len();
        let end = length - index.hash.len_in_bytes();
        // Without a checksum, so that the parser sees the damage.
        bytes[end..].fill(0);
        bytes[at.index(end)] = byte;
        let is_version_4 = bytes[7] == 4;
        let (decoded, raw) =
            (decode(&bytes, index.hash), Raw::read(bytes.clone(), index.hash, false));
        prop_assert!(is_version_4 || decoded.is_ok() == raw.is_ok());
        bytes.truncate(cut.index(length));
        let _ = decode(&bytes, index.hash);
        let _ = Raw::read(bytes, index.hash, true);
    }
}
