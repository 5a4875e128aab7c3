//! Mounting and unmounting.

use crate::view::State;
use crate::world::{World, errno, is_root, lower, sh};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use toft::fuse::{End, MountOptions, Session};

const SOON: Duration = Duration::from_secs(20);

fn mount(dir: &std::path::Path) -> (State<'static>, Session) {
    let state = State::new(lower());
    let options = MountOptions { source: "test".into(), ..MountOptions::default() };
    let session = Session::mount(state.open(), dir, &options).unwrap();
    (state, session)
}

#[test]
fn an_unmount_by_anybody_ends_the_session() {
    for command in ["umount", "fusermount3 -u", "umount -l"] {
        let dir = tempfile::tempdir().unwrap();
        let (_state, session) = mount(dir.path());
        assert_eq!(session.ended(), None);
        sh("/".as_ref(), &format!("{command} '{}'", dir.path().display()));
        assert_eq!(session.wait_for(SOON), Some(End::Unmounted), "{command}");
        assert_eq!(session.wait(), End::Unmounted);
    }
}

#[test]
fn a_mount_in_use_is_busy_and_goes_lazily_when_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let (_state, session) = mount(dir.path());
    let file = File::open(dir.path().join("README")).unwrap();
    let error = session.unmount(false).unwrap_err();
    assert!(error.is_busy(), "{error}");
    assert_eq!(session.ended(), None);
    session.unmount(true).unwrap();
    assert!(!dir.path().join("README").exists(), "the mount point is free at once");
    assert_eq!(session.wait_for(Duration::from_millis(300)), None);
    let mut buf = [0; 6];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut buf, 0).unwrap();
    assert_eq!(&buf, b"hello\n");
    drop(file);
    assert_eq!(session.wait_for(SOON), Some(End::Unmounted));
}

#[test]
fn an_aborted_connection_is_no_unmount() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_state, session) = mount(dir.path());
    let device = fs::metadata(dir.path()).unwrap().dev();
    let minor = rustix::fs::minor(device);
    let control = "/sys/fs/fuse/connections";
    sh("/".as_ref(), &format!("mountpoint -q {control} || mount -t fusectl none {control}"));
    fs::write(format!("{control}/{minor}/abort"), "1").unwrap();
    assert!(matches!(session.wait_for(SOON), Some(End::Broken(_))));
    let broken = errno(fs::read_dir(dir.path()));
    assert!([libc::ENOTCONN, libc::ECONNABORTED].contains(&broken), "{broken}");
    toft::fuse::unmount(dir.path(), true).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_is_not_there_is_refused() {
    let state = State::new(lower());
    let dir = tempfile::tempdir().unwrap();
    let options = MountOptions::default();
    let missing = Session::mount(state.open(), &dir.path().join("no"), &options);
    assert!(missing.is_err_and(|error| error.to_string().contains("No such file")));
    fs::write(dir.path().join("file"), "").unwrap();
    let file = Session::mount(state.open(), &dir.path().join("file"), &options);
    assert!(file.is_err_and(|error| error.to_string().ends_with("not a directory")));
}

#[test]
fn a_read_only_mount_is_refused_by_the_kernel_already() {
    let state = State::new(lower());
    let dir = tempfile::tempdir().unwrap();
    let options = MountOptions { read_only: true, ..MountOptions::default() };
    let session = Session::mount(state.open(), dir.path(), &options).unwrap();
    assert_eq!(errno(fs::write(dir.path().join("README"), "x")), libc::EROFS);
    assert_eq!(fs::read(dir.path().join("README")).unwrap(), b"hello\n");
    session.unmount(false).unwrap();
    assert_eq!(session.wait_for(SOON), Some(End::Unmounted));
}

#[test]
fn the_kernel_asks_once_and_remembers() {
    let world = World::new();
    for _ in 0..3 {
        fs::metadata(world.path("dir/sub/deep")).unwrap();
        assert!(!world.path("dir/nothing").exists());
    }
    let known = world.workspace.counters().inodes;
    sh(world.root(), "find . > /dev/null");
    assert!(world.workspace.counters().inodes > known);
    if fs::write("/proc/sys/vm/drop_caches", "2").is_ok() {
        let settled = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            world.workspace.counters().inodes < 100
        });
        assert!(settled, "{} inodes after forgetting", world.workspace.counters().inodes);
    }
    assert_eq!(fs::read(world.path("dir/sub/deep")).unwrap(), b"deep\n");
}
