//! The upgrade of the format: an overlay of records of version 2 is opened, goes on, is trimmed.

use crate::older::{make_older, versions};
use crate::oracle::{difference, read_tree};
use crate::world::{World, kill, seeded_remote};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toft::overlay::Overlay;
use toft::sys::OsDisk;

fn overlay_of(world: &World) -> PathBuf {
    let mut all = std::fs::read_dir(world.host.path("state/workspaces")).unwrap().flatten();
    all.next().unwrap().path()
}

/// Works, and leaves the workspace as an older toft would have, its daemon killed.
fn older_workspace(world: &World, remote: &Path) -> PathBuf {
    world.mount(remote);
    std::fs::create_dir(world.dir.join("folder")).unwrap();
    std::fs::write(world.dir.join("folder/small"), "small\n").unwrap();
    std::fs::write(world.dir.join("large"), vec![7; 300_000]).unwrap();
    std::fs::write(world.dir.join("README"), "changed\n").unwrap();
    std::fs::hard_link(world.dir.join("large"), world.dir.join("folder/link")).unwrap();
    std::fs::rename(world.dir.join("src"), world.dir.join("source")).unwrap();
    let seen = read_tree(&world.dir);
    kill(world.pid());
    let overlay = overlay_of(world);
    make_older(&overlay);
    assert_eq!(versions(&overlay), [2]);
    world.mount(remote);
    let wrong = difference(&seen, &read_tree(&world.dir));
    assert!(wrong.is_empty(), "{wrong:#?}");
    overlay
}

#[test]
fn an_older_journal_goes_on_with_newer_records_and_both_are_read_after_a_kill() {
    let world = World::new();
    let remote = seeded_remote(&world.host);
    let overlay = older_workspace(&world, &remote);
    std::fs::write(world.dir.join("new"), "new\n").unwrap();
    let seen = read_tree(&world.dir);
    kill(world.pid());
    assert_eq!(versions(&overlay), [2, 3]);
    world.mount(&remote);
    let wrong = difference(&seen, &read_tree(&world.dir));
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.host.run(world.toft("umount")).expect_code(0);
    assert_eq!(world.host.git(&remote, &["show", "main:folder/small"]), "small");
    assert_eq!(world.host.git(&remote, &["show", "main:new"]), "new");
}

#[test]
fn an_older_journal_that_is_trimmed_holds_newer_records_only() {
    let world = World::new();
    let remote = seeded_remote(&world.host);
    let overlay = older_workspace(&world, &remote);
    let seen = read_tree(&world.dir);
    kill(world.pid());
    let (opened, _) = Overlay::open(&overlay, Arc::new(OsDisk::default())).unwrap();
    opened.trim_above(0).unwrap();
    drop(opened);
    assert_eq!(versions(&overlay), [3]);
    world.mount(&remote);
    let wrong = difference(&seen, &read_tree(&world.dir));
    assert!(wrong.is_empty(), "{wrong:#?}");
}
