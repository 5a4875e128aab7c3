//! How often the server is asked.

use crate::support::Host;
use crate::world::{FILES, FOLDERS, World, stat_all, umount};
use std::fs;

#[test]
fn a_mount_takes_four_requests_and_brings_no_file() {
    let Some(world) = World::new("a_mount_takes_four_requests_and_brings_no_file") else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    // Names are in the trees.
    assert_eq!(fs::read_dir(dir.join("a")).unwrap().count(), FILES + 2);
    let requests = world.server.requests();
    assert!(requests.len() <= 4, "{requests:#?}");
    umount(&host, &dir);
}

#[test]
fn the_first_byte_of_a_file_takes_four_requests_for_the_mount_and_two_for_its_folder() {
    let test = "the_first_byte_of_a_file_takes_four_requests_for_the_mount_and_two_for_its_folder";
    let Some(world) = World::new(test) else { return };
    let asked = || world.server.requests().len();
    for (name, depth) in [("whole", &[][..]), ("shallow", &["--depth", "1"])] {
        let (host, before, url) = (Host::new(), asked(), world.url());
        let dir = host.path("work").join(name);
        let mount = ["mount", &url, dir.to_str().unwrap(), "--hydrate", "demand"];
        host.toft_with(&[&mount[..], depth].concat()).expect_code(0);
        let mounted = asked();
        assert!(mounted - before <= 4, "{name}: {:#?}", world.server.requests());
        assert_eq!(fs::read_to_string(dir.join("a/b/f0")).unwrap(), "file 0 of folder 2\n");
        // Where the refs are is asked again by each git.
        assert!(asked() - mounted <= 2, "{name}: {:#?}", world.server.requests());
        umount(&host, &dir);
    }
}

#[test]
fn looking_at_all_files_and_reading_them_takes_less_than_a_request_for_each_folder() {
    let test = "looking_at_all_files_and_reading_them_takes_less_than_a_request_for_each_folder";
    let Some(world) = World::new(test) else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    let mounted = world.fetches();
    assert!(stat_all(&dir) > FOLDERS.len() * FILES);
    let asked = world.fetches() - mounted;
    assert!((1..=FOLDERS.len()).contains(&asked), "{asked} requests");
    world.assert_same(&dir);
    assert_eq!(world.fetches() - mounted, asked, "sizes came with the files");
    // What is here is here for all mounts of this host.
    let other = world.mount(&host, "other");
    let mounted = world.fetches();
    world.assert_same(&other);
    assert_eq!(world.fetches(), mounted);
    umount(&host, &other);
    umount(&host, &dir);
}

#[test]
fn one_file_brings_its_folder_and_nothing_else() {
    let Some(world) = World::new("one_file_brings_its_folder_and_nothing_else") else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    let mounted = world.fetches();
    fs::read(dir.join("a/b/f1")).unwrap();
    assert_eq!(world.fetches() - mounted, 1);
    for file in 0..FILES {
        fs::read(dir.join(format!("a/b/f{file}"))).unwrap();
    }
    assert_eq!(world.fetches() - mounted, 1);
    let store = fs::read_dir(host.path("cache/stores")).unwrap();
    let store = store.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let missing = crate::gitrepo::git(
        &store,
        &["rev-list", "--objects", "--missing=print", "refs/remotes/origin/main^{tree}"],
    );
    let missing = missing.lines().filter(|line| line.starts_with('?')).count();
    assert_eq!(missing, (FOLDERS.len() - 1) * FILES + 1);
    umount(&host, &dir);
}
