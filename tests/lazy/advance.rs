//! What comes before anybody looks at it.

use crate::gitrepo::git;
use crate::http::Fault;
use crate::support::{Host, wait_until};
use crate::world::{FILES, FOLDERS, World, stat_all, umount};
use std::fs;
use std::path::Path;

fn status(host: &Host, dir: &Path) -> serde_json::Value {
    let said = host.toft_with(&["status", "--json", dir.to_str().unwrap()]).ok();
    serde_json::from_str(&said).unwrap()
}

/// Contents that differ; the link is one.
const CONTENTS: usize = FOLDERS.len() * FILES + 1;

#[test]
fn a_lazy_mount_brings_a_small_repository_by_itself_and_then_needs_no_remote() {
    let test = "a_lazy_mount_brings_a_small_repository_by_itself_and_then_needs_no_remote";
    let Some(world) = World::new(test) else { return };
    let host = Host::new();
    let (dir, _) = world.mount_with(&host, "m", "lazy");
    wait_until("all is here", || status(&host, &dir)["away"] == 0);
    world.server.fault("/", Fault::Drop);
    world.assert_same(&dir);
    world.server.heal();
    umount(&host, &dir);
}

#[test]
fn what_is_prefetched_is_here_and_what_is_not_is_told() {
    let Some(world) = World::new("what_is_prefetched_is_here_and_what_is_not_is_told") else {
        return;
    };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    assert_eq!(status(&host, &dir)["away"], CONTENTS);
    let mounted = world.fetches();
    let fetch = |globs: &[&str]| {
        let mut arguments = vec!["prefetch", "--json", dir.to_str().unwrap()];
        arguments.extend(globs);
        let said = host.toft_with(&arguments).ok();
        serde_json::from_str::<serde_json::Value>(&said).unwrap()
    };
    let report = fetch(&["a/b", "*/f0"]);
    let folders_of_b = 2;
    let others = FOLDERS.len() - folders_of_b - 1;
    assert_eq!(report["files"], folders_of_b * FILES + others);
    assert_eq!(report["fetched"], report["files"]);
    assert_eq!(world.fetches() - mounted, 1);
    fs::read(dir.join("a/b/c/f7")).unwrap();
    assert_eq!(world.fetches() - mounted, 1);
    assert_eq!(fetch(&["a/b"])["fetched"], 0);
    assert_eq!(fetch(&[])["files"], CONTENTS);
    assert_eq!(status(&host, &dir)["away"], 0);
    assert_eq!(world.fetches() - mounted, 2);
    umount(&host, &dir);
}

#[test]
fn many_fetches_leave_few_packs() {
    let Some(world) = World::new("many_fetches_leave_few_packs") else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    for file in 0..3 {
        for folder in FOLDERS {
            let one = format!("{folder}/f{file}");
            host.toft_with(&["prefetch", dir.to_str().unwrap(), one.trim_start_matches('/')]).ok();
        }
    }
    let store = fs::read_dir(host.path("cache/stores")).unwrap();
    let store = store.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let packs = || fs::read_dir(store.join("objects/pack")).unwrap().count() / 4;
    wait_until("they are put together", || packs() < 24);
    assert!(stat_all(&dir) > CONTENTS);
    world.assert_same(&dir);
    git(&store, &["fsck", "--strict", "--connectivity-only"]);
    umount(&host, &dir);
}
