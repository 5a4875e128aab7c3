//! Waiting a moment for the next request without falling asleep.
//!
//! Who works through many files makes one request after the other, a few microseconds apart. To wake a
//! thread for each takes longer than to answer it, most of all in a virtual machine, whose idle CPUs
//! go to others. So while requests come that fast one thread looks for the next one, a short time
//! only, and lets those have the CPU who want it. Meanwhile the other threads keep away from the
//! device, for the kernel would wake one of them for nothing; they come back when there is nothing to
//! look for, when more comes than one can answer, or when the one that looks is held up.

use crate::sys::{Clock, OsClock};
use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::OwnedFd;
use std::thread::ThreadId;
use std::time::Duration;

/// How long one looks, and how soon after an answer the next request comes where that pays.
const MOMENT: Duration = Duration::from_micros(40);
/// How long one that looks may be held up by an answer before others go to the device.
const PATIENCE: Duration = Duration::from_micros(500);
/// So many requests have to come that fast, at first, before one looks.
const STREAK: u32 = 8;
/// The same where requests were there at once all the time: nobody had to be woken for them.
const STREAK_MAX: u32 = 1 << 14;
/// At once so often is all the time.
const PRESSED: u32 = 4;

/// For all threads of a device.
pub(in crate::fuse) struct Linger {
    device: OwnedFd,
    clock: OsClock,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Who looks, or answers what it has found.
    looker: Option<ThreadId>,
    /// When something happened last: a request, or its answer.
    last: Duration,
    /// Requests that came within a moment after an answer, one after the other, and how many are
    /// enough.
    streak: u32,
    enough: u32,
    /// Of those that were found, how many in a row were there at once.
    pressed: u32,
}

/// A request that is being answered.
pub(in crate::fuse) struct Next<'a>(&'a Linger);

impl Drop for Next<'_> {
    fn drop(&mut self) {
        self.0.wait();
    }
}

enum Found {
    AtOnce,
    Later,
    Nothing,
}

impl Linger {
    /// On `device`, as one more descriptor of it.
    pub fn on(device: OwnedFd) -> Self {
        let (looker, last, streak, enough, pressed) = (None, Duration::ZERO, 0, STREAK, 0);
        let state = Mutex::new(State { looker, last, streak, enough, pressed });
        Self { device, clock: OsClock::new(), state, changed: Condvar::new() }
    }

    /// A request has come; who answers it waits for the next when this is dropped.
    pub fn begin(&self) -> Next<'_> {
        self.state.lock().comes(self.clock.monotonic());
        Next(self)
    }

    /// The same for one that waits for the disk: others go to the device meanwhile.
    pub fn begin_long(&self) -> Next<'_> {
        let mut state = self.state.lock();
        state.comes(self.clock.monotonic());
        if state.looker == Some(std::thread::current().id()) {
            self.stop(&mut state);
        }
        Next(self)
    }

    fn wait(&self) {
        let me = std::thread::current().id();
        let mut state = self.state.lock();
        state.last = self.clock.monotonic();
        let pays = state.streak >= state.enough;
        match state.looker {
            Some(looker) if looker != me && pays => return self.keep_away(state),
            Some(looker) if looker != me => return,
            _ if !pays => return self.stop(&mut state),
            _ => state.looker = Some(me),
        }
        drop(state);
        let found = self.look();
        let mut state = self.state.lock();
        // Others may have lost patience.
        if state.looker == Some(me) && !state.goes_on(&found) {
            self.stop(&mut state);
        }
    }

    fn stop(&self, state: &mut State) {
        if state.looker.take().is_some() {
            self.changed.notify_all();
        }
    }

    fn keep_away(&self, mut state: MutexGuard<'_, State>) {
        while state.looker.is_some() {
            self.changed.wait_for(&mut state, PATIENCE);
            if self.clock.monotonic() > state.last + PATIENCE {
                return self.stop(&mut state);
            }
        }
    }

    fn look(&self) -> Found {
        let (end, at_once) = (self.clock.monotonic() + MOMENT, Timespec { tv_sec: 0, tv_nsec: 0 });
        let mut found = Found::AtOnce;
        loop {
            // Also an end of the conversation is something to read.
            match poll(&mut [PollFd::new(&self.device, PollFlags::IN)], Some(&at_once)) {
                Ok(0) if self.clock.monotonic() < end => std::thread::yield_now(),
                Ok(0) => return Found::Nothing,
                _ => return found,
            }
            found = Found::Later;
        }
    }
}

