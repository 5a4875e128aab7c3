//! The races of `tests/model/pairs` under shuttle: at each lock, each shared number and each write
//! to the disk of journal, overlay, base and workspace a scheduler decides who goes on, at random
//! and by PCT. `cargo test --features shuttle --test races`
//!
//! A failure prints its schedule; `TOFT_RACES_REPLAY=SCHEDULE` and the name of the test play it
//! again. `TOFT_RACES_ITERATIONS` makes it longer, `TOFT_RACES_SEED` other.
//!
//! Not explored: weak orders of atomic numbers (all count as SeqCst), and the locks inside of
//! crates and of the rooms below the base (`git`), which are never held at a decision.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panic and run programs"
)]

#[path = "../support/gitrepo.rs"]
#[allow(dead_code)]
mod gitrepo;
#[path = "../model/ground.rs"]
mod ground;
#[path = "../model/pairs/mod.rs"]
mod pairs;
#[path = "../model/powerdisk.rs"]
#[allow(dead_code)]
mod powerdisk;
mod threads;
#[path = "../support/view.rs"]
#[allow(dead_code)]
mod view;

use shuttle::scheduler::RandomScheduler;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use toft::sys::locks::Mutex;

/// Looks, lets go of the lock, and believes what it saw: how many schedules until that is found.
fn found_after(seed: u64) -> usize {
    let played = Arc::new(AtomicUsize::new(0));
    let counted = played.clone();
    let race = Arc::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let number = Mutex::new(0);
        let add = || {
            let seen = *number.lock();
            *number.lock() = seen + 1;
        };
        threads::at_once(0, add, add);
        assert_eq!(*number.lock(), 2);
    });
    let scheduler = RandomScheduler::new_from_seed(seed, 1000);
    let failed = catch_unwind(AssertUnwindSafe(|| threads::run(scheduler, &race)));
    assert!(failed.is_err());
    played.load(Ordering::Relaxed)
}

#[test]
fn a_race_is_found_and_the_same_seed_finds_it_again() {
    let counts: Vec<usize> = (1..=5).map(found_after).collect();
    assert!(counts.iter().all(|count| *count < 100), "{counts:?}");
    assert_eq!((1..=5).map(found_after).collect::<Vec<_>>(), counts);
}
