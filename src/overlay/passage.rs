//! Bodies that the kernel reads and writes by itself, for whoever has the file open (FUSE passthrough).
//!
//! Nobody can stop such a writer, nor tell it of another body. So a body stays its file's as long as
//! there is a [`Passage`] to it: it is altered where it is, frozen or not. A freeze remembers which
//! bodies these were: what it reads of them is what they hold at that moment, and nothing may be
//! concluded from it later. A fork gets a copy. A sync takes them along each time, and whether they
//! changed shows in their times alone.

use super::content::{Bodies, Body, BodyStat};
use crate::sys::locks::{Mutex, Ordering};
use crate::types::BodyId;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// The right to read, or to read and write, a body as a file. Its end is noted when it is dropped.
pub struct Passage {
    body: Arc<Body>,
    writes: bool,
    passages: Arc<Passages>,
}

/// All that there are in one store.
#[derive(Default)]
pub(super) struct Passages(Mutex<BTreeMap<BodyId, Passed>>);

struct Passed {
    body: Arc<Body>,
    count: u64,
    writers: u64,
    /// As it was when it was last looked at.
    seen: Option<BodyStat>,
}

impl Bodies {
    /// Lets somebody have `body` as a file; None where that must not be: it belongs to a freeze or to
    /// another workspace, too.
    ///
    /// Ask while holding [`Bodies::writing`].
    pub fn pass(&self, body: &Arc<Body>, writes: bool) -> Option<Passage> {
        if !self.may_write(body) {
            return None;
        }
        let passage = self.passages.begin(body, writes);
        if writes {
            body.mark_altered();
        }
        Some(passage)
    }
}

impl Body {
    /// Whether somebody has it as a file.
    pub fn is_passed(&self) -> bool {
        self.passages.load(Ordering::Acquire) > 0
    }
}

impl Passages {
    fn begin(self: &Arc<Self>, body: &Arc<Body>, writes: bool) -> Passage {
        let mut all = self.0.lock();
        let passed = all.entry(body.id).or_insert_with(|| Passed {
            body: body.clone(),
            count: 0,
            writers: 0,
            seen: None,
        });
        passed.count += 1;
        passed.writers += u64::from(writes);
        body.passages.fetch_add(1, Ordering::AcqRel);
        Passage { body: body.clone(), writes, passages: self.clone() }
    }

    /// The bodies that there are passages to.
    pub(super) fn bodies(&self) -> BTreeSet<BodyId> {
        self.0.lock().keys().copied().collect()
    }

    /// Those that may be written to at any time.
    pub(super) fn written(&self) -> Vec<BodyId> {
        let all = self.0.lock();
        all.iter().filter(|(_, passed)| passed.writers > 0).map(|(id, _)| *id).collect()
    }

    /// How many of these changed since this was last asked.
    pub(super) fn count_changed(&self) -> u64 {
        let mut all = self.0.lock();
        let written = all.values_mut().filter(|passed| passed.writers > 0);
        let changed = written.map(|passed| {
            let now = passed.body.stat().ok();
            u64::from(std::mem::replace(&mut passed.seen, now) != now)
        });
        changed.sum()
    }
}

impl Passage {
    /// Whether the body may be written to.
    pub fn writes(&self) -> bool {
        self.writes
    }
}

impl AsFd for Passage {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.body.file.as_fd()
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if self.writes {
            // On the list of the next sync, before nobody knows of the writer any more.
            self.body.mark_altered();
        }
        let mut all = self.passages.0.lock();
        if let Some(passed) = all.get_mut(&self.body.id) {
            passed.count -= 1;
            passed.writers -= u64::from(self.writes);
            if passed.count == 0 {
                all.remove(&self.body.id);
            }
        }
        self.body.passages.fetch_sub(1, Ordering::AcqRel);
    }
}
