/// A point in time as POSIX has it: seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timespec {
    /// Seconds since 1970-01-01 UTC; negative before.
    pub sec: i64,
    /// 0 to 999,999,999.
    pub nsec: u32,
}

impl Timespec {
    /// Full seconds.
    pub fn from_sec(sec: i64) -> Self {
        Self { sec, nsec: 0 }
    }
}
