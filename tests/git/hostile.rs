//! Damage at random, and other processes at work on the same repository.

use crate::git::{Sandbox, parse};
use crate::random::Random;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use toft::git::{GitError, Repo};
use toft::types::{HashKind, Oid};

/// A packed repository with deltas, loose objects too, and what its objects hold.
fn some_objects() -> (Sandbox, BTreeMap<Oid, (String, Vec<u8>)>) {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let mut random = Random::new(3);
    let mut text: Vec<String> = (0..300).map(|_| format!("{:x}\n", random.next())).collect();
    for commit in 0..12 {
        for file in 0..4 {
            let at = random.below(text.len());
            text[at] = format!("{:x}\n", random.next());
            sandbox.write(format!("d{file}/f"), text.concat());
        }
        sandbox.commit(&commit.to_string());
    }
    sandbox.git(&["repack", "-adfq", "--depth=20", "--window=20"]);
    sandbox.write("loose", "a loose one");
    sandbox.commit("loose");
    let mut objects = BTreeMap::new();
    let list = sandbox.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
    for line in list.lines() {
        let [oid, kind, _] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let bytes = sandbox.git_bytes(&["cat-file", kind, oid], b"");
        objects.insert(parse(oid), (kind.to_owned(), bytes));
    }
    assert!(objects.len() > 100);
    (sandbox, objects)
}

fn files_of(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(sandbox.gitdir().join("objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "pack" || kind == "idx") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What is read is right, or it is an error.
fn read_all(repo: &Repo, objects: &BTreeMap<Oid, (String, Vec<u8>)>) -> usize {
    let mut good = 0;
    for (oid, (kind, bytes)) in objects {
        let result = match kind.as_str() {
            "blob" => {
                let _ = repo.blob_size(*oid);
                repo.blob(*oid).map(|read| assert_eq!(read, *bytes, "{oid}"))
            }
            "tree" => repo.tree(*oid).map(|entries| assert!(!entries.is_empty())),
            _ => repo.commit(*oid).map(|info| assert!(!info.subject.is_empty())),
        };
        match result {
            Ok(()) => good += 1,
            Err(GitError::Corrupt { .. } | GitError::NotFound(_) | GitError::Io { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    good
}

#[test]
fn whatever_byte_of_a_pack_is_damaged_what_is_read_is_right_or_an_error() {
    let (sandbox, objects) = some_objects();
    let files = files_of(&sandbox);
    let originals: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(read_all(&sandbox.open(), &objects), objects.len());
    let mut damaged = 0;
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let which = random.below(files.len());
        let mut bytes = originals[which].clone();
        for _ in 0..=random.below(3) {
            // The tables of the index and the headers of entries as often as the content.
            let limit = if random.below(2) == 0 { bytes.len() } else { bytes.len().min(2000) };
            let at = random.below(limit);
            bytes[at] = match random.below(3) {
                0 => 0,
                1 => 0xff,
                _ => bytes[at] ^ 1 << random.below(8),
            };
        }
        if random.below(10) == 0 {
            bytes.truncate(random.below(bytes.len()));
        }
        // A new file: the old one may be mapped.
        fs::remove_file(&files[which]).unwrap();
        fs::write(&files[which], &bytes).unwrap();
        if let Ok(repo) = Repo::open(&sandbox.gitdir()) {
            damaged += usize::from(read_all(&repo, &objects) < objects.len());
        }
        fs::remove_file(&files[which]).unwrap();
        fs::write(&files[which], &originals[which]).unwrap();
    }
    assert!(damaged > 100, "only {damaged} of 300 rounds damaged anything");
    assert_eq!(read_all(&sandbox.open(), &objects), objects.len());
}

#[test]
fn readers_never_miss_an_object_while_git_repacks_beneath_them() {
    let (sandbox, objects) = some_objects();
    let repo = sandbox.open();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut rounds = 0;
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(read_all(&repo, &objects), objects.len());
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        for round in 0..15 {
            match round % 3 {
                0 => sandbox.git(&["repack", "-adfq"]),
                1 => sandbox.git(&["gc", "-q", "--prune=now"]),
                _ => sandbox.git(&["multi-pack-index", "write"]),
            };
            sandbox.write("more", round.to_string());
            sandbox.commit("more");
        }
        over.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
}

#[test]
fn a_delta_that_says_it_is_huge_is_an_error_and_takes_no_memory() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write("f", "0123456789".repeat(200));
    sandbox.commit("x");
    let oid = sandbox.rev("HEAD:f");
    sandbox.git(&["repack", "-adq"]);
    // The header of the blob's entry: kind and length. A length of many bits follows instead.
    let pack =
        files_of(&sandbox).into_iter().find(|file| file.extension().unwrap() == "pack").unwrap();
    let list = sandbox.git(&["verify-pack", "-v", pack.to_str().unwrap()]);
    let line = list.lines().find(|line| line.starts_with(&oid.to_string())).unwrap();
    let offset: usize = line.split_whitespace().last().unwrap().parse().unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    bytes[offset + 1..offset + 8].fill(0xff);
    bytes[offset + 8] = 0x0f;
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();
    let repo = sandbox.open();
    assert!(matches!(repo.blob(oid), Err(GitError::Corrupt { .. })));
    let tree = sandbox.rev("HEAD^{tree}");
    assert_eq!(repo.tree(tree).unwrap().len(), 1);
}
