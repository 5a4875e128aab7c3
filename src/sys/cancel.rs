use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A request to stop, made once and seen by all clones.
///
/// A thread can wait for it with a time limit, which is how this code base sleeps; poll(2) can
/// watch it beside the pipes of a child.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<OwnedFd>);

impl Cancel {
    /// A token that nobody has cancelled yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Asks everybody who holds a clone to stop. There is no way back.
    pub fn cancel(&self) {
        // The only failure is a counter that is full, and then it was cancelled before.
        let any_number = [1; 8];
        let _ = rustix::io::write(&*self.0, &any_number);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Sleeps for `time`, less when cancelled; true when cancelled.
    pub fn wait(&self, time: Duration) -> bool {
        let timeout = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&*self.0, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&timeout)), Ok(1..))
    }
}

impl AsFd for Cancel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
