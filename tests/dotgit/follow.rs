//! The index after toft moved HEAD.

use crate::support::{Mounted, TestRepo, gits, hard_cases, variants};
use std::fs;
use toft::dotgit::{
    Files, IndexLock, LastRead, Tracked, after_seal, clear_after_power_loss, mend_index,
    read_index, tracked,
};
use toft::types::Timespec;

fn each(test: impl Fn(Mounted)) {
    for (git, format) in variants() {
        let repo = TestRepo::new(git, format);
        hard_cases(&repo);
        repo.run(["commit", "-q", "-m", "one"]);
        let mounted = Mounted::on(repo);
        mounted.check_out();
        mounted.follow();
        test(mounted);
    }
}

/// Everything is as after a commit by git: nothing to see, and no file to read for it.
fn assert_clean(m: &Mounted) {
    assert_eq!(m.git(["diff-files"]), "");
    assert_eq!(m.git(["diff-index", "--cached", "HEAD"]), "");
    assert_eq!(m.git(["status", "--porcelain"]), "");
    assert_eq!(m.git(["write-tree"]), m.git(["rev-parse", "HEAD^{tree}"]));
    let index = read_index(&m.gitdir, m.head().kind()).unwrap();
    m.git(["read-tree", "HEAD"]);
    let gits = read_index(&m.gitdir, m.head().kind()).unwrap();
    assert!(index.cache_tree == gits.cache_tree);
}

fn change(m: &Mounted) {
    fs::write(m.dir.join("plain"), "changed").unwrap();
    fs::remove_file(m.dir.join("a.c")).unwrap();
    fs::remove_dir_all(m.dir.join("pad")).unwrap();
    fs::create_dir_all(m.dir.join("new/folder")).unwrap();
    fs::write(m.dir.join("new/folder/file"), "new").unwrap();
    fs::rename(m.dir.join("b"), m.dir.join("c")).unwrap();
    fs::remove_file(m.dir.join("link")).unwrap();
    fs::write(m.dir.join("link"), "a file now").unwrap();
}

#[test]
fn after_a_seal_everything_is_clean() {
    each(|m| {
        change(&m);
        m.seal();
        m.follow();
        assert_clean(&m);
    });
}

#[test]
fn what_was_staged_becomes_what_was_sealed() {
    each(|m| {
        fs::write(m.dir.join("plain"), "staged").unwrap();
        m.git(["add", "plain"]);
        m.git(["rm", "-q", "--cached", "empty"]);
        fs::write(m.dir.join("later"), "").unwrap();
        m.git(["add", "-N", "later"]);
        change(&m);
        m.seal();
        m.follow();
        assert_clean(&m);
    });
}

#[test]
fn an_index_in_version_4_a_split_one_and_a_damaged_one_are_followed_too() {
    each(|m| {
        for prepare in ["--index-version=4", "--split-index", ""] {
            match prepare {
                "" => fs::write(m.gitdir.join("index"), "DIRC").unwrap(),
                "--index-version=4" => drop(m.git(["update-index", "--index-version", "4"])),
                option => drop(m.git(["update-index", option])),
            }
            fs::write(m.dir.join("plain"), format!("{prepare}!")).unwrap();
            m.seal();
            m.follow();
            assert_clean(&m);
        }
    });
}

#[test]
fn what_is_sparse_stays_sparse() {
    each(|m| {
        m.git(["sparse-checkout", "set", "--no-cone", "/*", "!/plain"]);
        assert!(!m.dir.join("plain").exists());
        fs::write(m.dir.join("empty"), "no more").unwrap();
        m.git(["commit", "-q", "-m", "by git", "empty"]);
        fs::remove_file(m.gitdir.join("toft-index")).unwrap();
        m.follow();
        let index = read_index(&m.gitdir, m.head().kind()).unwrap();
        assert!(index.entries.iter().any(|entry| entry.path == b"plain" && entry.skip_worktree));
        assert_eq!(m.git(["status", "--porcelain"]), "");
    });
}

#[test]
fn a_change_in_the_second_of_the_seal_is_seen() {
    each(|m| {
        // Times that a change within the second does not move.
        let touch = |path: &str| {
            let at = ["-d", "@1700000000", path];
            crate::support::output(crate::support::command("touch", &m.dir).args(at));
        };
        fs::write(m.dir.join("plain"), "one").unwrap();
        touch("plain");
        m.git(["config", "core.trustctime", "false"]);
        m.seal();
        assert!(m.follow_at(1_700_000_000));
        fs::write(m.dir.join("plain"), "two").unwrap();
        touch("plain");
        assert_eq!(m.git(["status", "--porcelain"]), " M plain");
    });
}

#[test]
fn without_stat_data_git_looks_itself() {
    each(|m| {
        change(&m);
        m.seal();
        let lock = IndexLock::acquire(&m.gitdir).unwrap().unwrap();
        let repo = m.open();
        let head = repo.head().unwrap().tip().unwrap();
        let files = Files { stat: &|_| None, at: Timespec::from_sec(0) };
        assert!(after_seal(lock, &repo, head, &files).unwrap());
        assert_eq!(m.git(["status", "--porcelain"]), "");
        assert_eq!(m.git(["diff-files"]), "");
    });
}

