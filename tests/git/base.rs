//! The base room on real repositories: what is shown, what is hidden, what is an error.

use crate::git::Sandbox;
use crate::random::Random;
use std::sync::Arc;
use toft::base::{Base, BaseError, Blob, SizeTable, Tree, is_dotgit_disguise};
use toft::git::{RawEntry, TreeItem};
use toft::sys::OsDisk;
use toft::types::{HashKind, Name, Oid, TreeMode};

fn base(sandbox: &Sandbox) -> Base {
    Base::new(sandbox.open(), sandbox.gitdir().join("spill"))
}

fn raw(mode: u32, name: &[u8]) -> RawEntry {
    RawEntry { mode, name: name.to_vec(), oid: Oid::null(HashKind::Sha1) }
}

fn names(tree: &Tree) -> Vec<String> {
    tree.entries.iter().map(|entry| entry.name.as_bytes().escape_ascii().to_string()).collect()
}

#[test]
fn names_that_pass_for_dotgit_are_told_from_those_that_do_not() {
    for name in [
        ".git",
        ".GIT",
        ".gIt",
        "git~1",
        "GIT~1",
        ".git.",
        ".git ",
        ".git . .",
        "git~1...",
        ".git::$INDEX_ALLOCATION",
        ".git:stream",
        "git~1:x",
        ".git\\x",
        ".g\u{200c}it",
        "\u{feff}.git",
        ".git\u{200d}",
        ".GI\u{206f}T",
        ".\u{202e}git",
    ] {
        assert!(is_dotgit_disguise(name.as_bytes()), "{name}");
    }
    for name in [
        ".gitignore",
        ".gitmodules",
        "git",
        "git~2",
        "git~10",
        ".git~1",
        "..git",
        ".git_",
        "a.git",
        ".gi",
        "",
        ".",
        ".git.x",
        ".git x",
        "\u{200c}",
        ".g\u{131}t",
        ".git\u{2000}",
    ] {
        assert!(!is_dotgit_disguise(name.as_bytes()), "{name}");
    }
    assert!(!is_dotgit_disguise(b".git\xff"));
}

/// git itself refuses to put such names into its index.
#[test]
fn git_refuses_the_same_disguises() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.git(&["config", "core.protectNTFS", "true"]);
    sandbox.git(&["config", "core.protectHFS", "true"]);
    let blob = sandbox.oid(&["hash-object", "-w", "-t", "blob", "/dev/null"]);
    let pieces = [
        ".", "g", "i", "t", "G", "~", "1", " ", ":", "\\", "\u{200c}", "git", ".git", "git~1", "x",
    ];
    let mut random = Random::new(1);
    let mut disguises = 0;
    for _ in 0..600 {
        let name: String =
            (0..=random.below(5)).map(|_| pieces[random.below(pieces.len())]).collect();
        if matches!(name.as_str(), "." | "..") {
            continue;
        }
        let info = format!("100644,{blob},{name}");
        let refused = !sandbox
            .try_git(&["update-index", "--add", "--cacheinfo", &info], b"")
            .status
            .success();
        // git does not look behind a backslash that comes first; we do.
        let stricter = name.starts_with('\\') && is_dotgit_disguise(name.as_bytes());
        assert_eq!(is_dotgit_disguise(name.as_bytes()), refused || stricter, "{name:?}");
        disguises += usize::from(refused);
        let _ = sandbox.try_git(&["update-index", "--force-remove", &name], b"");
    }
    assert!(disguises > 20, "only {disguises} disguises were tried");
}

#[test]
fn hostile_entries_are_hidden_and_the_rest_is_sorted_by_bytes() {
    let long = [b'n'; 256];
    let tree = Tree::sift(vec![
        raw(0o100_644, b"z"),
        raw(0o40000, b"a"),
        raw(0o100_755, b"a.b"),
        raw(0o40000, b".."),
        raw(0o40000, b"."),
        raw(0o100_644, b""),
        raw(0o100_644, b"a/b"),
        raw(0o40000, b".GIT"),
        raw(0o100_644, b"git~1"),
        raw(0o100_644, &long),
        raw(0o100_644, &long[..255]),
        raw(0o644, b"mode"),
        raw(0o100_664, b"group"),
        raw(0o160_000, b"sub"),
        raw(0o120_000, b"\xff"),
        raw(0o100_644, b"twin"),
        raw(0o40000, b"twin"),
    ]);
    let n255 = "n".repeat(255);
    assert_eq!(names(&tree), ["a", "a.b", "group", &n255, "sub", "z", "\\xff"]);
    let hidden: Vec<_> = tree.hidden.iter().map(|(name, _)| &name[..]).collect();
    let expected: [&[u8]; 10] =
        [b"..", b".", b"", b"a/b", b".GIT", b"git~1", &long, b"mode", b"twin", b"twin"];
    assert_eq!(hidden, expected);
    assert_eq!(tree.subdirectories(), 2);
    assert_eq!(tree.find(b"a.b").unwrap().mode, TreeMode::BlobExec);
    assert!(tree.find(b"twin").is_none() && tree.find(b"git~1").is_none());
}

