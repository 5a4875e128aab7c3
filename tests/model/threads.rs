//! How `pairs` races: here with the system's threads; `tests/races` has another of these.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use toft::sys::{Disk, OsDisk};

pub use std::thread::scope;

/// Runs a race.
pub fn explore(race: impl Fn() + Send + Sync + 'static) {
    race();
}

/// How often to do something: so often where only chance makes two things meet.
pub fn times(threads: usize, _schedule: usize) -> usize {
    threads
}

/// For what a race draws by lot.
pub fn seed() -> u64 {
    let seed = std::env::var("TOFT_MODEL_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(20_261_121);
    println!("TOFT_MODEL_SEED={seed}");
    seed
}

/// What the workspace of a race is on.
pub fn disk() -> Arc<dyn Disk> {
    Arc::new(OsDisk::default())
}

/// `disk`, as a race has it.
pub fn stepping(disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
    disk
}

/// Does both at once, after a pause that moves with the round.
pub fn at_once<A: Send, B: Send>(
    round: usize,
    left: impl FnOnce() -> A + Send,
    right: impl FnOnce() -> B + Send,
) -> (A, B) {
    let start = Barrier::new(2);
    let spin = |turns: usize| (0..turns).for_each(|_| std::hint::spin_loop());
    scope(|scope| {
        let left = scope.spawn(|| {
            start.wait();
            spin(round % 16 * 200);
            left()
        });
        start.wait();
        spin(round / 16 % 16 * 200);
        let right = right();
        (left.join().unwrap(), right)
    })
}

/// How far the thread beside has come.
#[derive(Default)]
pub struct Pace {
    turns: AtomicUsize,
    ended: AtomicBool,
}

impl Pace {
    /// Waits until the other thread has begun another turn, so that a busy machine races them, too.
    pub fn keep(&self) {
        let seen = self.turns.load(Ordering::Acquire);
        while self.turns.load(Ordering::Acquire) == seen && !self.ended.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    }
}

/// Ends the other one's waiting, whatever happened here.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Keeps `other` going in a second thread until `work` is done, which now and then keeps pace.
pub fn beside(work: impl FnOnce(&Pace) + Send, other: impl Fn(usize) + Sync) {
    let (stop, pace) = (AtomicBool::new(false), Pace::default());
    scope(|scope| {
        scope.spawn(|| {
            let _ends = Ends(&pace.ended);
            while !stop.load(Ordering::Acquire) {
                other(pace.turns.fetch_add(1, Ordering::AcqRel));
            }
        });
        let _ends = Ends(&stop);
        work(&pace);
    });
}
