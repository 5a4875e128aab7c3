//! Contents that are on the remote only, brought when somebody calls for them: each once, however
//! many call, and many at a time.
//!
//! Calls that come within a moment, or while all lanes are busy, go together; with a file come the
//! others of its directory, and while calls keep coming, those that a walk would reach next. Nobody
//! waits in here: who calls is told.

use super::trees::Trees;
use super::{BaseError, Unavailable};
use crate::git::{GitError, Repo};
use crate::sys::locks::{Condvar, Mutex};
use crate::sys::{Cancel, Clock, OsClock};
use crate::types::Oid;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a first call waits for others.
const GATHER: Duration = Duration::from_millis(2);
/// How many fetches run side by side: one that takes long holds up nothing else.
const LANES: usize = 3;
/// The most files of one directory that come with one of them.
const SIBLINGS: usize = 2000;
/// How far ahead is read when calls keep coming, in files: at first, at least and at most.
const AHEAD_FIRST: usize = 256;
const AHEAD_LEAST: usize = 64;
const AHEAD_MOST: usize = 8192;
/// As far as a fetch takes this time over that of the quickest one, which was mostly the way there
/// and back.
const AHEAD_TIME: Duration = Duration::from_secs(1);
/// Calls that come within this time after a fetch keep coming.
const QUIET: Duration = Duration::from_secs(1);
/// How long a remote that did not answer is not asked again: a walk over a thousand files shall not
/// fail a thousand times.
const PAUSE: Duration = Duration::from_millis(500);

/// Who brings objects that the remote keeps.
pub trait Promisor: Send + Sync {
    /// Brings `oids` to where the repository finds them. One that the remote does not have may let
    /// all of them fail.
    fn bring(&self, oids: &[Oid]) -> Result<(), GitError>;
}

/// What is done when a content is here, or does not come.
pub type Then = Box<dyn FnOnce(Result<(), BaseError>) + Send>;

/// Calls contents from the remote. Dropping it lets go of what is under way.
pub(super) struct Hydrator(Arc<Lanes>);

struct Lanes {
    promisor: Arc<dyn Promisor>,
    repo: Repo,
    trees: Arc<Trees>,
    clock: OsClock,
    state: Mutex<State>,
    called: Condvar,
    ended: Cancel,
}

#[derive(Default)]
struct State {
    /// Called for and not under way.
    queue: Vec<Oid>,
    /// Called for or under way, and whom to tell.
    pending: HashMap<Oid, Vec<Then>>,
    /// How many lanes there are, and how many of them have nothing to do.
    lanes: usize,
    idle: usize,
    /// Calls keep coming.
    reads_ahead: bool,
    /// The last fetch: how many files, how long it took, and when it ended.
    files: usize,
    took: Duration,
    last: Option<Duration>,
    /// How long the quickest fetch took.
    quickest: Option<Duration>,
    /// The remote did not answer, and is not asked before this time.
    down: Option<(Duration, Unavailable)>,
    /// What the remote said that it does not have: comes with nothing else any more.
    lost: HashSet<Oid>,
    counts: Counts,
    ended: bool,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Fetches that somebody waited for.
    pub fetches: u64,
    /// Contents that came by them.
    pub contents: u64,
}

impl Hydrator {
    pub(super) fn new(
        promisor: Arc<dyn Promisor>,
        repo: Repo,
        trees: Arc<Trees>,
    ) -> std::io::Result<Self> {
        let (state, called) = (Mutex::new(State::default()), Condvar::new());
        let (clock, ended) = (OsClock::new(), Cancel::new()?);
        Ok(Self(Arc::new(Lanes { promisor, repo, trees, clock, state, called, ended })))
    }