#[test]
fn a_directory_of_many_entries_is_found_by_name() {
    let sandbox = Sandbox::new(HashKind::Sha256);
    let mut stdin = Vec::new();
    let blob = sandbox.oid(&["hash-object", "-w", "-t", "blob", "/dev/null"]);
    for number in 0..100_000 {
        stdin.extend_from_slice(format!("100644 blob {blob}\tf{number}\n").as_bytes());
    }
    let tree = sandbox.git_bytes(&["mktree"], &stdin);
    let oid = crate::git::parse(std::str::from_utf8(&tree).unwrap().trim());
    let base = base(&sandbox);
    let tree = base.tree(oid).unwrap();
    assert_eq!(tree.entries.len(), 100_000);
    assert!(tree.find(b"f99999").is_some() && tree.find(b"f100000").is_none());
    assert!(
        Arc::ptr_eq(&tree, &base.tree(oid).unwrap()),
        "the second time it comes from the cache"
    );
}

#[test]
fn small_blobs_are_in_memory_and_big_ones_in_a_file_without_a_name() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let big: Vec<u8> = (0..9 << 20).map(|i: u32| (i / 3) as u8).collect();
    let mut writer = sandbox.open().writer();
    let (small_oid, big_oid) = (writer.blob(b"small").unwrap(), writer.blob(&big).unwrap());
    writer.finish(&OsDisk::default()).unwrap();
    let base = Arc::new(base(&sandbox));
    let small = base.blob(small_oid).unwrap();
    assert!(matches!(small, Blob::Memory(_)));
    let mut buf = [0; 10];
    assert_eq!(small.read_at(&mut buf, 2).unwrap(), 3);
    assert_eq!(&buf[..3], b"all");
    assert_eq!(small.read_at(&mut buf, 99).unwrap(), 0);
    assert_eq!(small.read_at(&mut buf, u64::MAX).unwrap(), 0);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let base = Arc::clone(&base);
            std::thread::spawn(move || base.blob(big_oid).unwrap())
        })
        .collect();
    let blobs: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    for blob in &blobs {
        let (Blob::File(file, len), Blob::File(first, _)) = (blob, &blobs[0]) else {
            panic!("{blob:?}")
        };
        assert_eq!(*len, big.len() as u64);
        assert!(Arc::ptr_eq(file, first), "it was brought once");
    }
    let mut tail = vec![0; 100];
    assert_eq!(blobs[0].read_at(&mut tail, big.len() as u64 - 60).unwrap(), 60);
    assert_eq!(tail[..60], big[big.len() - 60..]);
    assert_eq!(std::fs::read_dir(sandbox.gitdir().join("spill")).unwrap().count(), 0);
}

#[test]
fn a_size_that_is_known_is_not_asked_of_the_object() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let mut writer = sandbox.open().writer();
    let (known, other) = (writer.blob(b"known").unwrap(), writer.blob(b"other!").unwrap());
    writer.finish(&OsDisk::default()).unwrap();
    let path = sandbox.gitdir().join("sizes");
    std::fs::write(&path, SizeTable::encode(HashKind::Sha1, vec![(known, 77)])).unwrap();
    let table = SizeTable::open(&path, HashKind::Sha1).unwrap();
    let base = base(&sandbox).knowing(table);
    assert_eq!(base.blob_size(known).unwrap(), 77);
    assert_eq!(base.blob_size(other).unwrap(), 6);
    // The bytes are those of the object all the same.
    assert_eq!(base.blob(known).unwrap().len(), 5);
}

#[test]
fn what_cannot_be_read_says_why_and_is_read_when_it_came_back() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write("f", "content that is long enough to be damaged");
    sandbox.commit("x");
    let oid = sandbox.rev("HEAD:f");
    let hex = oid.to_string();
    let file = sandbox.gitdir().join("objects").join(&hex[..2]).join(&hex[2..]);
    let bytes = std::fs::read(&file).unwrap();
    let base = base(&sandbox);
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(base.blob(oid), Err(BaseError::Missing(missing)) if missing == oid));
    let mut damaged = bytes.clone();
    let last = damaged.len() - 5;
    damaged[last] ^= 0x55;
    std::fs::write(&file, damaged).unwrap();
    assert!(matches!(base.blob(oid), Err(BaseError::Corrupt { .. })));
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(base.blob(oid).unwrap().len(), 41);
    let tree = sandbox.raw_tree(b"100644 cut");
    assert!(matches!(base.tree(tree), Err(BaseError::Corrupt { .. })));
}

