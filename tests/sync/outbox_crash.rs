//! Crashes between any two steps, by kill -9 and by power failure: every record that was
//! acknowledged takes effect, exactly once, and none is delivered again after its drain returned.

use crate::crashdisk::CrashDisk;
use crate::outbox::{MAIN, StoppedClock, commit, intent, number};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use toft::sync::{Delivery, Known, Outbox, Patience, Verdict, Wait, Which};
use toft::sys::{Cancel, Disk, OsDisk};

/// A remote whose history is a line of numbers: pushing what it contains changes nothing.
#[derive(Default)]
struct Remote {
    tip: u64,
    effects: Vec<u64>,
}

impl Remote {
    fn push(&mut self, number: u64) {
        if number > self.tip {
            self.tip = number;
            self.effects.push(number);
        }
    }
}

struct Story {
    dir: PathBuf,
    remote: Mutex<Remote>,
    clock: StoppedClock,
    cancel: Cancel,
    /// The last commit whose `enqueue` returned.
    acked: Mutex<u64>,
    /// The last commit whose drain returned.
    settled: Mutex<u64>,
}

impl Story {
    fn new(dir: &Path) -> Story {
        Story {
            dir: dir.to_owned(),
            remote: Mutex::default(),
            clock: StoppedClock::new(),
            cancel: Cancel::new().unwrap(),
            acked: Mutex::new(0),
            settled: Mutex::new(0),
        }
    }

    fn drain(&self, outbox: &Outbox, fail: bool) -> toft::sync::Result<()> {
        let wait = Wait { clock: &self.clock, deadline: None, cancel: &self.cancel };
        let mut last = 0;
        let deliver = |delivery: &Delivery| {
            last = number(delivery.record.new);
            assert!(last > *self.settled.lock().unwrap(), "{last} was settled and came back");
            if fail {
                let message = "down".to_owned();
                let (remote, patience) = (Known::Unknown, Patience::Network);
                return Verdict::Failed { remote, patience, message };
            }
            self.remote.lock().unwrap().push(last);
            Verdict::Delivered { remote: delivery.record.new }
        };
        outbox.drain(MAIN, Which::All, &wait, deliver)?;
        if !fail && last > 0 {
            *self.settled.lock().unwrap() = last;
        }
        Ok(())
    }

    fn enqueue(&self, outbox: &Outbox, number: u64) -> toft::sync::Result<()> {
        outbox.enqueue(&intent(MAIN, number))?;
        *self.acked.lock().unwrap() = number;
        Ok(())
    }

    /// A life of the queue, up to the crash.
    fn live(&self, disk: Arc<dyn Disk>) -> toft::sync::Result<()> {
        let outbox = Outbox::open(&self.dir, disk)?;
        outbox.register(MAIN, Known::At(commit(0)), Some(commit(0)))?;
        self.enqueue(&outbox, 1)?;
        self.enqueue(&outbox, 2)?;
        self.drain(&outbox, false)?;
        self.enqueue(&outbox, 3)?;
        self.drain(&outbox, true)?;
        self.enqueue(&outbox, 4)?;
        self.drain(&outbox, false)?;
        self.enqueue(&outbox, 5)?;
        self.drain(&outbox, true)?;
        self.drain(&outbox, false)
    }
}

/// The subdirectory of the only lane, if there is one.
fn lane(dir: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    entries.find(|path| path.is_dir())
}

/// Runs the story up to a crash before `step`, lets `damage` happen, and checks what is left; in
/// the next life, the first thing that happens is an `enqueue` or a drain.
fn crash(step: u64, enqueue_first: bool, damage: impl FnOnce(&CrashDisk, &Path)) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let story = Story::new(dir.path());
    let disk = Arc::new(CrashDisk::crash_before(step));
    let crashed = story.live(disk.clone()).is_err();
    if let Some(lane) = lane(dir.path()) {
        damage(&disk, &lane);
    }
    let outbox = Outbox::open(dir.path(), Arc::new(OsDisk::default())).unwrap();
    if enqueue_first {
        story.enqueue(&outbox, 10).unwrap();
    }
    story.drain(&outbox, false).unwrap();
    let acked = *story.acked.lock().unwrap();
    {
        let remote = story.remote.lock().unwrap();
        assert!(
            remote.tip >= acked,
            "step {step}: {acked} was lost, the remote has {}",
            remote.tip
        );
        assert!(remote.tip <= acked + 1, "step {step}");
        assert!(remote.effects.is_sorted_by(|a, b| a < b), "step {step}: {:?}", remote.effects);
    }
    // Life goes on, with ids that nothing confuses.
    let next = acked.max(story.remote.lock().unwrap().tip) + 1;
    story.enqueue(&outbox, next).unwrap();
    story.drain(&outbox, false).unwrap();
    assert_eq!(story.remote.lock().unwrap().tip, next, "step {step}");
    assert!(outbox.pending().unwrap().is_empty());
    crashed
}

fn steps_of_the_story() -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(CrashDisk::default());
    Story::new(dir.path()).live(disk.clone()).unwrap();
    disk.steps()
}

#[test]
fn kill_9_between_any_two_steps_loses_nothing_and_doubles_nothing() {
    let steps = steps_of_the_story();
    assert!(steps > 50, "{steps}");
    for step in 1..=steps {
        assert!(crash(step, false, |_, _| {}), "step {step}");
        assert!(crash(step, true, |_, _| {}), "step {step}");
    }
}

#[test]
fn power_failure_between_any_two_steps_loses_nothing_and_doubles_nothing() {
    // Whatever the kernel happened to write of the steps that nobody had synced.
    let files = ["inbox", "wal", "ledger.json"];
    for step in 1..=steps_of_the_story() + 1 {
        for luck in 0..8_u32 {
            let lucky: Vec<_> =
                (0..3).filter(|bit| luck >> bit & 1 == 1).map(|bit| files[bit]).collect();
            crash(step, false, |disk, lane| disk.lose_power(lane, &lucky));
            crash(step, true, |disk, lane| disk.lose_power(lane, &lucky));
        }
    }
}
