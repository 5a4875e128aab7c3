//! The locks and shared numbers of the rooms that serve file operations: parking_lot's and std's.
//!
//! Under the feature `shuttle`, which only `tests/races` asks for, each use of one is a point at
//! which a scheduler decides who goes on. All orders count as SeqCst then, and nothing of it works
//! outside of such a test. Numbers that are `static` stay std's.

#[cfg(not(feature = "shuttle"))]
pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(feature = "shuttle"))]
pub use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[cfg(feature = "shuttle")]
pub use scheduled::{
    AtomicBool, AtomicU64, Condvar, Mutex, MutexGuard, Ordering, RwLock, RwLockReadGuard,
    RwLockWriteGuard,
};

#[cfg(feature = "shuttle")]
mod scheduled {
    pub use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    pub use shuttle_parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

    /// parking_lot's, as far as it is used; shuttle-parking_lot has none.
    #[derive(Debug, Default)]
    pub struct Condvar {
        /// Held from before the caller's lock is given up until the wait has begun.
        begins: shuttle::sync::Mutex<()>,
        told: shuttle::sync::Condvar,
    }

    impl Condvar {
        pub fn new() -> Self {
            Self::default()
        }

        /// Gives the lock up until it is told.
        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let Ok(begins) = self.begins.lock() else { return };
            MutexGuard::unlocked(guard, || drop(self.told.wait(begins)));
        }

        /// Tells everybody who waits.
        pub fn notify_all(&self) {
            drop(self.begins.lock());
            self.told.notify_all();
        }
    }
}
