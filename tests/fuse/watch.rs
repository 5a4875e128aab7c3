//! inotify, for changes made through the mount.

use crate::world::World;
use rustix::fs::inotify;
use std::fs;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

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
    // A child that another test has just forked holds our files until it runs its program: the last
    // close, and what is told of it, may come after we have gone on.
    let expected = [
        (inotify::ReadFlags::CREATE, "new"),
        (inotify::ReadFlags::MODIFY, "a"),
        (inotify::ReadFlags::CLOSE_WRITE, "a"),
        (inotify::ReadFlags::MOVED_FROM, "new"),
        (inotify::ReadFlags::MOVED_TO, "moved"),
        (inotify::ReadFlags::DELETE, "moved"),
    ];
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(|name| name.to_str().unwrap().to_owned());
            seen.push((event.events(), name.unwrap_or_default()));
        }
        let told = |(flag, name): &(inotify::ReadFlags, &str)| {
            seen.iter().any(|(flags, seen)| flags.contains(*flag) && seen == name)
        };
        if expected.iter().all(told) {
            return;
        }
        assert!(Instant::now() < deadline, "{seen:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
