//! inotify, for changes made through the mount.

use crate::world::World;
use rustix::fs::inotify;
use std::fs;
use std::mem::MaybeUninit;

#[test]
fn watchers_are_told() {
    let world = World::new();
    let watcher = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    let flags = inotify::WatchFlags::ALL_EVENTS;
    inotify::add_watch(&watcher, world.path("dir"), flags).unwrap();
    fs::write(world.path("dir/new"), "x").unwrap();
    fs::write(world.path("dir/a"), "changed").unwrap();
    fs::rename(world.path("dir/new"), world.path("dir/moved")).unwrap();
    fs::remove_file(world.path("dir/moved")).unwrap();
    let mut space = [MaybeUninit::uninit(); 8192];
    let mut reader = inotify::Reader::new(&watcher, &mut space);
    let mut seen = Vec::new();
    while let Ok(event) = reader.next() {
        let name = event.file_name().map(|name| name.to_str().unwrap().to_owned());
        seen.push((event.events(), name.unwrap_or_default()));
    }
    let told = |flag: inotify::ReadFlags, name: &str| {
        seen.iter().any(|(flags, seen)| flags.contains(flag) && seen == name)
    };
    assert!(told(inotify::ReadFlags::CREATE, "new"), "{seen:?}");
    assert!(told(inotify::ReadFlags::MODIFY, "a"), "{seen:?}");
    assert!(told(inotify::ReadFlags::CLOSE_WRITE, "a"), "{seen:?}");
    assert!(told(inotify::ReadFlags::MOVED_FROM, "new"), "{seen:?}");
    assert!(told(inotify::ReadFlags::MOVED_TO, "moved"), "{seen:?}");
    assert!(told(inotify::ReadFlags::DELETE, "moved"), "{seen:?}");
}
