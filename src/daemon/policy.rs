//! When a workspace flushes by itself. Pure: fed with what happened and the time, says when to
//! flush next.

use crate::registry::FlushPolicy;
use std::time::Duration;

/// After the last close, so that a program that saves five files makes one commit.
const CLOSE_SETTLE: Duration = Duration::from_millis(500);
/// After a flush that failed, before the policy asks again.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// What the daemon saw of the mount, as counters that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Changes of any kind.
    pub changes: u64,
    /// Files closed after they were written.
    pub closes: u64,
}

/// Decides by one policy.
#[derive(Clone, Debug)]
pub struct Scheduler {
    policy: FlushPolicy,
    seen: Activity,
    /// The activity that the last flush included.
    flushed: Activity,
    last_change: Duration,
    last_close: Duration,
    last_flush: Duration,
    not_before: Duration,
}

impl Scheduler {
    /// Starts with a mount that had `activity` at the monotonic time `now`, all of it unflushed
    /// when `dirty`.
    pub fn new(policy: FlushPolicy, activity: Activity, dirty: bool, now: Duration) -> Self {
        let nothing = Activity { changes: activity.changes.wrapping_sub(1), ..activity };
        Self {
            policy,
            seen: activity,
            flushed: if dirty { nothing } else { activity },
            last_change: now,
            last_close: now,
            last_flush: now,
            not_before: Duration::ZERO,
        }
    }

    /// Whether it ever asks for a flush.
    pub fn is_active(&self) -> bool {
        !matches!(self.policy, FlushPolicy::Umount | FlushPolicy::Manual)
    }

    /// Looks at the mount; true when it is time to flush.
    pub fn step(&mut self, activity: Activity, now: Duration) -> bool {
        if activity.changes != self.seen.changes {
            self.last_change = now;
        }
        if activity.closes != self.seen.closes {
            self.last_close = now;
        }
        self.seen = activity;
        self.due().is_some_and(|due| due <= now)
    }

    /// When the next flush is due, if nothing else happens.
    pub fn due(&self) -> Option<Duration> {
        if self.seen == self.flushed {
            return None;
        }
        let seconds = |count: u32| Duration::from_secs(count.into());
        let due = match self.policy {
            FlushPolicy::Umount | FlushPolicy::Manual => return None,
            FlushPolicy::Close if self.seen.closes == self.flushed.closes => return None,
            FlushPolicy::Close => self.last_close + CLOSE_SETTLE,
            FlushPolicy::Idle(count) => self.last_change + seconds(count),
            FlushPolicy::Interval(count) => self.last_flush + seconds(count),
        };
        Some(due.max(self.not_before))
    }

    /// A flush that began with `activity` is over.
    pub fn flushed(&mut self, activity: Activity, sealed: bool, now: Duration) {
        self.last_flush = now;
        if sealed {
            self.flushed = activity;
            self.not_before = Duration::ZERO;
        } else {
            self.not_before = now + AFTER_FAILURE;
        }
    }
}
