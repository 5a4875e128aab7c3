use crate::types::Timespec;
use std::time::{Duration, Instant};

/// Time, passed in and never taken from a global.
pub trait Clock: Send + Sync {
    /// Wall-clock time at the kernel's coarse tick, the one that file systems stamp files with.
    fn now(&self) -> Timespec;
    /// Monotonic time since some fixed point.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the operating system.
pub struct OsClock {
    start: Instant,
}

impl OsClock {
    /// Starts the monotonic clock at zero.
    #[expect(clippy::disallowed_methods, reason = "the clock seam itself")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for OsClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for OsClock {
    fn now(&self) -> Timespec {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Timespec { sec: now.tv_sec, nsec: u32::try_from(now.tv_nsec).unwrap_or(0) }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
