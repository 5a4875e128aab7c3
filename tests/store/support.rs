use crate::gitrepo::{World, git};
use std::path::{Path, PathBuf};
use toft::git::Git;
use toft::store::{Request, Store, StoreError, ensure};
use toft::sys::OsDisk;

pub fn run(world: &World, request: &Request<'_>) -> Result<Store, StoreError> {
    let git = |gitdir: &Path| Git::new(gitdir, None);
    ensure(&world.path("cache"), request, &git, &OsDisk::default())
}

pub fn on<'a>(url: &'a str) -> Request<'a> {
    Request { url, ..Request::default() }
}

/// What the store has, by name, checked by git.
pub fn refs(store: &Store) -> Vec<String> {
    git(&store.path, &["fsck", "--full", "--strict", "--no-dangling"]);
    let listed = git(&store.path, &["for-each-ref", "--format=%(refname)"]);
    listed.lines().map(str::to_owned).collect()
}

pub fn packs(store: &Store) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(store.path.join("objects/pack")).unwrap();
    let mut packs: Vec<_> = dir.map(|entry| entry.unwrap().path()).collect();
    packs.sort();
    packs
}
