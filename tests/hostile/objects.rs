//! T5: objects that are not what they are called.

use super::support::hard_cases::{Damage, damage};
use super::support::repo::{Builder, Node};
use super::support::{self, Host, Kind, Server};
use super::trees::peak_memory_mb;
use super::work::{assert_sound, mount, text, try_mount, umount};
use std::fs;

#[test]
fn a_remote_with_damaged_objects_mounts_nothing() {
    if !support::can_mount("a_remote_with_damaged_objects_mounts_nothing") {
        return;
    }
    let others =
        [(Damage::Missing, "main:src"), (Damage::Other, "main:src"), (Damage::Other, "main")];
    for (how, what) in Damage::ALL.map(|how| (how, "main:README")).into_iter().chain(others) {
        let server = Server::start(Kind::File);
        let repo = server.seeded("r.git");
        let host = Host::new();
        let oid = host.git(&repo, &["rev-parse", what]);
        damage(&repo, &oid, how);
        let dir = host.path("work/r");
        let ran = try_mount(&host, &server.url("r.git"), &dir, "");
        assert_ne!(ran.code, 0, "{how:?} of {what} was taken for good");
        assert!(ran.stderr.contains("error["), "{how:?} of {what}: {}", ran.stderr);
        assert!(support::mounts::below(&host.path("work")).is_empty() && !dir.exists());
    }
}

#[test]
fn replacements_and_grafts_change_nothing_that_is_shown_or_sealed() {
    if !support::can_mount("replacements_and_grafts_change_nothing") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    // the remote offers replacements too
    let builder = Builder::on(&repo);
    let evil = builder.blob(b"evil\n");
    let good = builder.git(&["rev-parse", "main:README"]);
    builder.git(&["update-ref", &format!("refs/replace/{good}"), &evil]);
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    let gitdir = host.git(&dir, &["rev-parse", "--absolute-git-dir"]);
    let first = host.git(&dir, &["rev-parse", "HEAD"]);
    fs::create_dir_all(format!("{gitdir}/refs/replace")).expect("mkdir");
    let stored = host.git(&dir, &["hash-object", "-w", "--stdin-paths"]);
    assert_eq!(stored, "");
    fs::write(dir.join("evil"), "evil\n").expect("write");
    let evil = host.git(&dir, &["hash-object", "-w", "evil"]);
    fs::write(format!("{gitdir}/refs/replace/{good}"), format!("{evil}\n")).expect("write");
    // a graft that says: this commit has another parent
    fs::write(format!("{gitdir}/info/grafts"), format!("{first} {}\n", "1".repeat(40)))
        .expect("write");
    assert_eq!(fs::read(dir.join("README")).expect("read"), b"hello\n");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(host.git(&repo, &["--no-replace-objects", "show", "main:README"]), "hello");
    assert_eq!(host.git(&repo, &["rev-parse", "main~1"]), first);
    builder.git(&["update-ref", "-d", &format!("refs/replace/{good}")]);
    assert_sound(&repo);
}

#[test]
fn a_blob_that_explodes_takes_disk_and_no_memory() {
    if !support::can_mount("a_blob_that_explodes") {
        return;
    }
    let server = Server::start(Kind::File);
    let builder = Builder::init(&server.repo("bomb.git"), "sha1");
    let length = 100 << 20;
    let bomb = Node::Object("100644", builder.zeroes(length));
    let tree = builder.tree(&[(b"bomb".to_vec(), bomb)].into());
    builder.branch("main", &builder.commit(&tree, &[], "bomb"));
    let host = Host::new();
    let dir = mount(&host, &server.url("bomb.git"), "bomb", "");
    let file = fs::File::open(dir.join("bomb")).expect("open");
    let mut end = [1; 4096];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut end, length - 4096).expect("read");
    assert_eq!(end, [0; 4096]);
    drop(file);
    fs::write(dir.join("small"), "x\n").expect("write");
    host.toft_with(&["flush", text(&dir)]).expect_code(0);
    let peak = peak_memory_mb(&host);
    assert!(peak < 150, "{peak} MB");
    umount(&host, &dir, "").expect_code(0);
}
