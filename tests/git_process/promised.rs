//! Repositories without the contents of files.

use crate::gitrepo::{World, commit, git, path_of, rev};
use toft::git::{FetchOptions, Git, Repo};
use toft::types::Oid;

/// A remote with filters whose commit has `files` files, and a repository without their contents.
fn partial(world: &World, files: usize) -> (String, Git, Repo, Vec<Oid>) {
    let url = world.bare("remote", &[]);
    git(&path_of(&url), &["config", "uploadpack.allowFilter", "true"]);
    let work = world.checkout(&url, "work");
    let files: Vec<_> =
        (0..files).map(|n| (format!("d{}/f{n}", n % 7), format!("{n}\n"))).collect();
    let named: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    commit(&work, &named, "files");
    git(&work, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
    let blobs = named.iter().map(|(name, _)| rev(&work, &format!("HEAD:{name}"))).collect();
    let gitdir = world.gitdir("partial");
    let to = Git::new(&gitdir, None);
    let options = FetchOptions { blobless: true, ..FetchOptions::default() };
    to.fetch(&url, &["+refs/heads/*:refs/remotes/origin/*".to_owned()], &options).unwrap();
    let repo = Repo::open(&gitdir).unwrap();
    (url, to, repo, blobs)
}

#[test]
fn contents_are_left_out_and_come_when_they_are_asked_for() {
    let world = World::new();
    let (url, to, repo, blobs) = partial(&world, 9);
    assert!(repo.is_partial());
    assert_eq!(repo.missing(&blobs), blobs);
    to.fetch_objects(&url, &blobs[2..5]).unwrap();
    repo.refresh_if_stale();
    assert_eq!(repo.missing(&blobs), [&blobs[..2], &blobs[5..]].concat());
    assert_eq!(repo.blob(blobs[3]).unwrap(), b"3\n");
    // Nothing was configured for it.
    assert!(!std::fs::read_to_string(repo.gitdir().join("config")).unwrap().contains("promisor"));
    let unknown = Oid::from_hex(&[b'7'; 40]).unwrap();
    assert!(to.fetch_objects(&url, &[blobs[0], unknown]).is_err());
}

#[test]
fn a_repository_that_is_complete_is_not_partial() {
    let world = World::new();
    let (url, _) = world.seeded("remote");
    let gitdir = world.gitdir("complete");
    let all = ["+refs/heads/*:refs/heads/*".to_owned()];
    Git::new(&gitdir, None).fetch(&url, &all, &FetchOptions::default()).unwrap();
    assert!(!Repo::open(&gitdir).unwrap().is_partial());
}

#[test]
fn what_came_bit_by_bit_is_put_together_and_stays_promised() {
    let world = World::new();
    let (url, to, repo, blobs) = partial(&world, 40);
    for blob in &blobs[..30] {
        to.fetch_objects(&url, &[*blob]).unwrap();
    }
    // Opened before, and read after.
    assert_eq!(repo.blob(blobs[0]).unwrap(), b"0\n");
    let count = || {
        let dir = std::fs::read_dir(repo.gitdir().join("objects/pack")).unwrap();
        let names = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names: Vec<_> = names.collect();
        let ends = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
        (ends(".pack"), ends(".idx"), ends(".promisor"))
    };
    assert_eq!(count(), (31, 31, 31));
    assert!(to.join_promised().unwrap());
    let (packs, indexes, promised) = count();
    assert!(packs <= 2 && packs == indexes && packs == promised, "{:?}", count());
    for (number, blob) in blobs[..30].iter().enumerate() {
        assert_eq!(repo.blob_size(*blob).unwrap(), format!("{number}\n").len() as u64);
        assert_eq!(repo.blob(*blob).unwrap(), format!("{number}\n").as_bytes());
    }
    assert_eq!(repo.missing(&blobs), blobs[30..]);
    assert!(!to.join_promised().unwrap(), "few are left alone");
    git(repo.gitdir(), &["config", "remote.origin.promisor", "true"]);
    git(repo.gitdir(), &["fsck", "--strict", "--connectivity-only"]);
}

#[test]
fn own_packs_are_put_together_without_those_that_are_promised() {
    let world = World::new();
    let (url, to, repo, blobs) = partial(&world, 9);
    to.fetch_objects(&url, &blobs[..4]).unwrap();
    let gitdir = repo.gitdir();
    let own: Vec<Oid> = (0..50)
        .map(|number| {
            let mut writer = repo.writer();
            let oid = writer.blob(format!("own {number}").as_bytes()).unwrap();
            writer.finish(&toft::sys::OsDisk::default()).unwrap();
            oid
        })
        .collect();
    let ends = |end: &str| {
        let dir = std::fs::read_dir(gitdir.join("objects/pack")).unwrap();
        let names = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(end)).collect();
        names.sort();
        names
    };
    let promised = ends(".promisor");
    assert_eq!((promised.len(), ends(".pack").len()), (2, 52));
    assert!(to.consolidate().unwrap());
    assert_eq!(ends(".promisor"), promised);
    assert_eq!(ends(".pack").len(), 3);
    assert!(own.iter().chain(&blobs[..4]).all(|oid| repo.blob(*oid).is_ok()));
    git(gitdir, &["config", "remote.origin.promisor", "true"]);
    git(gitdir, &["fsck", "--strict", "--connectivity-only"]);
}
