//! Which records of a journal count, after a crash of the process or of the host. Pure.

use super::change::Change;
use super::index::Index;
use super::record::{Mark, Record};
use crate::types::{BootId, Seq};

/// Takes the records in order; those after the last mark wait until it is known who wrote them.
pub(super) struct Replay {
    index: Index,
    /// The last mark, and where it stands.
    mark: Option<(Seq, Mark)>,
    last_batch: Seq,
    /// Batches that no mark covers yet.
    waiting: Vec<(Seq, u64, Vec<Change>)>,
}

/// What the records lead to.
pub(super) struct Outcome {
    pub index: Index,
    /// The last mark was made in this run of the host: what follows it is all there.
    pub same_boot: bool,
    /// The last record is the mark of somebody who had synced everything and ended.
    pub closed: bool,
    /// Batches that are not believed.
    pub void: usize,
    /// The last one that is.
    pub last_batch: Seq,
}

impl Replay {
    pub fn new() -> Self {
        Self { index: Index::new(), mark: None, last_batch: Seq(0), waiting: Vec::new() }
    }

    pub fn take(&mut self, seq: Seq, record: Record) {
        match record {
            Record::Batch { next_ino, changes } => self.waiting.push((seq, next_ino, changes)),
            Record::Mark(mark) => {
                self.mark = Some((seq, mark));
                let covered = self.waiting.partition_point(|(seq, ..)| *seq <= mark.upto);
                let covered: Vec<_> = self.waiting.drain(..covered).collect();
                covered.into_iter().for_each(|batch| self.apply(batch));
            }
        }
    }

    /// Decides on what no mark covers; `last` is the last record, `boot` this run of the host.
    pub fn finish(mut self, last: Seq, boot: BootId) -> Outcome {
        let same_boot = self.mark.is_some_and(|(_, mark)| mark.boot == boot);
        let closed = self.mark.is_some_and(|(at, mark)| at == last && mark.closed);
        let waiting = std::mem::take(&mut self.waiting);
        let void = if same_boot { 0 } else { waiting.len() };
        if same_boot {
            waiting.into_iter().for_each(|batch| self.apply(batch));
        }
        Outcome { index: self.index, same_boot, closed, void, last_batch: self.last_batch }
    }

    fn apply(&mut self, (seq, next_ino, changes): (Seq, u64, Vec<Change>)) {
        self.last_batch = seq;
        self.index.reserve_inos(next_ino);
        for change in changes {
            self.index.apply(change);
        }
    }
}
