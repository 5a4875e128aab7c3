//! Making room for other writers of a branch. Pure.
//!
//! Whoever pushed last knows the remote's tip and can push again at once; all others must fetch
//! and merge first, and find it moved when they are done. A host that pushes in a tight loop would
//! so keep everybody out for as long as it goes on, and never notice. Hence it pauses now and then,
//! for as long as a merge of somebody else takes; soon when it has met others lately, and rarely
//! when it seems to be alone.

use std::time::Duration;

/// Pushes in a row without a pause, when alone and when others were met lately.
const ALONE: u32 = 10;
const AMONG_OTHERS: u32 = 2;
/// How long others are remembered.
const LATELY: Duration = Duration::from_secs(20);
/// A fetch, a merge and a push take about so many times as long as a push.
const MERGE_IN_PUSHES: u32 = 3;
/// The shortest and longest pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(2));

/// What is remembered of the pushes of one branch. Times are monotonic.
#[derive(Clone, Debug, Default)]
pub(super) struct Courtesy {
    /// Pushes in a row that left no room.
    streak: u32,
    /// When the last one ended.
    ended: Duration,
    /// How long one takes.
    takes: Duration,
    /// When others were met.
    met: Option<Duration>,
}

impl Courtesy {
    /// How long to wait before a push that could start `now`.
    pub(super) fn pause(&mut self, now: Duration) -> Duration {
        let room = (self.takes * MERGE_IN_PUSHES).clamp(PAUSES.0, PAUSES.1);
        let left = (self.ended + room).saturating_sub(now);
        if left.is_zero() {
            self.streak = 0;
        }
        let lately = self.met.is_some_and(|met| now.saturating_sub(met) < LATELY);
        if self.streak < if lately { AMONG_OTHERS } else { ALONE } {
            return Duration::ZERO;
        }
        self.streak = 0;
        left
    }

    /// Remembers a push that lasted from `start` to `end`, and whether others were faster first.
    pub(super) fn pushed(&mut self, start: Duration, end: Duration, races: u32) {
        self.ended = end;
        if races > 0 {
            self.met = Some(end);
        } else {
            self.takes = end.saturating_sub(start);
        }
        self.streak += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Pauses before each of `count` pushes of 100 ms, one right after the other.
    fn pauses(courtesy: &mut Courtesy, count: usize, races: u32) -> Vec<u128> {
        let mut now = courtesy.ended;
        let mut pauses = Vec::new();
        for _ in 0..count {
            let pause = courtesy.pause(now);
            pauses.push(pause.as_millis());
            now += pause;
            courtesy.pushed(now, now + ms(100), races);
            now += ms(100);
        }
        pauses
    }

    #[test]
    fn one_who_seems_to_be_alone_pauses_rarely_and_one_who_is_not_often() {
        let mut courtesy = Courtesy { ended: ms(5000), ..Courtesy::default() };
        let alone = pauses(&mut courtesy, 21, 0);
        assert_eq!(alone.iter().filter(|&&pause| pause > 0).count(), 2, "{alone:?}");
        assert_eq!(alone[10], 300, "room for a merge");
        courtesy.pushed(courtesy.ended, courtesy.ended + ms(100), 1);
        let met = pauses(&mut courtesy, 8, 0);
        assert_eq!(met.iter().filter(|&&pause| pause > 0).count(), 4, "{met:?}");
    }

    #[test]
    fn one_who_pushes_now_and_then_never_waits() {
        let mut courtesy = Courtesy::default();
        for minute in 1..100 {
            let now = Duration::from_secs(60 * minute);
            assert_eq!(courtesy.pause(now), Duration::ZERO);
            courtesy.pushed(now, now + ms(100), 0);
        }
    }
}
