//! How a mount comes to its end. Pure: events in, the next action out.
//!
//! Whoever asks for the end (`toft umount`, a signal, plain `umount`), the order is the same:
//! seal → push → leave the kernel → seal what came in between → idle. Only what may stop it
//! differs: `toft umount` stays mounted when a guard refuses or the mount is busy; a signal does
//! not stay; after a plain `umount` there is nothing left to stay in.

/// Why the mount ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// `toft umount`.
    Asked,
    /// SIGTERM or SIGINT.
    Signal,
    /// The kernel's mount went away: `umount`, `fusermount3 -u`, an abort.
    Gone,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants it to end.
    End(Why),
    /// The flush is over; whether all of it is safe somewhere.
    Flushed {
        /// Nothing stands in the way of leaving.
        safe: bool,
    },
    /// The kernel would not let go: somebody uses the mount.
    Busy,
    /// The kernel has let go.
    Unmounted,
    /// The last seal is done.
    Finished,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Seal and push.
    Flush,
    /// Ask the kernel to let go.
    Unmount,
    /// Take the mount away although somebody uses it.
    Detach,
    /// Tell whoever asked that it stays mounted.
    Stay,
    /// Seal and push what changed since the flush, if anything did, then note that it is idle.
    Finish,
    /// Nothing: wait.
    Wait,
    /// Over.
    Exit,
}

/// Where it is on that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Mounted and served.
    Serving,
    /// Flushing while still mounted.
    Flushing(Why),
    /// Waiting for the kernel.
    Leaving(Why),
    /// Not mounted any more; the last seal.
    Finishing,
    /// Over.
    Done,
}

impl Lifecycle {
    /// Takes the event and says what to do. An event that does not fit the state changes nothing.
    pub fn step(&mut self, event: Event) -> Action {
        let (next, action) = match (*self, event) {
            (Self::Finishing, Event::Finished) => (Self::Done, Action::Exit),
            (state @ (Self::Finishing | Self::Done), _) => (state, Action::Wait),
            (_, Event::Unmounted | Event::End(Why::Gone)) => (Self::Finishing, Action::Finish),
            (Self::Serving, Event::End(why)) => (Self::Flushing(why), Action::Flush),
            // A signal during `toft umount` makes it certain; the flush goes on.
            (Self::Flushing(_), Event::End(why)) => (Self::Flushing(why), Action::Wait),
            (Self::Leaving(_), Event::End(Why::Signal)) => {
                (Self::Leaving(Why::Signal), Action::Detach)
            }
            (Self::Flushing(Why::Asked), Event::Flushed { safe: false }) => {
                (Self::Serving, Action::Stay)
            }
            (Self::Flushing(why), Event::Flushed { .. }) => (Self::Leaving(why), Action::Unmount),
            (Self::Leaving(Why::Asked), Event::Busy) => (Self::Serving, Action::Stay),
            (Self::Leaving(why), Event::Busy) => (Self::Leaving(why), Action::Detach),
            (state, _) => (state, Action::Wait),
        };
        *self = next;
        action
    }
}
