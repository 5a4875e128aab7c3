//! Servers that cannot, will not, or are not there.

use crate::gitrepo::git;
use crate::http::Fault;
use crate::support::{Host, wait_until};
use crate::world::{FILES, World, stat_all, umount};
use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

#[test]
fn a_server_without_filters_gives_all_files_of_the_tip_and_says_so() {
    let test = "a_server_without_filters_gives_all_files_of_the_tip_and_says_so";
    let Some(world) = World::new(test) else { return };
    world.configure("uploadpack.allowFilter", "false");
    let host = Host::new();
    let (dir, ran) = world.mount_with(&host, "m", "lazy");
    assert!(ran.text().contains("uploadpack.allowFilter"), "{}", ran.text());
    let mounted = world.server.requests().len();
    world.assert_same(&dir);
    assert_eq!(world.server.requests().len(), mounted);
    assert_eq!(host.git(&dir, &["rev-list", "--count", "HEAD"]), "1");
    fs::write(dir.join("new"), "new\n").unwrap();
    umount(&host, &dir);
    assert_eq!(git(&world.repos.path("r.git"), &["rev-list", "--count", "main"]), "3");
}

#[test]
fn without_the_remote_what_is_here_works_and_the_rest_fails_at_once() {
    let test = "without_the_remote_what_is_here_works_and_the_rest_fails_at_once";
    let Some(world) = World::new(test) else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    fs::read(dir.join("a/f1")).unwrap();
    world.server.fault("/", Fault::Drop);
    let start = Instant::now();
    let error = fs::read(dir.join("d/f1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostUnreachable, "{error}");
    for file in 0..FILES {
        assert!(fs::metadata(dir.join(format!("z/f{file}"))).is_err());
    }
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    // Names, and what is here.
    assert_eq!(fs::read_dir(dir.join("d")).unwrap().count(), FILES);
    fs::read(dir.join("a/f2")).unwrap();
    fs::write(dir.join("a/f2"), "changed\n").unwrap();
    fs::write(dir.join("d/new"), "new\n").unwrap();
    host.toft_with(&["umount", dir.to_str().unwrap()]).expect_code(76);
    world.server.heal();
    host.toft("recover").expect_code(0);
    git(&world.checkout, &["pull", "-q", "origin", "main"]);
    assert_eq!(fs::read_to_string(world.checkout.join("d/new")).unwrap(), "new\n");
    assert_eq!(fs::read_to_string(world.checkout.join("a/f2")).unwrap(), "changed\n");
}

#[test]
fn a_server_that_comes_back_is_asked_again() {
    let Some(world) = World::new("a_server_that_comes_back_is_asked_again") else { return };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    for fault in [Fault::Status(503), Fault::Garbage, Fault::LoseReply] {
        world.server.fault("upload-pack", fault);
        assert!(fs::read(dir.join("a/f1")).is_err());
        world.server.heal();
    }
    wait_until("the file comes", || fs::read(dir.join("a/f1")).is_ok());
    world.assert_same(&dir);
    umount(&host, &dir);
}

#[test]
fn one_file_that_does_not_come_holds_up_nothing_else() {
    let Some(world) = World::new("one_file_that_does_not_come_holds_up_nothing_else") else {
        return;
    };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    fs::read(dir.join("a/f1")).unwrap();
    world.server.fault("upload-pack", Fault::Hang);
    // More than there are threads that take requests.
    let stuck: Vec<_> = ["d/f1", "d/f2", "z/f1", "e/f/f1", "e/g/f1", "f1"]
        .map(|file| dir.join(file))
        .map(|path| std::thread::spawn(move || fs::read(path)))
        .into();
    world.server.wait_for("info/refs");
    for _ in 0..20 {
        fs::read(dir.join("a/f2")).unwrap();
        fs::write(dir.join("a/new"), "new\n").unwrap();
        // (In a folder itself the kernel lets nobody list while it looks up a name.)
        assert_eq!(fs::read_dir(dir.join("a/b")).unwrap().count(), FILES + 1);
    }
    assert!(stuck.iter().any(|reader| !reader.is_finished()));
    // Whoever hangs in a call is let go with the mount.
    world.server.release();
    for reader in stuck {
        let _ = reader.join().unwrap();
    }
    umount(&host, &dir);
}

#[test]
fn a_content_that_the_server_lost_costs_no_other_file() {
    let Some(world) = World::new("a_content_that_the_server_lost_costs_no_other_file") else {
        return;
    };
    let repo = world.repos.path("r.git");
    git(&repo, &["config", "core.looseCompression", "0"]);
    let host = Host::new();
    let dir = world.mount(&host, "m");
    let blob = git(&repo, &["rev-parse", "main:d/f5"]);
    let packs = repo.join("objects/pack");
    // Unpacked, one of them can be taken away.
    for pack in fs::read_dir(&packs).unwrap().map(|entry| entry.unwrap().path()) {
        if pack.extension().is_some_and(|end| end == "pack") {
            let aside = world.repos.path("aside.pack");
            fs::rename(&pack, &aside).unwrap();
            let unpack = format!("git unpack-objects -q < {}", aside.display());
            let mut shell = std::process::Command::new("sh");
            assert!(shell.args(["-c", &unpack]).current_dir(&repo).status().unwrap().success());
        }
        let _ = fs::remove_file(pack);
    }
    fs::remove_file(repo.join("objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let mounted = world.fetches();
    assert_eq!(fs::read(dir.join("d/f5")).unwrap_err().raw_os_error(), Some(libc::EIO));
    for file in (0..FILES).filter(|file| *file != 5) {
        fs::read(dir.join(format!("d/f{file}"))).unwrap();
    }
    // One that failed, and one without what the server said it lost.
    assert_eq!(world.fetches() - mounted, 2, "{:#?}", world.server.requests());
    assert!(stat_all(&dir.join("a")) > FILES);
    umount(&host, &dir);
}
