use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, scope};

/// Runs both at the same time, or one after the other where no thread is to be had. Two fsyncs that
/// wait side by side are done in the time of one: the file system writes its journal once for both.
pub fn beside<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    let one = Mutex::new(Some(one));
    let take = || one.lock().unwrap_or_else(PoisonError::into_inner).take();
    scope(|scope| {
        let thread = Builder::new().spawn_scoped(scope, || take().map(|one| one()));
        let b = other();
        let a = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => take().map(|one| one()),
        };
        (a.expect("it is taken once"), b)
    })
}
