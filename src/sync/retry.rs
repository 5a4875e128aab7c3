use super::{Pusher, RefPushed, SyncError, Which};
use crate::sys::Cancel;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Weak};
use std::thread::{JoinHandle, Scope};
use std::time::Duration;

/// The wall clock can be set while we wait: look again at least this often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How long a ref rests whose queue cannot be read or written.
const REST: Duration = Duration::from_secs(30);

/// Pushes in the background what is due, until it is stopped.
///
/// One thread waits, and one for each ref that is being pushed: one that is stuck holds up no other.
#[must_use = "dropping it stops it"]
pub struct RetryLoop {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Tells a loop that something was added to the queue; nothing when the loop is gone.
#[derive(Clone)]
pub struct Nudge(Weak<Shared>);

impl Nudge {
    /// Does it.
    pub fn give(&self) {
        self.0.upgrade().into_iter().for_each(|shared| shared.wake());
    }
}

type Report = Box<dyn Fn(&RefPushed) + Send + Sync>;

struct Shared {
    pusher: Arc<Pusher>,
    report: Report,
    cancel: Cancel,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    nudged: bool,
    running: BTreeSet<String>,
}

impl RetryLoop {
    /// Starts it; `report` is told what became of each push.
    pub fn start(
        pusher: Arc<Pusher>,
        report: impl Fn(&RefPushed) + Send + Sync + 'static,
    ) -> io::Result<RetryLoop> {
        let shared = Arc::new(Shared {
            pusher,
            report: Box::new(report),
            cancel: Cancel::new()?,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let looped = shared.clone();
        let thread = std::thread::Builder::new()
            .name("toft-push".to_owned())
            .spawn(move || std::thread::scope(|scope| looped.run(scope)))?;
        Ok(RetryLoop { shared, thread: Some(thread) })
    }

    /// For telling the loop from elsewhere.
    pub fn nudge(&self) -> Nudge {
        Nudge(Arc::downgrade(&self.shared))
    }
}

impl Drop for RetryLoop {
    /// Ends running children and waits for the threads; what they were at stays queued.
    fn drop(&mut self) {
        self.shared.cancel.cancel();
        self.shared.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the push thread panicked");
        }
    }
}

impl Shared {
    fn wake(&self) {
        self.state.lock().nudged = true;
        self.changed.notify_all();
    }

    fn run<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        while !self.cancel.is_cancelled() {
            let pause = self.start_due(scope).unwrap_or_else(|error| {
                tracing::warn!(%error, "the push queue cannot be read");
                REST
            });
            let mut state = self.state.lock();
            if !state.nudged {
                self.changed.wait_for(&mut state, pause);
            }
            state.nudged = false;
        }
    }

    /// Starts what is due and not running; how long until the next is.
    fn start_due<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<Duration, SyncError> {
        let mut pause = LOOK_AGAIN;
        for (refname, left) in self.pusher.outbox().due(self.pusher.clock())? {
            let running = self.state.lock().running.contains(&refname);
            if running {
                continue;
            }
            if !left.is_zero() {
                pause = pause.min(left);
                continue;
            }
            self.state.lock().running.insert(refname.clone());
            scope.spawn(move || self.push(&refname));
        }
        Ok(pause)
    }

    fn push(&self, refname: &str) {
        match self.pusher.push_ref(refname, Which::Due, None, &self.cancel) {
            Ok(Some(pushed)) => (self.report)(&pushed),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(refname, %error, "the push queue failed");
                self.cancel.wait(REST);
            }
        }
        self.state.lock().running.remove(refname);
        self.wake();
    }
}
