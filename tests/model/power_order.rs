//! What a seal waits for: syncs that need not wait for each other run side by side, and the branch
//! moves when all of them are over.

use crate::sealing::{MAIN, flush, host, open, seed, shm, wish, write_file};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use toft::daemon::create::create;
use toft::sys::{Cancel, Disk, FsyncCounts, OsDisk, Reason};

/// How long a sync takes, and one of the kind that takes longest: whoever does not wait for it is
/// found out.
const TAKES: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Begun(Reason),
    Done(Reason),
    /// The branch has its new value.
    Moved,
    /// The record is about the new commit.
    Noted,
}

/// The real disk with slow syncs, and what happened on it.
struct Slow {
    disk: OsDisk,
    longest: Reason,
    events: Mutex<Vec<Event>>,
}

impl Slow {
    fn tell(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    fn slowly(&self, reason: Reason, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.tell(Event::Begun(reason));
        Cancel::new().unwrap().wait(if reason == self.longest { LONGEST } else { TAKES });
        let synced = sync();
        self.tell(Event::Done(reason));
        synced
    }
}

impl Disk for Slow {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.write_all_at(file, bytes, offset)
    }
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()> {
        self.slowly(reason, || self.disk.fsync_file(file, reason))
    }
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.slowly(reason, || self.disk.fsync_dir(dir, reason))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if to.ends_with(MAIN) {
            self.tell(Event::Moved);
        }
        if to.ends_with("workspace.json") {
            self.tell(Event::Noted);
        }
        self.disk.rename(from, to)
    }
    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.slowly(reason, || self.disk.sync_fs(dir, reason))
    }
    fn counts(&self) -> FsyncCounts {
        self.disk.counts()
    }
}

/// How many syncs run after each event.
fn running(events: &[Event]) -> Vec<usize> {
    let count = |running: &mut usize, event: &Event| {
        match event {
            Event::Begun(_) => *running += 1,
            Event::Done(_) => *running -= 1,
            Event::Moved | Event::Noted => {}
        }
        Some(*running)
    };
    events.iter().scan(0, count).collect()
}

#[test]
fn the_branch_moves_when_all_that_it_stands_for_is_durable_and_the_record_follows() {
    toft::sys::allow_many_files().unwrap();
    for longest in [Reason::Content, Reason::Journal, Reason::Objects, Reason::Refs] {
        seal_on(Slow { disk: OsDisk::default(), longest, events: Mutex::default() });
    }
}

fn seal_on(disk: Slow) {
    let home = shm();
    let remote = seed(home.path());
    let disk = Arc::new(disk);
    let state = home.path().join("state");
    let quick = host(home.path(), state.clone(), Arc::new(OsDisk::default()));
    let record = create(&quick, &wish(home.path(), &remote)).unwrap();
    let host = host(home.path(), state, disk.clone());
    let engine = open(&host, &record.id).unwrap();
    write_file(engine.workspace(), "a", b"other", false);
    disk.events.lock().unwrap().clear();
    let report = flush(&engine, false);
    assert!(report.failure.is_none(), "{:?}", report.failure);
    let events = disk.events.lock().unwrap().clone();
    let at = |wanted: Event| events.iter().position(|event| *event == wanted);
    let at = |wanted| at(wanted).unwrap_or_else(|| panic!("no {wanted:?}: {events:?}, {report:?}"));
    let running = running(&events);
    let (moved, noted) = (at(Event::Moved), at(Event::Noted));
    let before = |reason| events[..moved].iter().filter(|it| **it == Event::Done(reason)).count();
    let durable = [Reason::Content, Reason::Journal, Reason::Objects, Reason::Refs].map(before);
    assert_eq!(durable, [1, 1, 3, 1], "of files, objects and the value: {events:?}");
    assert_eq!(running[moved], 0, "some sync still runs when the branch moves: {events:?}");
    // A HEAD that the record does not know counts as newer than the files; a record of a commit that
    // is not there yet would let pass what git did before it.
    let named = moved + 1..noted;
    assert!(events[named].contains(&Event::Done(Reason::Refs)), "the record is early: {events:?}");
    let most = running[..moved].iter().max();
    assert!(most >= Some(&3), "the syncs wait for each other: {events:?}");
}