    /// Calls for `oid`; `then` is run, perhaps at once, perhaps by another thread.
    pub(super) fn call(&self, oid: Oid, then: Then) {
        let mut state = self.0.state.lock();
        let down = state.down.as_ref().filter(|(until, _)| self.0.clock.monotonic() < *until);
        if let Some((_, source)) = down {
            let source = source.clone();
            drop(state);
            return then(Err(BaseError::Unavailable { oid, source }));
        }
        if let Some(waiting) = state.pending.get_mut(&oid) {
            return waiting.push(then);
        }
        state.pending.insert(oid, vec![then]);
        state.queue.push(oid);
        let start = state.idle == 0 && state.lanes < LANES;
        state.lanes += usize::from(start);
        drop(state);
        self.0.called.notify_all();
        if start {
            let lanes = self.0.clone();
            let started =
                std::thread::Builder::new().name("hydrate".into()).spawn(move || lanes.serve());
            if let Err(error) = started {
                tracing::error!(%error, "cannot start a thread");
                self.0.state.lock().lanes -= 1;
            }
        }
    }

    /// Whether somebody waits for the remote.
    pub(super) fn is_busy(&self) -> bool {
        !self.0.state.lock().pending.is_empty()
    }

    /// Brings `oids` beside all calls, for nobody who waits.
    pub(super) fn bring_aside(&self, oids: &[Oid]) -> Result<(), GitError> {
        self.0.promisor.bring(oids)?;
        self.0.repo.refresh();
        Ok(())
    }

    /// What was done so far.
    pub(super) fn counts(&self) -> Counts {
        self.0.state.lock().counts
    }
}

impl Drop for Hydrator {
    fn drop(&mut self) {
        self.0.state.lock().ended = true;
        self.0.ended.cancel();
        self.0.called.notify_all();
    }
}

impl Lanes {
    fn serve(&self) {
        while let Some(called) = self.next() {
            let batch = self.batch(&called);
            let outcomes = self.bring(&called, &batch);
            self.tell(&batch, &outcomes);
        }
    }

    /// What is called for, a moment after the first call; None at the end.
    fn next(&self) -> Option<Vec<Oid>> {
        let mut state = self.state.lock();
        while !state.ended {
            if state.queue.is_empty() {
                state.idle += 1;
                self.called.wait(&mut state);
                state.idle -= 1;
                continue;
            }
            drop(state);
            self.ended.wait(GATHER);
            state = self.state.lock();
            // Another lane may have taken all of it.
            if !state.queue.is_empty() {
                return Some(std::mem::take(&mut state.queue));
            }
        }
        None
    }

    /// `called` and what is to come with it; all of it is pending then.
    fn batch(&self, called: &[Oid]) -> Vec<Oid> {
        let enough = self.state.lock().read_ahead(self.clock.monotonic());
        let share = enough / called.len();
        let lost = self.state.lock().lost.clone();
        self.repo.refresh_if_stale();
        let is_away = |oid| !lost.contains(&oid) && !self.repo.missing(&[oid]).is_empty();
        let around =
            called.iter().flat_map(|oid| self.trees.around(*oid, SIBLINGS, share, &is_away));
        let mut seen: HashSet<Oid> = called.iter().copied().collect();
        let others: Vec<Oid> = around.filter(|oid| seen.insert(*oid)).collect();
        let state = &mut *self.state.lock();
        let mut batch = called.to_vec();
        for oid in others {
            if let std::collections::hash_map::Entry::Vacant(entry) = state.pending.entry(oid) {
                entry.insert(Vec::new());
                batch.push(oid);
            }
        }
        batch
    }

    /// Brings `batch`, at least those of it that were `called` for; why not, where it failed.
    fn bring(&self, called: &[Oid], batch: &[Oid]) -> HashMap<Oid, Unavailable> {
        let (mut missing, needed) = (self.repo.missing(batch), self.repo.missing(called));
        let mut failed = HashMap::new();
        if needed.is_empty() {
            return failed;
        }
        while let Err(error) = self.fetch(&missing) {
            let Unavailable::Refused(why) = &error else {
                failed.extend(missing.iter().map(|oid| (*oid, error.clone())));
                break;
            };
            // It is not the remote that failed, but one of them. Mostly it says which.
            let named: Vec<Oid> =
                missing.iter().copied().filter(|oid| why.contains(&oid.to_string())).collect();
            if named.is_empty() {
                for oid in &needed {
                    let alone = match missing.len() {
                        1 => Err(error.clone()),
                        _ => self.fetch(&[*oid]),
                    };
                    failed.extend(alone.err().map(|error| (*oid, error)));
                }
                break;
            }
            failed.extend(named.iter().map(|oid| (*oid, error.clone())));
            missing.retain(|oid| !named.contains(oid));
            self.state.lock().lost.extend(named);
            if missing.is_empty() {
                break;
            }
        }
        self.repo.refresh();
        for oid in self.repo.missing(&needed) {
            let silent = || Unavailable::Refused("the remote did not send it".to_owned());
            failed.entry(oid).or_insert_with(silent);
        }
        failed
    }