#[test]
fn a_big_blob_is_undone_once_for_all_who_share_and_again_where_its_file_was_damaged() {
    let sandbox = Sandbox::new(HashKind::Sha256);
    let big: Vec<u8> = (0..5 << 20).map(|i: u32| (i / 7) as u8).collect();
    let mut writer = sandbox.open().writer();
    let oid = writer.blob(&big).unwrap();
    writer.finish(&OsDisk::default()).unwrap();
    let shared = sandbox.gitdir().join("shared");
    let kept = shared.join("blobs").join(oid.to_string());
    let read = || {
        let blob = base(&sandbox).sharing(&shared).blob(oid).unwrap();
        let mut bytes = vec![0; big.len() + 1];
        let count = blob.read_at(&mut bytes, 0).unwrap();
        assert!(bytes[..count] == big, "the blob, whole");
        std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&kept).unwrap())
    };
    let first = read();
    assert_eq!(read(), first, "the second finds the file of the first");
    let mut damaged = big.clone();
    damaged[4 << 20] ^= 1;
    std::fs::remove_file(&kept).unwrap();
    std::fs::write(&kept, &damaged).unwrap();
    read();
    assert!(std::fs::read(&kept).unwrap() == big, "made again");
    std::fs::remove_dir_all(&shared).unwrap();
    std::fs::write(&shared, "not a folder").unwrap();
    let blob = base(&sandbox).sharing(&shared).blob(oid).unwrap();
    assert_eq!(blob.len(), big.len() as u64, "without a cache it is shown all the same");
}

#[test]
fn small_objects_are_undone_once_for_all_who_share_and_a_forged_one_is_not_believed() {
    for hash in [HashKind::Sha1, HashKind::Sha256] {
        let sandbox = Sandbox::new(hash);
        let mut writer = sandbox.open().writer();
        let blob = writer.blob(b"the content of a file").unwrap();
        let entry = |name: &[u8]| TreeItem {
            mode: TreeMode::Blob,
            name: Name::new(name).unwrap(),
            oid: blob,
        };
        let tree = writer.tree(vec![entry(b"a"), entry(b"b")]).unwrap();
        writer.finish(&OsDisk::default()).unwrap();
        let shared = sandbox.gitdir().join("shared");
        let read = |base: &Base| -> Result<_, BaseError> {
            let tree = base.tree(tree)?;
            let mut bytes = [0; 100];
            let len = base.blob(tree.find(b"b").unwrap().oid)?.read_at(&mut bytes, 0).unwrap();
            Ok((tree.find(b"a").unwrap().size, bytes[..len].to_vec()))
        };
        let table = sandbox.gitdir().join("sizes");
        std::fs::write(&table, SizeTable::encode(hash, vec![(blob, 21)])).unwrap();
        let knowing =
            base(&sandbox).sharing(&shared).knowing(SizeTable::open(&table, hash).unwrap());
        assert_eq!(read(&knowing).unwrap(), (Some(21), b"the content of a file".to_vec()));
        // Those who come later need neither the objects nor the table.
        let objects = sandbox.gitdir().join("objects");
        let aside = sandbox.gitdir().join("aside");
        std::fs::rename(&objects, &aside).unwrap();
        std::fs::create_dir(&objects).unwrap();
        let later = base(&sandbox).sharing(&shared);
        assert_eq!(read(&later).unwrap(), (Some(21), b"the content of a file".to_vec()));
        assert!(read(&base(&sandbox)).is_err(), "who does not share needs them");
        let mut bytes = std::fs::read(shared.join("undone")).unwrap();
        let content = b"the content of a file";
        let at = bytes.windows(content.len()).position(|window| window == content).unwrap();
        bytes[at] ^= 1;
        std::fs::write(shared.join("undone"), bytes).unwrap();
        assert!(read(&base(&sandbox).sharing(&shared)).is_err());
        std::fs::remove_dir(&objects).unwrap();
        std::fs::rename(&aside, &objects).unwrap();
        for _ in 0..2 {
            let later = base(&sandbox).sharing(&shared);
            assert_eq!(read(&later).unwrap(), (Some(21), b"the content of a file".to_vec()));
        }
    }
}
