//! Writing objects.

use crate::git::{GITS, Sandbox};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use toft::git::{CommitSpec, Date, GitError, Signature, TreeItem};
use toft::sys::{Disk, OsDisk, Reason};
use toft::types::{HashKind, Name, Oid, TreeMode};

const HASHES: [HashKind; 2] = [HashKind::Sha1, HashKind::Sha256];

fn item(mode: TreeMode, name: &[u8], oid: Oid) -> TreeItem {
    TreeItem { mode, name: Name::new(name).unwrap(), oid }
}

fn signature(name: &str, offset: i32) -> Signature {
    let (name, email) = (name.into(), b"a@b".to_vec());
    Signature { name, email, date: Date { seconds: 1_700_000_000, offset } }
}

fn packs(sandbox: &Sandbox) -> Vec<PathBuf> {
    files(&sandbox.gitdir().join("objects/pack"))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn what_is_written_is_what_every_git_reads() {
    for hash in HASHES {
        for git in GITS.into_iter().filter(|git| Path::new(git).exists()) {
            let sandbox = Sandbox::with_git(hash, git);
            let repo = sandbox.open();
            let mut writer = repo.writer();
            let file = writer.blob(b"content").unwrap();
            let empty = writer.blob(b"").unwrap();
            let inner = writer.tree(vec![item(TreeMode::Blob, b"f", file)]).unwrap();
            let items = vec![
                item(TreeMode::Tree, b"a", inner),
                item(TreeMode::Blob, b"a.b", empty),
                item(TreeMode::BlobExec, b"a-b", file),
                item(TreeMode::Link, b"\xff", file),
                item(TreeMode::Blob, b"a0", file),
            ];
            let tree = writer.tree(items).unwrap();
            let spec = CommitSpec {
                tree,
                parents: vec![],
                author: signature("Jos\u{e9}", -9000),
                committer: signature("C", 19800),
                message: b"subject\n\nbody\n".to_vec(),
            };
            let commit = writer.commit(&spec).unwrap();
            assert_eq!(writer.len(), 5);
            assert_eq!(packs(&sandbox), Vec::<PathBuf>::new());
            let disk = OsDisk::default();
            writer.finish(&disk).unwrap();
            assert_eq!(disk.counts().files(Reason::Objects), 2);
            assert_eq!(disk.counts().dirs(Reason::Objects), 1);
            sandbox.git(&["update-ref", "refs/heads/main", &commit.to_string()]);
            sandbox.fsck();
            let packs = packs(&sandbox);
            assert_eq!(packs.len(), 2, "{packs:?}");
            for path in &packs {
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o444);
            }
            sandbox.git(&["verify-pack", "-v", packs[0].to_str().unwrap()]);
            let log = sandbox.git(&["log", "-1", "--format=%an|%ai|%cn|%ci|%B"]);
            let expected =
                "Jos\u{e9}|2023-11-14 19:43:20 -0230|C|2023-11-15 03:43:20 +0530|subject\n\nbody\n";
            assert_eq!(log, expected.trim_end());
            assert_eq!(repo.blob(file).unwrap(), b"content");
        }
    }
}

#[test]
fn objects_that_exist_are_not_written_again() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write("f", "old");
    sandbox.commit("x");
    let repo = sandbox.open();
    let mut writer = repo.writer();
    assert_eq!(writer.blob(b"old").unwrap(), sandbox.rev("HEAD:f"));
    assert_eq!(writer.len(), 0);
    let new = writer.blob(b"new").unwrap();
    assert_eq!(writer.blob(b"new").unwrap(), new);
    assert_eq!(writer.len(), 1);
    let disk = OsDisk::default();
    writer.finish(&disk).unwrap();
    let mut again = repo.writer();
    again.blob(b"new").unwrap();
    assert!(again.is_empty());
    again.finish(&disk).unwrap();
    assert_eq!(disk.counts().files(Reason::Objects), 2);
    assert_eq!(packs(&sandbox).len(), 2);
}

