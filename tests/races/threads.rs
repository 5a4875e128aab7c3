//! How `pairs` races here: a scheduler decides at each lock, number and write who goes on.

use shuttle::rand::RngCore;
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, ReplayScheduler, Scheduler,
    UncontrolledNondeterminismCheckScheduler,
};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::{Config, Runner};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use toft::sys::{Disk, FsyncCounts, OsDisk, Reason};
use toft::types::BootId;

pub use shuttle::thread::scope;

/// Schedules of each scheduler.
const SCHEDULES: usize = 250;
/// Each of so many is played twice: what a schedule does may depend on nothing else.
const TWICE: usize = 5;
/// Preemptions that PCT makes, at most.
const DEPTH: usize = 4;
const SEED: u64 = 20_261_121;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs a race under many schedules, or under the one that failed.
pub fn explore(race: impl Fn() + Send + Sync + 'static) {
    crate::ground::lower();
    let race = Arc::new(race);
    if let Ok(schedule) = std::env::var("TOFT_RACES_REPLAY") {
        run(ReplayScheduler::new_from_encoded(schedule.trim()), &race);
        return;
    }
    let schedules = number("TOFT_RACES_ITERATIONS").map_or(SCHEDULES, |count| count as usize);
    let seed = number("TOFT_RACES_SEED").unwrap_or(SEED);
    println!("TOFT_RACES_SEED={seed}, {schedules} schedules of each scheduler");
    let twice = RandomScheduler::new_from_seed(seed, TWICE.min(schedules));
    run(UncontrolledNondeterminismCheckScheduler::new(twice), &race);
    let begun = Instant::now();
    run(RandomScheduler::new_from_seed(seed, schedules), &race);
    let random = begun.elapsed();
    run(PctScheduler::new_from_seed(seed, DEPTH, schedules), &race);
    println!("random {random:?}, PCT {:?}", begun.elapsed() - random);
}

pub fn run(scheduler: impl Scheduler + 'static, race: &Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = Config::new();
    config.stack_size = 2 << 20;
    config.silence_warnings = true;
    let race = race.clone();
    Runner::new(scheduler, config).run(move || race());
}

/// How often to do something: so often in one schedule.
pub fn times(_threads: usize, schedule: usize) -> usize {
    schedule
}

/// Does both at once. Whoever opens a scope does nothing but wait for it: shuttle wakes him when its
/// last thread ends, whatever else he may be waiting for.
pub fn at_once<A: Send, B: Send>(
    _round: usize,
    left: impl FnOnce() -> A + Send,
    right: impl FnOnce() -> B + Send,
) -> (A, B) {
    scope(|scope| {
        let (left, right) = (scope.spawn(left), scope.spawn(right));
        (left.join().unwrap(), right.join().unwrap())
    })
}

/// How far the thread beside has come is the scheduler's business.
pub struct Pace;

impl Pace {
    pub fn keep(&self) {}
}

/// Turns of what goes on beside the work.
const TURNS: usize = 2;

/// Does `work` and some turns of `other`.
pub fn beside(work: impl FnOnce(&Pace) + Send, other: impl Fn(usize) + Sync) {
    at_once(0, || work(&Pace), || (0..TURNS).for_each(&other));
}

/// For what a race draws by lot; a part of the schedule.
pub fn seed() -> u64 {
    shuttle::rand::thread_rng().next_u64()
}

/// What the workspace of a race is on.
pub fn disk() -> Arc<dyn Disk> {
    stepping(Arc::new(OsDisk::default()))
}

/// `disk`, whose every write is a decision, too.
pub fn stepping(disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
    Arc::new(Steps { disk, taken: AtomicUsize::new(0) })
}

struct Steps {
    disk: Arc<dyn Disk>,
    taken: AtomicUsize,
}

impl Steps {
    fn step(&self) -> &dyn Disk {
        self.taken.fetch_add(1, Ordering::SeqCst);
        &*self.disk
    }
}

impl Disk for Steps {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.step().write_all_at(file, bytes, offset)
    }
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.step().write_at(file, bytes, offset)
    }
    fn fsync_file(&self, file: &File, reason: Reason) -> io::Result<()> {
        self.step().fsync_file(file, reason)
    }
    fn fsync_dir(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.step().fsync_dir(dir, reason)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().rename(from, to)
    }
    fn create_file(&self, path: &Path) -> io::Result<File> {
        self.step().create_file(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step().create_dir(path)
    }
    fn copy_range(&self, from: (&File, u64), to: (&File, u64), len: usize) -> io::Result<usize> {
        self.step().copy_range(from, to, len)
    }
    fn fallocate(&self, file: &File, mode: i32, offset: u64, len: u64) -> io::Result<()> {
        self.step().fallocate(file, mode, offset, len)
    }
    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        self.step().set_len(file, len)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step().remove_file(path)
    }
    fn sync_fs(&self, dir: &Path, reason: Reason) -> io::Result<()> {
        self.step().sync_fs(dir, reason)
    }
    fn boot(&self) -> io::Result<BootId> {
        self.disk.boot()
    }
    fn counts(&self) -> FsyncCounts {
        self.disk.counts()
    }
}
