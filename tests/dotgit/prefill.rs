//! The index of a fresh mount.

use crate::support::{Mounted, TestRepo, gits, hard_cases, variants};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use toft::base::SizeTable;
use toft::dotgit;
use toft::dotgit::index::{Entry, FileStat, Stat, decode};
use toft::dotgit::{BaseStat, DotgitError, LastRead, Tracked, in_progress, read_index, tracked};
use toft::types::{Ino, Oid, Timespec, TreeMode};

const STAT: BaseStat =
    BaseStat { uid: 1234, gid: 56, time: Timespec { sec: 1_500_000_000, nsec: 0 } };

fn each(test: impl Fn(Mounted)) {
    for (git, format) in variants() {
        let repo = TestRepo::new(git, format);
        hard_cases(&repo);
        repo.run(["commit", "-q", "-m", "one"]);
        test(Mounted::on(repo));
    }
}

/// The inode number of an untouched path.
fn ino(path: &[u8]) -> Ino {
    path.split(|byte| *byte == b'/').fold(Ino::ROOT, Ino::of_base_child)
}

#[test]
fn it_is_what_git_would_write_but_for_the_stat_data() {
    each(|mounted| {
        mounted.install(STAT).unwrap();
        let ours = std::fs::read(mounted.gitdir.join("index")).unwrap();
        let said = mounted.git(["ls-files", "--stage", "-z"]);
        mounted.git(["read-tree", "HEAD"]);
        assert_eq!(mounted.git(["ls-files", "--stage", "-z"]), said);
        let theirs = std::fs::read(mounted.gitdir.join("index")).unwrap();
        let hash = mounted.head().kind();
        let (mut ours, theirs) = (decode(&ours, hash).unwrap(), decode(&theirs, hash).unwrap());
        for entry in &mut ours.entries {
            entry.stat = Stat::default();
        }
        assert!(ours == theirs, "the same entries and the same cached trees");
    });
}

#[test]
fn the_stat_data_are_those_of_the_mount() {
    each(|mounted| {
        mounted.install(STAT).unwrap();
        mounted.check_out();
        let index = read_index(&mounted.gitdir, mounted.head().kind()).unwrap();
        assert!(index.entries.len() > 30);
        for Entry { path, mode, stat, .. } in &index.entries {
            let size = match mode {
                TreeMode::Commit => 0,
                _ => mounted.stat(path).unwrap().size,
            };
            let BaseStat { uid, gid, time } = STAT;
            let expected = FileStat { ino: ino(path), size, uid, gid, mtime: time, ctime: time };
            assert_eq!(*stat, Stat::from(expected), "{}", path.escape_ascii());
        }
        // And git reads them so.
        let debug = mounted.git(["ls-files", "--debug", "b/one"]);
        for field in
            ["mtime: 1500000000:0", "ctime: 1500000000:0", "uid: 1234", "gid: 56", "size: 1"]
        {
            assert!(debug.contains(field), "{debug}");
        }
        assert!(debug.contains(&format!("ino: {}", ino(b"b/one").0 as u32)), "{debug}");
    });
}

#[test]
fn git_knows_all_trees_without_computing_one() {
    each(|mounted| {
        mounted.install(STAT).unwrap();
        // There is nothing to compute from.
        std::fs::rename(mounted.store.join("objects"), mounted.store.join("away")).unwrap();
        std::fs::create_dir(mounted.store.join("objects")).unwrap();
        assert_eq!(mounted.git(["write-tree", "--missing-ok"]), mounted.tree().to_string());
    });
}

#[test]
fn a_second_workspace_gets_the_same_file() {
    let repo = TestRepo::new(gits()[0], "sha1");
    hard_cases(&repo);
    repo.run(["commit", "-q", "-m", "one"]);
    let mounted = Mounted::on(repo);
    assert!(!mounted.install(STAT).unwrap().cached);
    let first = std::fs::metadata(mounted.gitdir.join("index")).unwrap();
    assert!(mounted.install(STAT).unwrap().cached);
    let again = std::fs::metadata(mounted.gitdir.join("index")).unwrap();
    assert_eq!((first.ino(), again.nlink()), (again.ino(), 2));
    // git replaces its own and leaves the other one alone.
    let cached = kept(&mounted, "index-");
    let before = std::fs::read(&cached[0]).unwrap();
    mounted.git(["rm", "-q", "--cached", "plain"]);
    assert!(std::fs::read(&cached[0]).unwrap() == before && cached.len() == 1);
    // Another owner or another time is another index.
    for other in [BaseStat { uid: 1, ..STAT }, BaseStat { time: Timespec::from_sec(9), ..STAT }] {
        assert!(!mounted.install(other).unwrap().cached);
    }
}

