//! What is to be delivered: many records of one ref become one. Pure.

use super::ledger::Ledger;
use super::record::Record;

/// What a drain of one ref has before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// All records that no drain has accounted for, oldest first; goes to the WAL.
    pub(super) records: Vec<Record>,
    /// The one to deliver: a later commit stands for the earlier ones.
    pub(super) latest: Record,
    /// Up to where the ledger accounts for records when this batch is through.
    pub(super) upto: u64,
}

/// Collects what the ledger keeps, what an interrupted drain staged, and what was enqueued since.
/// Records that the ledger accounts for are skipped: they can come back when the power failed
/// between two unsynced steps.
pub(super) fn batch(ledger: &Ledger, staged: Vec<Record>, fresh: Vec<Record>) -> Option<Batch> {
    let mut records: Vec<_> =
        staged.into_iter().chain(fresh).filter(|record| record.id > ledger.consumed).collect();
    records.sort_by_key(|record| record.id);
    records.dedup_by_key(|record| record.id);
    let latest = records.last().or(ledger.pending.as_ref()).cloned()?;
    let upto = ledger.consumed.max(latest.id);
    if records.is_empty() {
        records.push(latest.clone());
    }
    Some(Batch { records, latest, upto })
}

/// A record that is accounted for, to be tried once more.
pub(super) fn again(ledger: &Ledger, record: &Record) -> Batch {
    Batch { records: vec![record.clone()], latest: record.clone(), upto: ledger.consumed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Oid, Seq};

    fn record(id: u64) -> Record {
        let new = Oid::from_bytes_or_panic(&[u8::try_from(id).unwrap(); 20]);
        Record { id, refname: "refs/heads/main".to_owned(), new, seq: Seq(id) }
    }

    fn ids(batch: &Batch) -> Vec<u64> {
        batch.records.iter().map(|record| record.id).collect()
    }

    #[test]
    fn the_latest_record_stands_for_all() {
        let ledger = Ledger::new("refs/heads/main");
        let batch = batch(&ledger, vec![record(2), record(1)], vec![record(3), record(2)]).unwrap();
        assert_eq!((ids(&batch), batch.latest.id, batch.upto), (vec![1, 2, 3], 3, 3));
    }

    #[test]
    fn what_was_accounted_for_never_comes_back() {
        let ledger = Ledger { consumed: 3, ..Ledger::new("refs/heads/main") };
        assert_eq!(batch(&ledger, vec![record(2)], vec![record(3)]), None);
        let batch = batch(&ledger, vec![record(3)], vec![record(4)]).unwrap();
        assert_eq!(ids(&batch), [4]);
    }

    #[test]
    fn what_failed_before_is_tried_until_something_newer_comes() {
        let pending = Some(record(3));
        let ledger = Ledger { consumed: 3, pending, ..Ledger::new("refs/heads/main") };
        let alone = batch(&ledger, vec![], vec![]).unwrap();
        assert_eq!((alone.latest.id, alone.upto), (3, 3));
        let newer = batch(&ledger, vec![], vec![record(4)]).unwrap();
        assert_eq!((newer.latest.id, newer.upto), (4, 4));
    }
}
