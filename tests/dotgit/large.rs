//! Figures on a large repository, where `TOFT_TEST_LARGE` names a bare one.

use std::path::PathBuf;
use std::time::Instant;
use toft::dotgit::{BaseStat, Files, GitdirSpec, IndexLock, after_seal, create, install_index};
use toft::git::{Head, Repo};
use toft::sys::OsDisk;
use toft::types::Timespec;

#[test]
fn a_large_repository_is_ready_at_once() {
    let Some(store) = std::env::var_os("TOFT_TEST_LARGE").map(PathBuf::from) else { return };
    let dir = tempfile::tempdir().unwrap();
    let gitdir = dir.path().join("gitdir");
    let timed = |what: &str, start: Instant| println!("{what}: {:?}", start.elapsed());

    let start = Instant::now();
    let head = Repo::open(&store).unwrap().head().unwrap();
    let commit = head.tip().unwrap();
    let branch = Head::Branch { name: "refs/heads/main".into(), tip: Some(commit) };
    let spec = GitdirSpec {
        store: &store,
        hash: commit.kind(),
        url: "https://host/large",
        head: &branch,
        default_branch: None,
        partial: false,
    };
    timed("open the store", start);
    let start = Instant::now();
    create(&OsDisk::default(), &gitdir, &spec).unwrap();
    timed("create", start);
    let repo = Repo::open(&gitdir).unwrap();
    let tree = repo.commit(commit).unwrap().tree;
    let stat = BaseStat { uid: 0, gid: 0, time: Timespec::from_sec(1_000_000_000) };
    for what in ["prefill", "prefilled"] {
        let start = Instant::now();
        let cache = dir.path().join("cache");
        install_index(&gitdir, &cache, &repo, tree, stat, &OsDisk::default()).unwrap();
        timed(what, start);
    }
    for name in ["toft-index", "toft-index", "index"] {
        std::fs::remove_file(gitdir.join(name)).unwrap();
        let start = Instant::now();
        let lock = IndexLock::acquire(&gitdir).unwrap().unwrap();
        let files = Files { stat: &|_| None, at: Timespec::from_sec(0) };
        assert!(after_seal(lock, &repo, commit, &files).unwrap());
        timed(&format!("follow without {name}"), start);
        if name == "index" {
            break;
        }
    }
}