#[test]
fn an_index_that_is_not_younger_than_its_files_is_not_kept_for_others() {
    let repo = TestRepo::new(gits()[0], "sha1");
    repo.write("x", b"");
    repo.commit("one");
    let mounted = Mounted::on(repo);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let ahead = i64::try_from(now.as_secs()).unwrap() + 60;
    let stat = BaseStat { time: Timespec::from_sec(ahead), ..STAT };
    assert!(!mounted.install(stat).unwrap().cached);
    assert!(!mounted.install(stat).unwrap().cached);
}

#[test]
fn the_cache_keeps_a_few_and_no_more() {
    let repo = TestRepo::new(gits()[0], "sha1");
    repo.write("x", b"");
    repo.commit("one");
    let mounted = Mounted::on(repo);
    for uid in 0..20 {
        mounted.install(BaseStat { uid, ..STAT }).unwrap();
    }
    assert_eq!(kept(&mounted, "index-").len(), 8);
    assert!(mounted.install(BaseStat { uid: 19, ..STAT }).unwrap().cached);
}

#[test]
fn the_sizes_are_kept_for_mounts_and_for_the_next_commit() {
    each(|mounted| {
        mounted.install(STAT).unwrap();
        let index = read_index(&mounted.gitdir, mounted.head().kind()).unwrap();
        let path = dotgit::size_table(&mounted.store.join("toft"), mounted.tree());
        assert_eq!(kept(&mounted, "sizes-"), [path.as_path()]);
        let table = SizeTable::open(&path, mounted.head().kind()).unwrap();
        let mut told: Vec<(Oid, u64)> = Vec::new();
        for entry in index.entries.iter().filter(|entry| entry.mode != TreeMode::Commit) {
            let size = table.get(entry.oid).expect("all are told");
            assert_eq!(size, u64::from(entry.stat.size), "{}", entry.path.escape_ascii());
            told.push((entry.oid, size + 1));
        }
        // What is known is not asked of the objects again: here it is wrong on purpose.
        std::fs::write(&path, SizeTable::encode(mounted.head().kind(), told)).unwrap();
        mounted.install(BaseStat { uid: 1, ..STAT }).unwrap();
        let again = read_index(&mounted.gitdir, mounted.head().kind()).unwrap();
        for (entry, before) in again.entries.iter().zip(&index.entries) {
            let more = u32::from(entry.mode != TreeMode::Commit);
            assert_eq!(entry.stat.size, before.stat.size + more);
        }
    });
}

/// What the store keeps of one kind.
fn kept(mounted: &Mounted, kind: &str) -> Vec<PathBuf> {
    let all = mounted.store.join("toft").read_dir().unwrap().flatten();
    let is_kind = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(kind);
    all.map(|entry| entry.path()).filter(is_kind).collect()
}

#[test]
fn an_empty_tree_makes_an_empty_index() {
    for git in gits() {
        let repo = TestRepo::new(git, "sha1");
        repo.commit("empty");
        let mounted = Mounted::on(repo);
        mounted.install(STAT).unwrap();
        assert_eq!(mounted.git(["status", "--porcelain"]), "");
        assert_eq!(mounted.git(["write-tree"]), mounted.tree().to_string());
    }
}

/// A tree by its entries, as they are.
fn raw_tree(repo: &TestRepo, entries: &[(&str, &[u8], &str)]) -> String {
    let mut bytes = Vec::new();
    for (mode, name, oid) in entries {
        bytes.extend_from_slice(format!("{mode} ").as_bytes());
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(Oid::from_hex(oid.as_bytes()).unwrap().as_slice());
    }
    repo.write("../tree", &bytes);
    repo.text(["hash-object", "-t", "tree", "--literally", "-w", "../tree"])
}

#[test]
fn what_the_mount_hides_is_not_in_the_index_and_is_told_each_time() {
    for git in gits() {
        let repo = TestRepo::new(git, "sha1");
        repo.write("fine", b"fine");
        repo.commit("one");
        let blob = repo.text(["rev-parse", "HEAD:fine"]);
        let tree = repo.text(["rev-parse", "HEAD^{tree}"]);
        let bad = raw_tree(
            &repo,
            &[("40000", b".GIT", &tree), ("100644", b"..", &blob), ("100644", b"good", &blob)],
        );
        let empty = raw_tree(&repo, &[]);
        let root = raw_tree(
            &repo,
            &[("40000", b"bad", &bad), ("40000", b"empty", &empty), ("40000", b"ok", &tree)],
        );
        let commit = repo.text(["commit-tree", "-m", "hostile", &root]);
        repo.run(["update-ref", "HEAD", &commit]);
        let mounted = Mounted::on(repo);
        for _ in 0..2 {
            let installed = mounted.install(STAT).unwrap();
            let mut hidden: Vec<_> = installed.hidden.into_iter().map(|(path, _)| path).collect();
            hidden.sort();
            assert_eq!(hidden, [&b"bad/.."[..], b"bad/.GIT"]);
        }
        assert_eq!(mounted.git(["ls-files"]), "bad/good\nok/fine");
        let index = read_index(&mounted.gitdir, mounted.head().kind()).unwrap();
        let root = index.cache_tree.unwrap();
        let names: Vec<_> =
            root.children.iter().map(|child| (&*child.name, child.valid.is_some())).collect();
        assert_eq!((root.valid, names), (None, vec![(&b"ok"[..], true), (b"bad", false)]));
    }
}

