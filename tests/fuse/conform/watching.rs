//! inotify(7): what watchers of a directory and of an object in it are told.

use super::calls::*;
use super::kinds::KINDS;
use super::matrix::{Act, Answer, Matrix, Row, Site, done};
use super::stage::Kind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, FileType, OFlags, RenameFlags, XattrFlags, inotify};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;

/// How long a close may take to be told.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

const OBJECTS: &[Kind] = &[KINDS[0], KINDS[3], KINDS[7], KINDS[8], KINDS[9], KINDS[13]];

/// Makes the call with watchers; tells its outcome and all they were told.
fn watch(site: &Site, act: Act) -> Answer {
    let watcher = inotify::init(inotify::CreateFlags::NONBLOCK)?;
    let flags = inotify::WatchFlags::ALL_EVENTS;
    let above = inotify::add_watch(&watcher, &site.dir, flags)?;
    let itself =
        inotify::add_watch(&watcher, &site.it, flags | inotify::WatchFlags::DONT_FOLLOW).ok();
    let outcome = super::raw::errno_name(&act(site));
    let (mut told, mut open) = (Vec::new(), 0);
    // What is closed is told so when the last to have it goes, which is a child that another test
    // just forks, now and then: the file is waited for.
    while read_events(&watcher, (above, itself), &mut told, &mut open) && open > 0 {
        let mut ready = [PollFd::new(&watcher, PollFlags::IN)];
        if poll(&mut ready, Some(&PATIENCE))? == 0 {
            break;
        }
    }
    Ok(format!("{outcome}: {}", told.join(", ")))
}

/// Reads what there is; counts opens that no close was told of yet. False at the end of the watch.
fn read_events(
    watcher: &OwnedFd,
    (above, itself): (i32, Option<i32>),
    told: &mut Vec<String>,
    open: &mut i32,
) -> bool {
    let mut space = [MaybeUninit::uninit(); 8192];
    let mut reader = inotify::Reader::new(watcher, &mut space);
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(error) => return error == rustix::io::Errno::AGAIN,
        };
        let whose = match Some(event.wd()) {
            wd if wd == Some(above) => "above",
            wd if wd == itself => "itself",
            _ => "?",
        };
        let closed = inotify::ReadFlags::CLOSE_WRITE | inotify::ReadFlags::CLOSE_NOWRITE;
        *open += i32::from(event.events().contains(inotify::ReadFlags::OPEN));
        *open -= i32::from(event.events().intersects(closed));
        let name = event.file_name().map(|name| name.to_owned()).unwrap_or_default();
        let pair = if event.cookie() == 0 { "" } else { "of a pair" };
        told.push(format!("{whose} {:?} {name:?} {pair}", event.events()));
    }
}

macro_rules! rows {
    ($($name:literal: $act:expr),* $(,)?) => { &[$(($name, |site| watch(site, $act))),*] };
}

const ROWS: &[Row] = rows![
    "stat": |site| stat(&site.it),
    "read": |site| read(&site.it),
    "list": |site| list(&site.it),
    "open_write": |site| open(&site.it, OFlags::WRONLY),
    "create": |site| open(&site.it, OFlags::WRONLY | OFlags::CREATE),
    "create_below": |site| open(&site.at("it/new"), OFlags::WRONLY | OFlags::CREATE),
    "write": |site| write(&site.it, OFlags::empty(), 2),
    "append": |site| write(&site.it, OFlags::APPEND, 0),
    "truncate": |site| truncate(&site.it, 1),
    "open_truncate": |site| open(&site.it, OFlags::WRONLY | OFlags::TRUNC),
    "unlink": |site| done(rustix::fs::unlink(&site.it)),
    "rmdir": |site| done(rustix::fs::rmdir(&site.it)),
    "mkdir": |site| mkdir(&site.it),
    "symlink": |site| done(symlink("a", &site.it)),
    "mknod": |site| mknod(&site.it, FileType::Fifo, 0),
    "link": |site| link(&site.it, &site.at("free"), FOLLOW),
    "chmod": |site| chmod(&site.it, 0o600),
    "chown": |site| chown_path(site, None, None, AtFlags::SYMLINK_NOFOLLOW),
    "utimes": |site| utimes(site, (77, 5), (88, 6), NOFOLLOW),
    "utimes_mtime": |site| utimes(site, OMIT, NOW, NOFOLLOW),
    "setxattr": |site| set_xattr(&site.it, "user.a", XattrFlags::empty()),
    "rename": |site| rename(&site.it, &site.at("free"), PLAIN),
    "rename_onto_it": |site| rename(&site.at("t"), &site.it, PLAIN),
    "rename_below": |site| rename(&site.at("t"), &site.at("it/new"), PLAIN),
    "exchange": |site| rename(&site.it, &site.at("t"), RenameFlags::EXCHANGE),
    "whiteout": |site| rename(&site.it, &site.at("free"), RenameFlags::WHITEOUT),
];

pub const WATCHING: Matrix = Matrix {
    name: "watching",
    kinds: OBJECTS,
    rows: ROWS,
    table: include_str!("watching.table"),
    differences: &[],
    as_stranger: false,
};

#[test]
fn watchers_are_told_what_the_local_disk_tells_them() {
    WATCHING.run();
}
