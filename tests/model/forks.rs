//! Forks against the model: now the fork goes on and the one that it began as is spoilt, now the
//! other way round. What is done on either side shows on that side only.

use crate::harness::{Seen, System};
use crate::ops::Step;
use crate::reference::{Errno, Model};
use crate::workspace::Direct;
use std::collections::BTreeMap;
use toft::types::Attr;

/// What a workspace shows, as text by path.
pub type Shown = BTreeMap<Vec<Vec<u8>>, String>;

/// A workspace that is forked where others are mounted again.
pub struct Forking {
    direct: Direct,
    /// The other side of the last fork, spoilt, and what it showed then.
    other: Option<(Direct, Shown)>,
    forks: u32,
}

impl Forking {
    pub fn new() -> Forking {
        Forking { direct: Direct::new(), other: None, forks: 0 }
    }

    fn fork(&mut self) {
        self.check_other();
        self.forks += 1;
        let mut other = self.direct.fork();
        if self.forks % 4 < 2 {
            std::mem::swap(&mut self.direct, &mut other);
        }
        other.spoil();
        if self.forks.is_multiple_of(3) {
            other.keep_house();
        }
        let shown = other.shown();
        self.other = Some((other, shown));
    }

    /// What was done here since did not reach it, as it is and as it is after a restart.
    fn check_other(&mut self) {
        let Some((mut other, shown)) = self.other.take() else { return };
        assert!(other.shown() == shown, "the other side of the fork changed");
        other.restart();
        assert!(other.shown() == shown, "the other side is not what it was");
    }
}

impl Drop for Forking {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_other();
        }
    }
}

impl System for Forking {
    fn apply(&mut self, step: &Step, model: &Model) -> Result<u64, Errno> {
        if *step == Step::Remount {
            self.fork();
            // A remount closes what is open; one that was forked goes on in its process, too.
            match self.forks % 4 {
                0 | 2 => self.direct.close(),
                _ => self.direct.restart(),
            }
            return Ok(0);
        }
        self.direct.apply(step, model)
    }

    fn see(&mut self, path: &[Vec<u8>]) -> Seen {
        self.direct.see(path)
    }

    fn see_open(&mut self, slot: usize) -> Seen {
        self.direct.see_open(slot)
    }

    fn see_open_dir(&mut self, slot: usize) -> Attr {
        self.direct.see_open_dir(slot)
    }

    fn check(&mut self) {
        self.direct.check();
    }
}