#[test]
fn a_tree_with_an_empty_folder_is_not_what_git_would_make_of_its_files() {
    for git in gits() {
        let repo = TestRepo::new(git, "sha1");
        repo.write("fine", b"fine");
        repo.commit("one");
        let blob = repo.text(["rev-parse", "HEAD:fine"]);
        let empty = raw_tree(&repo, &[]);
        let root = raw_tree(&repo, &[("40000", b"empty", &empty), ("100644", b"fine", &blob)]);
        let commit = repo.text(["commit-tree", "-m", "odd", &root]);
        repo.run(["update-ref", "HEAD", &commit]);
        let mounted = Mounted::on(repo);
        mounted.install(STAT).unwrap();
        let index = read_index(&mounted.gitdir, mounted.head().kind()).unwrap();
        assert!(
            index.cache_tree.is_some_and(|root| root.valid.is_none() && root.children.is_empty())
        );
        assert_ne!(mounted.git(["write-tree"]), root);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_left_to_the_mount_to_tell() {
    let repo = TestRepo::new(gits()[0], "sha1");
    repo.write("a", b"good");
    repo.write("b", b"lost");
    repo.commit("one");
    let lost = repo.text(["rev-parse", "HEAD:b"]);
    let mounted = Mounted::on(repo);
    lose(&mounted, &lost);
    mounted.install(STAT).unwrap();
    let index = read_index(&mounted.gitdir, mounted.head().kind()).unwrap();
    assert_eq!(index.entries[1].stat, Stat::default());
    assert_ne!(index.entries[0].stat, Stat::default());
    assert!(!mounted.store.join("toft").exists());
}

#[test]
fn with_a_folder_that_cannot_be_read_git_refuses_rather_than_takes_all_for_deleted() {
    for git in gits() {
        let repo = TestRepo::new(git, "sha1");
        repo.write("a/x", b"good");
        repo.write("b/y", b"lost");
        repo.commit("one");
        let lost = repo.text(["rev-parse", "HEAD:b"]);
        let mounted = Mounted::on(repo);
        lose(&mounted, &lost);
        assert!(matches!(mounted.install(STAT), Err(DotgitError::Git(_))));
        for args in [&["status"][..], &["commit", "-m", "x"], &["add", "-A"]] {
            assert!(!mounted.try_git(args).status.success());
        }
        let hash = mounted.head().kind();
        assert_eq!(in_progress(&mounted.gitdir, hash, &LastRead::default()).unwrap(), None);
        assert_eq!(
            tracked(&mounted.gitdir, hash, &LastRead::default()).unwrap(),
            Tracked::Tree(mounted.tree())
        );
    }
}

/// Removes an object from the store.
fn lose(mounted: &Mounted, oid: &str) {
    let packs = mounted.store.join("objects/pack");
    let aside = mounted.store.join("aside");
    std::fs::rename(&packs, &aside).unwrap();
    std::fs::create_dir(&packs).unwrap();
    for pack in aside.read_dir().unwrap().flatten() {
        if pack.path().extension().is_some_and(|extension| extension == "pack") {
            let pack = std::fs::File::open(pack.path()).unwrap();
            let mut unpack = crate::support::command(mounted.repo.git, &mounted.store);
            crate::support::output(unpack.args(["unpack-objects", "-q"]).stdin(pack));
        }
    }
    std::fs::remove_file(mounted.store.join("objects").join(&oid[..2]).join(&oid[2..])).unwrap();
}

#[test]
fn a_tree_that_stands_for_too_many_files_is_told() {
    if std::env::var_os("TOFT_TEST_LONG").is_none() {
        return;
    }
    let repo = TestRepo::new(gits()[0], "sha1");
    repo.write("x", b"boom");
    repo.commit("one");
    let mut tree = repo.text(["rev-parse", "HEAD^{tree}"]);
    for _ in 0..8 {
        let names: Vec<String> = (10..30).map(|number| number.to_string()).collect();
        let entries: Vec<_> = names.iter().map(|name| ("40000", name.as_bytes(), &*tree)).collect();
        tree = raw_tree(&repo, &entries);
    }
    let commit = repo.text(["commit-tree", "-m", "bomb", &tree]);
    repo.run(["update-ref", "HEAD", &commit]);
    let mounted = Mounted::on(repo);
    assert!(matches!(mounted.install(STAT), Err(DotgitError::TooLarge { .. })));
}