#[test]
fn a_dry_writer_computes_ids_and_stores_nothing() {
    let sandbox = Sandbox::new(HashKind::Sha256);
    sandbox.write("f", "text");
    sandbox.commit("x");
    let repo = sandbox.open();
    let mut writer = repo.dry_writer();
    assert_eq!(writer.blob(b"text").unwrap(), sandbox.rev("HEAD:f"));
    let big = big_file(3 << 20, |i| (i / 7) as u8);
    let oid = writer.blob_from_file(&big.1, 3 << 20).unwrap();
    assert_eq!(oid, sandbox.oid(&["hash-object", big.0.path().to_str().unwrap()]));
    writer.finish(&OsDisk::default()).unwrap();
    assert_eq!(packs(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn big_files_are_spooled_and_come_out_the_same() {
    for hash in HASHES {
        let sandbox = Sandbox::new(hash);
        let repo = sandbox.open();
        let mut writer = repo.writer();
        let noise = noise(40 << 20);
        let zeros = big_file(5 << 20, |_| 0);
        let mut oids = Vec::new();
        for (file, len) in [(&noise, 40 << 20), (&zeros, 5 << 20), (&noise, 40 << 20)] {
            oids.push(writer.blob_from_file(&file.1, len).unwrap());
        }
        assert_eq!(oids[0], oids[2]);
        assert_eq!(writer.len(), 2);
        let small = writer.blob(b"small, after the big ones").unwrap();
        writer.finish(&OsDisk::default()).unwrap();
        assert_eq!(packs(&sandbox).len(), 2);
        sandbox.git(&["verify-pack", packs(&sandbox)[0].to_str().unwrap()]);
        sandbox.fsck();
        assert_eq!(oids[0], sandbox.oid(&["hash-object", noise.0.path().to_str().unwrap()]));
        assert_eq!(repo.blob(oids[1]).unwrap(), vec![0; 5 << 20]);
        assert_eq!(repo.blob(small).unwrap(), b"small, after the big ones");
        let read_back = tempfile::tempfile().unwrap();
        assert_eq!(repo.blob_to_file(oids[0], &read_back).unwrap(), 40 << 20);
    }
}

#[test]
fn a_file_that_became_shorter_leaves_no_trace_in_the_pack() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let repo = sandbox.open();
    let mut writer = repo.writer();
    let before = writer.blob(b"before").unwrap();
    let short = big_file(2 << 20, |i| i as u8);
    assert!(matches!(writer.blob_from_file(&short.1, 30 << 20), Err(GitError::Io { .. })));
    let after = writer.blob(b"after").unwrap();
    writer.finish(&OsDisk::default()).unwrap();
    sandbox.git(&["verify-pack", packs(&sandbox)[0].to_str().unwrap()]);
    assert_eq!(repo.blob(before).unwrap(), b"before");
    assert_eq!(repo.blob(after).unwrap(), b"after");
}

#[test]
fn a_writer_that_is_dropped_or_killed_leaves_nothing_for_long() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let repo = sandbox.open();
    let pack_dir = sandbox.gitdir().join("objects/pack");
    let noise = noise(20 << 20);
    let mut alive = repo.writer();
    alive.blob_from_file(&noise.1, 20 << 20).unwrap();
    std::fs::write(pack_dir.join("tmp_toft_1_0"), "of a process that was killed").unwrap();
    let mut dropped = repo.writer();
    dropped.blob(b"x").unwrap();
    drop(dropped);
    let mut writer = repo.writer();
    writer.blob(b"y").unwrap();
    writer.finish(&OsDisk::default()).unwrap();
    let left: Vec<_> = packs(&sandbox).into_iter().filter(|p| p.extension().is_none()).collect();
    assert_eq!(left.len(), 1, "only the file of the live writer: {left:?}");
    alive.finish(&OsDisk::default()).unwrap();
    assert!(packs(&sandbox).iter().all(|path| path.extension().is_some()));
    sandbox.fsck();
}

#[test]
fn trees_that_git_would_refuse_are_refused() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let mut writer = sandbox.open().writer();
    let oid = writer.blob(b"x").unwrap();
    let twins = vec![item(TreeMode::Blob, b"a", oid), item(TreeMode::Tree, b"a", oid)];
    assert!(matches!(writer.tree(twins), Err(GitError::Refused(_))));
}

/// Bytes that do not compress.
fn noise(len: usize) -> (tempfile::NamedTempFile, File) {
    let mut state = 1_u64;
    big_file(len, |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
}

fn big_file(len: usize, mut byte: impl FnMut(usize) -> u8) -> (tempfile::NamedTempFile, File) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..len).map(&mut byte).collect();
    file.write_all(&bytes).unwrap();
    let read = file.reopen().unwrap();
    (file, read)
}
