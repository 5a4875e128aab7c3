//! All ways to a remote, and to a workspace.

use crate::gitrepo::git;
use crate::support::proxy::{Mode, Proxy};
use crate::support::{self, Host, Kind, Server, Tree};
use crate::world::{FOLDERS, World, umount};
use std::fs;
use std::path::Path;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_remote_gives_files_one_by_one_to_whoever_may_have_them_or_all_of_them() {
    let test = "a_remote_gives_files_one_by_one_to_whoever_may_have_them_or_all_of_them";
    if !support::can_mount(test) {
        return;
    }
    for kind in [Kind::HttpsBearer, Kind::Ssh] {
        let server = Server::start(kind);
        let repo = server.seeded("r.git");
        git(&repo, &["config", "uploadpack.allowFilter", "true"]);
        let host = Host::new();
        server.introduce_to(&host);
        let dir = host.path("work/m");
        let url = server.url("r.git");
        let mut arguments = vec!["mount", &url, text(&dir), "--hydrate", "demand", "--json"];
        let credential = server.secret().map(|secret| {
            format!("--credential=file:{}", text(&host.secret("toft-credential", secret)))
        });
        arguments.extend(credential.as_deref());
        let said = host.toft_with(&arguments).ok();
        // A plain sshd lets nobody ask for protocol 2, and without it no file comes by itself.
        let how = if kind == Kind::Ssh { "full" } else { "demand" };
        assert!(said.contains(&format!("\"hydrate\": \"{how}\"")), "{kind:?}: {said}");
        assert_eq!(fs::read_to_string(dir.join("README")).unwrap(), "hello\n", "{kind:?}");
        fs::write(dir.join("src/main.c"), "int x;\n").unwrap();
        umount(&host, &dir);
        assert_eq!(git(&repo, &["show", "main:src/main.c"]), "int x;", "{kind:?}");
    }
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_file_costs_an_error_and_no_byte() {
    let test = "a_server_that_dies_in_the_middle_of_a_file_costs_an_error_and_no_byte";
    let Some(world) = World::new(test) else { return };
    let port = world.url().rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port);
    let host = Host::new();
    let dir = host.path("work/m");
    let url = format!("http://127.0.0.1:{}/r.git", proxy.port());
    host.toft_with(&["mount", &url, text(&dir), "--hydrate", "demand"]).expect_code(0);
    for (folder, bytes) in FOLDERS[1..].iter().zip([0, 300, 500, 700, 900]) {
        proxy.set(Mode::ResetAfter(bytes));
        let file = dir.join(folder).join("f1");
        // Short answers may pass.
        if let Ok(read) = fs::read(&file) {
            assert_eq!(read, fs::read(world.checkout.join(folder).join("f1")).unwrap());
        }
        proxy.set(Mode::Forward);
        support::wait_until("the file comes", || fs::read(&file).is_ok());
    }
    world.assert_same(&dir);
    umount(&host, &dir);
}

#[test]
fn a_shallow_lazy_mount_has_one_commit_and_all_files() {
    let Some(world) = World::new("a_shallow_lazy_mount_has_one_commit_and_all_files") else {
        return;
    };
    let host = Host::new();
    let dir = host.path("work/m");
    let url = world.url();
    let arguments = ["mount", &url, text(&dir), "--hydrate", "demand", "--depth", "1"];
    host.toft_with(&arguments).expect_code(0);
    assert!(world.server.requests().len() <= 4, "{:#?}", world.server.requests());
    assert_eq!(host.git(&dir, &["rev-list", "--count", "HEAD"]), "1");
    world.assert_same(&dir);
    fs::write(dir.join("new"), "new\n").unwrap();
    umount(&host, &dir);
    git(&world.checkout, &["pull", "-q", "origin", "main"]);
    assert!(world.checkout.join("new").exists());
    assert_eq!(git(&world.checkout, &["rev-list", "--count", "HEAD"]), "3");
}

#[test]
fn work_in_a_lazy_mount_outlives_the_store_and_a_fork_shares_it() {
    let Some(world) = World::new("work_in_a_lazy_mount_outlives_the_store_and_a_fork_shares_it")
    else {
        return;
    };
    let host = Host::new();
    let dir = world.mount(&host, "m");
    fs::write(dir.join("a/f1"), "work\n").unwrap();
    let fork = host.path("work/fork");
    host.toft_with(&["mount", "--fork-of", text(&dir), text(&fork)]).expect_code(0);
    assert_eq!(fs::read_to_string(fork.join("a/f1")).unwrap(), "work\n");
    let expected = Tree::read(&world.checkout.join("z"));
    Tree::read(&fork.join("z")).for_git().assert_equals(&expected.clone().for_git());
    host.toft_with(&["umount", text(&fork), "--discard"]).expect_code(0);
    host.toft_with(&["umount", text(&dir), "--no-push"]).expect_code(0);
    fs::remove_dir_all(host.path("cache")).unwrap();
    world.mount(&host, "m");
    assert_eq!(fs::read_to_string(dir.join("a/f1")).unwrap(), "work\n");
    Tree::read(&dir.join("z")).for_git().assert_equals(&expected.for_git());
    host.toft_with(&["fsck", text(&dir)]).expect_code(0);
    umount(&host, &dir);
    git(&world.checkout, &["pull", "-q", "origin", "main"]);
    assert_eq!(fs::read_to_string(world.checkout.join("a/f1")).unwrap(), "work\n");
}