impl State {
    /// A request is there.
    fn comes(&mut self, now: Duration) {
        self.streak = if now < self.last + MOMENT { self.streak.saturating_add(1) } else { 0 };
        self.last = now;
    }

    /// Whether the one that has found this is to look again after it.
    fn goes_on(&mut self, found: &Found) -> bool {
        match found {
            Found::Nothing => return false,
            Found::Later => (self.pressed, self.enough) = (0, STREAK),
            Found::AtOnce => self.pressed += 1,
        }
        if self.pressed < PRESSED {
            return true;
        }
        (self.pressed, self.streak) = (0, 0);
        self.enough = (self.enough * 2).min(STREAK_MAX);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::Arc;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn linger() -> (Linger, std::io::PipeWriter) {
        let (device, kernel) = std::io::pipe().expect("a pipe");
        (Linger::on(device.into()), kernel)
    }

    /// One where `looker` looks, and looking always pays.
    fn looked_at_by(looker: ThreadId) -> (Arc<Linger>, std::io::PipeWriter) {
        let (mut linger, kernel) = linger();
        let state = linger.state.get_mut();
        (state.looker, state.enough) = (Some(looker), 0);
        (Arc::new(linger), kernel)
    }

    #[test]
    fn one_looks_only_while_requests_come_upon_each_other() {
        let (linger, _kernel) = linger();
        let mut state = linger.state.lock();
        for request in 1..=u64::from(STREAK) {
            state.comes(us(1000 + 10 * request));
        }
        assert_eq!(state.streak, STREAK - 1, "the first came after a pause");
        state.comes(us(1000 + 10 * u64::from(STREAK + 1)));
        assert_eq!(state.streak, STREAK);
        assert!(state.goes_on(&Found::Later), "the next one came while it looked");
        assert!(!state.goes_on(&Found::Nothing));
        state.comes(us(5000));
        assert_eq!(state.streak, 0, "after a pause");
    }

    #[test]
    fn where_requests_are_there_at_once_all_threads_answer() {
        let (linger, _kernel) = linger();
        let mut state = linger.state.lock();
        for _ in 1..PRESSED {
            assert!(state.goes_on(&Found::AtOnce));
        }
        assert!(!state.goes_on(&Found::AtOnce));
        assert_eq!((state.streak, state.enough), (0, 2 * STREAK), "not at once again");
        assert!(state.goes_on(&Found::Later));
        assert_eq!(state.enough, STREAK);
    }

    #[test]
    fn looking_finds_what_is_there_and_ends_where_nothing_comes() {
        let (linger, mut kernel) = linger();
        assert!(matches!(linger.look(), Found::Nothing));
        kernel.write_all(b"a request").expect("room");
        assert!(matches!(linger.look(), Found::AtOnce));
        drop(kernel);
        assert!(matches!(linger.look(), Found::AtOnce), "the end is something to read");
    }

    #[test]
    fn others_go_to_the_device_when_the_one_that_looks_is_held_up() {
        let gone = std::thread::spawn(|| std::thread::current().id()).join().expect("no panic");
        let (linger, _kernel) = looked_at_by(gone);
        let start = linger.clock.monotonic();
        drop(linger.begin());
        assert!(linger.clock.monotonic() >= start + PATIENCE, "it was given time");
        assert!(linger.state.lock().looker.is_none());
    }

    #[test]
    fn others_come_back_when_there_is_nothing_to_look_for() {
        let (linger, _kernel) = looked_at_by(std::thread::current().id());
        let other = linger.clone();
        let waits = std::thread::spawn(move || drop(other.begin()));
        drop(linger.begin());
        waits.join().expect("no panic");
        assert!(linger.state.lock().looker.is_none());
    }

    #[test]
    fn others_go_to_the_device_while_the_one_that_looks_waits_for_the_disk() {
        let me = std::thread::current().id();
        let (linger, _kernel) = looked_at_by(me);
        let request = linger.begin();
        assert_eq!(linger.state.lock().looker, Some(me));
        drop(linger.begin_long());
        assert!(linger.state.lock().looker.is_none());
        drop(request);
    }
}
