use crate::world::World;
use std::fs;

/// What each bad request ends with, and a word of what it says.
fn refused(world: &World, line: &str, code: i32, word: &str) {
    let ran = world.host.toft(line).expect_code(code);
    assert!(ran.stderr.contains(word), "{line}: {}", ran.stderr);
    assert!(ran.stderr.starts_with("error["), "{line}: {}", ran.stderr);
    assert!(ran.stderr.contains("\n  fix: "), "{line} says not what to do: {}", ran.stderr);
}

#[test]
fn sources_that_cannot_be_mounted_are_refused_each_for_its_reason() {
    let world = World::new();
    let url = world.server.url("r.git");
    let plain = world.host.folder("plain");
    refused(&world, "mount ./nowhere m", 1, "no-such-repository");
    refused(&world, &format!("mount {} m", plain.display()), 1, "no-such-repository");
    refused(&world, "mount http://127.0.0.1:1/r m", 69, "unreachable");
    refused(&world, "mount https://me:hunter2@127.0.0.1/r m", 2, "password");
    refused(&world, "mount ext::sh m", 2, "usage");
    refused(&world, &format!("mount {url} m -b nope"), 1, "no-such-ref");
    refused(&world, &format!("mount {url} m --at 0123456789"), 1, "no-such-ref");
    refused(&world, &format!("mount {url} m --flush-on never"), 2, "flush-on");
    refused(&world, &format!("mount {url} m -o alow_other"), 2, "allow_other");
    assert!(!world.dir.exists(), "no folder is left behind");
}

#[test]
fn folders_that_cannot_be_mounted_at_are_refused_each_for_its_reason() {
    let world = World::new();
    let url = world.server.url("r.git");
    fs::write(world.host.path("work/file"), "x").unwrap();
    fs::write(world.host.folder("full").join("x"), "x").unwrap();
    refused(&world, &format!("mount {url} file"), 1, "dir-not-a-directory");
    refused(&world, &format!("mount {url} full"), 1, "dir-not-empty");
    let inside = world.remote().join("inside");
    refused(&world, &format!("mount {url} {}", inside.display()), 1, "inside its own source");
    let state = world.host.path("state/inside");
    refused(&world, &format!("mount {url} {}", state.display()), 1, "keeps its own files");
    world.mount();
    refused(&world, &format!("mount {url} m/src"), 1, "inside another toft mount");
    assert!(world.mount_with("").ok().starts_with("already mounted"));
    world.server.seeded("s.git");
    refused(&world, &format!("mount {} m", world.server.url("s.git")), 1, "already-mounted");
}

#[test]
fn a_workspace_is_mounted_once() {
    let world = World::new();
    world.mount();
    let id = world.json("status")["workspace"]["id"].as_str().unwrap().to_owned();
    refused(&world, &format!("mount --workspace {id} elsewhere"), 75, "held");
    refused(&world, "status nowhere", 1, "no-such-workspace");
    refused(&world, &format!("rm {id}"), 75, "in use");
}

#[test]
fn an_empty_repository_is_an_empty_folder_and_its_first_flush_its_first_commit() {
    let world = World::new();
    let repo = world.server.create("empty.git");
    let url = world.server.url("empty.git");
    world.host.toft(&format!("mount {url} m")).ok();
    let names: Vec<_> = fs::read_dir(&world.dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, [".git"]);
    world.write("one", "1\n");
    world.at("umount").expect_code(0);
    let host = crate::support::Host::new();
    assert_eq!(host.git(&repo, &["log", "--format=%s", "main"]), "Add one");
}

#[test]
fn a_remote_that_refuses_keeps_the_work_here() {
    let world = World::new();
    let hook = world.remote().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho no thanks\nexit 1\n").unwrap();
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.mount();
    world.write("a", "a\n");
    let ran = world.at("umount").expect_code(76);
    assert!(ran.stderr.contains("no thanks"), "{}", ran.stderr);
    fs::remove_file(hook).unwrap();
    let list = world.host.toft("list").ok();
    let id = list.split_whitespace().next().unwrap();
    world.host.toft(&format!("push {id}")).expect_code(0);
    assert_eq!(world.log("main"), ["Add a", "first"]);
}
