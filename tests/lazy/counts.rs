//! How often the server is asked.

use crate::gitrepo;
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

/// A walk that knows all names before it reads the first file: tar, rg, rsync.
#[test]
fn files_that_are_read_long_after_their_folder_was_listed_come_many_at_a_time() {
    let test = "files_that_are_read_long_after_their_folder_was_listed_come_many_at_a_time";
    let Some(world) = World::new(test) else { return };
    let (folders, files) = (3_000, 16);
    let mut import = String::from("commit refs/heads/main\ncommitter c <c@c> 1 +0000\ndata 1\nm\n");
    for number in 0..folders * files {
        let (folder, text) = (number / files, format!("file {number}\n"));
        let line = format!("M 644 inline {folder:04}/f{number:05}\ndata {}\n{text}\n", text.len());
        import.push_str(&line);
    }
    let file = world.repos.path("import");
    fs::write(&file, import).unwrap();
    let mut command =
        gitrepo::command(&world.repos.path("r.git"), &["fast-import", "--quiet", "--force"]);
    command.stdin(fs::File::open(&file).unwrap());
    assert!(command.status().unwrap().success());
    let host = Host::new();
    let dir = world.mount(&host, "m");
    let mut listed = Vec::new();
    for folder in fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()) {
        if folder.is_dir() {
            listed.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert_eq!(listed.len(), folders * files);
    listed.sort();
    let before = world.fetches();
    for (number, file) in listed.iter().take(20 * files).enumerate() {
        assert_eq!(fs::read_to_string(file).unwrap(), format!("file {number}\n"));
    }
    let asked = world.fetches() - before;
    assert!((1..=6).contains(&asked), "{asked} requests");
    umount(&host, &dir);
}
