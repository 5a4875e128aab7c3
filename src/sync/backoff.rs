//! When to try again. Pure.

use crate::types::Timespec;
use std::time::Duration;

/// What a failure waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The network, or a server that is down: try soon, then less often.
    Network,
    /// A human: credentials, a hook, a missing repository. Asking often would only lock accounts.
    Human,
}

impl Patience {
    fn first_s(self) -> u64 {
        match self {
            Self::Network => 1,
            Self::Human => 60,
        }
    }

    fn cap_s(self) -> u64 {
        match self {
            Self::Network => 300,
            Self::Human => 3600,
        }
    }
}

/// How long to wait after the `failures`-th failure in a row: doubling, capped, and jittered by
/// `random` into the upper half, so that many hosts do not come back at once.
pub fn delay(patience: Patience, failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let full_ms = (patience.first_s() << doublings).min(patience.cap_s()) * 1000;
    Duration::from_millis(full_ms / 2 + random % (full_ms / 2 + 1))
}

/// How long before another attempt in a race with other writers, after losing `lost` times: not
/// long, or the room that they leave (see `courtesy`) is missed.
pub fn race_delay(lost: u32, random: u64) -> Duration {
    let most_ms = (10 << lost.min(5)).min(200);
    Duration::from_millis(random % (most_ms + 1))
}

/// How long until `next`. Zero when it is past, and also when it is further than any delay can
/// be: the wall clock was set back since.
pub fn until(next: Timespec, now: Timespec) -> Duration {
    let left_ms = millis(next) - millis(now);
    let longest_ms = i128::from(Patience::Human.cap_s()) * 1000;
    if left_ms > longest_ms { Duration::ZERO } else { Duration::from_millis(to_u64(left_ms)) }
}

/// `now` and `delay` later.
pub fn after(now: Timespec, delay: Duration) -> Timespec {
    let ms = millis(now) + i128::try_from(delay.as_millis()).unwrap_or(i128::MAX / 2);
    let nsec = u32::try_from(ms.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
    Timespec { sec: i64::try_from(ms.div_euclid(1000)).unwrap_or(i64::MAX), nsec }
}

fn millis(time: Timespec) -> i128 {
    i128::from(time.sec) * 1000 + i128::from(time.nsec / 1_000_000)
}

fn to_u64(ms: i128) -> u64 {
    u64::try_from(ms.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let most =
            |failures| delay(Patience::Network, failures, u64::MAX / 2 * 2 + 1).as_secs_f64();
        assert!(most(1) <= 1.0 && most(3) <= 4.0);
        assert!(delay(Patience::Network, 500, 0) >= Duration::from_secs(150));
        assert!(delay(Patience::Human, 1, 0) >= Duration::from_secs(30));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_retries_for_years() {
        let next = Timespec { sec: 2_000_000_000, nsec: 0 };
        assert_eq!(until(next, Timespec { sec: 1_000_000_000, nsec: 0 }), Duration::ZERO);
        assert_eq!(until(next, Timespec { sec: 2_000_000_001, nsec: 0 }), Duration::ZERO);
        let soon = Timespec { sec: 1_999_999_998, nsec: 500_000_000 };
        assert_eq!(until(next, soon), Duration::from_millis(1500));
    }

    proptest! {
        #[test]
        fn every_delay_is_within_half_and_full(failures: u32, random: u64, human: bool) {
            let patience = if human { Patience::Human } else { Patience::Network };
            let cap = Duration::from_secs(patience.cap_s());
            let wait = delay(patience, failures, random);
            prop_assert!(wait <= cap && wait >= Duration::from_secs(patience.first_s()) / 2);
            let now = Timespec { sec: 1_700_000_000, nsec: 123_000_000 };
            prop_assert_eq!(until(after(now, wait), now), wait);
            prop_assert!(race_delay(failures, random) <= Duration::from_secs(1));
        }
    }
}