    fn fetch(&self, oids: &[Oid]) -> Result<(), Unavailable> {
        let start = self.clock.monotonic();
        let fetched = self.promisor.bring(oids).map_err(Unavailable::from);
        let state = &mut *self.state.lock();
        match &fetched {
            Ok(()) => {
                state.came(oids.len(), self.clock.monotonic().saturating_sub(start));
                tracing::debug!(contents = oids.len(), took = ?state.took, "contents came");
                state.counts.fetches += 1;
                state.counts.contents += oids.len() as u64;
                state.down = None;
            }
            Err(Unavailable::Refused(_)) => {}
            Err(error) => state.down = Some((self.clock.monotonic() + PAUSE, error.clone())),
        }
        if let Err(error) = &fetched {
            tracing::warn!(%error, contents = oids.len(), "contents of files do not come");
        }
        fetched
    }

    fn tell(&self, batch: &[Oid], failed: &HashMap<Oid, Unavailable>) {
        let waiting: Vec<(Oid, Vec<Then>)> = {
            let mut state = self.state.lock();
            state.last = Some(self.clock.monotonic());
            let taken = batch.iter().map(|oid| (*oid, state.pending.remove(oid)));
            taken.filter_map(|(oid, waiting)| Some((oid, waiting?))).collect()
        };
        for (oid, waiting) in waiting {
            for then in waiting {
                then(match failed.get(&oid) {
                    Some(source) => Err(BaseError::Unavailable { oid, source: source.clone() }),
                    None => Ok(()),
                });
            }
        }
    }
}

impl State {
    /// How many files are to come in one fetch, while calls keep coming.
    fn read_ahead(&mut self, now: Duration) -> usize {
        let did = self.reads_ahead;
        self.reads_ahead = self.last.is_some_and(|last| now < last + QUIET);
        match (self.reads_ahead, did) {
            (false, _) => 0,
            (true, false) => AHEAD_FIRST,
            (true, true) => self.in_time().clamp(AHEAD_LEAST, AHEAD_MOST),
        }
    }

    /// How many files come in [`AHEAD_TIME`], by what the last fetch took.
    fn in_time(&self) -> usize {
        let way = self.quickest.unwrap_or(self.took);
        let spent_ms = self.took.saturating_sub(way).as_millis().max(1);
        let files = self.files as u128 * AHEAD_TIME.as_millis() / spent_ms;
        usize::try_from(files).unwrap_or(AHEAD_MOST)
    }

    fn came(&mut self, files: usize, took: Duration) {
        (self.files, self.took) = (files, took);
        self.quickest = Some(self.quickest.map_or(took, |quickest| quickest.min(took)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_brought_as_come_in_a_second() {
        let ms = Duration::from_millis;
        let mut state = State::default();
        assert_eq!(state.read_ahead(ms(0)), 0, "the first call");
        let mut after = |files, took| {
            state.came(files, ms(took));
            state.last = Some(ms(1000));
            state.read_ahead(ms(1001))
        };
        assert_eq!(after(16, 100), AHEAD_FIRST, "that tells the way there and back");
        assert_eq!(after(256, 180), 3200, "80 ms more");
        assert_eq!(after(3200, 600), 6400);
        assert_eq!(after(6400, 700), AHEAD_MOST, "more than that nobody waits for");
        assert_eq!(after(8000, 20_100), 400, "somebody else has the line");
        assert_eq!(after(400, 40_100), AHEAD_LEAST);
        assert_eq!(after(64, 50), AHEAD_MOST, "quicker than any before");
        assert_eq!(state.read_ahead(ms(1000) + QUIET), 0, "nobody called for a while");
    }
}