#[test]
fn head_that_somebody_else_moved_is_left_to_them() {
    let repo = TestRepo::new(gits()[0], "sha1");
    repo.write("x", b"1");
    repo.commit("one");
    let m = Mounted::on(repo);
    m.check_out();
    m.follow();
    let before = m.head();
    m.git(["commit", "-q", "--allow-empty", "-m", "theirs"]);
    let index = fs::read(m.gitdir.join("index")).unwrap();
    let lock = IndexLock::acquire(&m.gitdir).unwrap().unwrap();
    let files = Files { stat: &|_| None, at: Timespec::from_sec(0) };
    assert!(!after_seal(lock, &m.open(), before, &files).unwrap());
    assert!(fs::read(m.gitdir.join("index")).unwrap() == index);
    assert!(!m.gitdir.join("index.lock").exists());
}

#[test]
fn an_index_that_is_right_already_is_not_written() {
    each(|m| {
        let before = fs::metadata(m.gitdir.join("index")).unwrap().modified().unwrap();
        m.follow();
        assert_eq!(fs::metadata(m.gitdir.join("index")).unwrap().modified().unwrap(), before);
        let hash = m.head().kind();
        assert_eq!(
            tracked(&m.gitdir, hash, &LastRead::default()).unwrap(),
            Tracked::Tree(m.tree())
        );
    });
}

fn mend(m: &Mounted) -> bool {
    let stat = |path: &[u8]| m.stat(path);
    mend_index(&m.gitdir, &m.open(), &Files { stat: &stat, at: Timespec::from_sec(i64::MAX) })
        .unwrap()
}

#[test]
fn an_index_that_a_power_failure_took_is_made_anew() {
    each(|m| {
        assert!(!mend(&m));
        for damage in ["", "\0\0\0\0", "DIRC\0\0\0\x02\0\0\0\x05 and no more of it, alas"] {
            fs::write(m.gitdir.join("index"), damage).unwrap();
            assert!(mend(&m));
            assert_clean(&m);
        }
        fs::remove_file(m.gitdir.join("index")).unwrap();
        assert!(mend(&m));
        assert_clean(&m);
    });
}

#[test]
fn an_index_that_a_power_failure_emptied_is_made_anew_though_it_looks_like_ours() {
    each(|m| {
        let (index, mark) = (m.gitdir.join("index"), m.gitdir.join("toft-index"));
        let boot = toft::sys::current_boot().unwrap().to_string();
        let go_down = || {
            let text = fs::read_to_string(&mark).unwrap();
            assert!(text.contains(&boot));
            fs::write(&mark, text.replace(&boot, &"0".repeat(32))).unwrap();
        };
        go_down();
        assert!(!mend(&m), "one that is whole is not made anew");
        let written = fs::metadata(&index).unwrap();
        fs::write(&index, vec![0; written.len() as usize]).unwrap();
        let file = fs::File::options().write(true).open(&index).unwrap();
        file.set_modified(written.modified().unwrap()).unwrap();
        assert!(!mend(&m), "nothing tears a file while the host runs");
        go_down();
        assert!(mend(&m));
        assert_clean(&m);
    });
}

#[test]
fn what_a_power_failure_leaves_is_in_nobodys_way() {
    each(|m| {
        let pack = m.gitdir.join("objects/pack");
        fs::create_dir_all(m.gitdir.join("refs/heads/deep")).unwrap();
        let locks = ["index.lock", "HEAD.lock", "refs/heads/main.lock", "refs/heads/deep/x.lock"];
        let locks = locks.map(|name| m.gitdir.join(name));
        let orphan = pack.join("pack-1234.idx");
        locks.iter().chain([&orphan]).for_each(|path| fs::write(path, "").unwrap());
        let packs = || fs::read_dir(&pack).unwrap().count();
        let before = packs();
        clear_after_power_loss(&m.gitdir).unwrap();
        assert!(locks.iter().chain([&orphan]).all(|path| !path.exists()));
        assert_eq!(packs(), before - 1);
        m.git(["fsck", "--strict"]);
        m.git(["commit", "-q", "--allow-empty", "-m", "nothing is locked"]);
    });
}

#[test]
fn a_toft_that_was_killed_after_it_moved_head_follows_later() {
    each(|m| {
        change(&m);
        m.seal();
        std::mem::forget(IndexLock::acquire(&m.gitdir).unwrap().unwrap());
        assert!(mend(&m));
        assert_clean(&m);
    });
}

#[test]
fn what_was_staged_by_git_is_not_mended_away() {
    each(|m| {
        fs::write(m.dir.join("plain"), "staged").unwrap();
        m.git(["add", "plain"]);
        assert!(!mend(&m));
        m.git(["update-index", "--split-index"]);
        assert!(!mend(&m));
        assert_eq!(m.git(["status", "--porcelain"]), "M  plain");
    });
}
