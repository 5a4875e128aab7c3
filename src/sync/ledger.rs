//! What is remembered of one ref between drains. Pure.

use super::backoff::{self, Patience};
use super::record::{Record, hex, hex_or_none};
use crate::types::{Oid, Timespec};
use serde::{Deserialize, Serialize};

/// The format that this toft writes.
pub(super) const FORMAT: u32 = 1;

/// Where the remote's ref stood when we last saw or moved it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Known {
    /// Never seen.
    #[default]
    Unknown,
    /// The remote has no such ref.
    Absent,
    /// It stands at this commit.
    At(#[serde(with = "hex")] Oid),
}

/// The state of one ref of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Of this file.
    pub(super) format: u32,
    /// Full name of the ref.
    pub refname: String,
    /// All records up to this one are accounted for: delivered, or kept as `pending`.
    pub consumed: u64,
    /// The expected old value of the next push.
    pub remote: Known,
    /// The last commit of ours of which we know that the remote's ref contains it. A commit that
    /// does not descend from it was made by rewriting history (D9).
    #[serde(with = "hex_or_none")]
    pub delivered: Option<Oid>,
    /// Not delivered yet.
    pub pending: Option<Record>,
    /// Why not.
    pub failure: Option<Failure>,
    /// Kept on a side branch, and not in the remote's ref.
    pub conflict: Option<OpenConflict>,
}

/// Failures in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// How many.
    pub count: u32,
    /// The last one's message, redacted.
    pub message: String,
    /// Wall-clock time of the next attempt: seconds since 1970, and milliseconds.
    next_s: i64,
    next_ms: u32,
}

impl Failure {
    /// When the next attempt is due.
    pub fn next(&self) -> Timespec {
        Timespec { sec: self.next_s, nsec: self.next_ms.min(999) * 1_000_000 }
    }
}

/// A commit that could not be merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenConflict {
    /// Our record, for when the user asks again.
    pub record: Record,
    /// The branch on the remote that holds our commit.
    pub branch: String,
    /// The commit of the remote's ref that it conflicts with.
    #[serde(with = "hex")]
    pub theirs: Oid,
    /// Paths, as bytes; empty when histories, not files, conflict.
    pub paths: Vec<Vec<u8>>,
}

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The remote's ref stands at `remote`, which contains our commit.
    Delivered {
        /// Where the ref stands.
        remote: Oid,
    },
    /// Our commit is on a side branch.
    Conflict(OpenConflict),
    /// Neither; to be tried again.
    Failed {
        /// Where the remote's ref stood when we last saw it.
        remote: Known,
        /// What the next attempt waits for.
        patience: Patience,
        /// Why.
        message: String,
    },
}

impl Ledger {
    /// Of a ref that nothing is known about.
    pub fn new(refname: &str) -> Ledger {
        Ledger {
            format: FORMAT,
            refname: refname.to_owned(),
            consumed: 0,
            remote: Known::Unknown,
            delivered: None,
            pending: None,
            failure: None,
            conflict: None,
        }
    }

    /// Whether an attempt may be made at `now`.
    pub fn is_due(&self, now: Timespec) -> bool {
        self.failure.as_ref().is_none_or(|failure| backoff::until(failure.next(), now).is_zero())
    }

    /// Whether the commit `new` is out of our hands or in the queue already.
    pub fn knows(&self, new: Oid) -> bool {
        let is = |record: &Record| record.new == new;
        self.delivered == Some(new)
            || self.remote == Known::At(new)
            || self.pending.as_ref().is_some_and(is)
            || self.conflict.as_ref().is_some_and(|conflict| is(&conflict.record))
    }

    /// The ledger after `record`, and with it everything up to `upto`, came to `verdict`.
    pub(super) fn after(
        mut self,
        record: Record,
        upto: u64,
        verdict: Verdict,
        now: Timespec,
        random: u64,
    ) -> Ledger {
        self.consumed = upto;
        self.pending = None;
        match verdict {
            Verdict::Delivered { remote } => {
                self.remote = Known::At(remote);
                self.delivered = Some(record.new);
                (self.failure, self.conflict) = (None, None);
            }
            Verdict::Conflict(conflict) => {
                self.remote = Known::At(conflict.theirs);
                (self.failure, self.conflict) = (None, Some(conflict));
            }
            Verdict::Failed { remote, patience, message } => {
                self.remote = remote;
                self.pending = Some(record);
                let count = self.failure.map_or(0, |failure| failure.count).saturating_add(1);
                let next = backoff::after(now, backoff::delay(patience, count, random));
                let (next_s, next_ms) = (next.sec, next.nsec / 1_000_000);
                self.failure = Some(Failure { count, message, next_s, next_ms });
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Seq;

    fn oid(byte: u8) -> Oid {
        Oid::from_bytes_or_panic(&[byte; 20])
    }

    fn record(id: u64, byte: u8) -> Record {
        Record { id, refname: "refs/heads/main".to_owned(), new: oid(byte), seq: Seq(id) }
    }

    const NOW: Timespec = Timespec { sec: 1000, nsec: 0 };

    fn failed(ledger: Ledger, patience: Patience) -> Ledger {
        let verdict =
            Verdict::Failed { remote: Known::At(oid(1)), patience, message: "no".to_owned() };
        ledger.after(record(1, 2), 1, verdict, NOW, 0)
    }

    #[test]
    fn failures_are_counted_and_put_off_the_next_attempt() {
        let once = failed(Ledger::new("refs/heads/main"), Patience::Network);
        assert!(!once.is_due(NOW) && once.is_due(Timespec { sec: 1001, nsec: 0 }));
        let twice = failed(once, Patience::Human);
        assert_eq!(twice.failure.as_ref().map(|failure| failure.count), Some(2));
        assert!(!twice.is_due(Timespec { sec: 1059, nsec: 0 }));
        let done = twice.after(record(1, 2), 1, Verdict::Delivered { remote: oid(2) }, NOW, 0);
        assert_eq!((done.pending, done.failure, done.delivered), (None, None, Some(oid(2))));
    }

    #[test]
    fn a_time_that_no_clock_shows_is_no_overflow() {
        let ledger = failed(Ledger::new("refs/heads/main"), Patience::Network);
        let mut odd = serde_json::to_value(&ledger).unwrap();
        odd["failure"]["next_ms"] = u32::MAX.into();
        assert!(!serde_json::from_value::<Ledger>(odd).unwrap().is_due(NOW));
    }

    #[test]
    fn a_ledger_survives_being_written() {
        let mut ledger = failed(Ledger::new("refs/heads/main"), Patience::Network);
        ledger.conflict = Some(OpenConflict {
            record: record(1, 2),
            branch: "refs/heads/toft/conflict/w-1/1".to_owned(),
            theirs: oid(3),
            paths: vec![b"caf\xe9".to_vec()],
        });
        let json = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&json).unwrap(), ledger);
        assert!(json.contains(&oid(1).to_string()), "{json}");
    }
}
