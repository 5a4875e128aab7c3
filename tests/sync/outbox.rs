use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use toft::sync::{Known, Outbox, Patience, PushIntent, Verdict, Wait, Which};
use toft::sys::{Cancel, Clock, Disk, OsClock, OsDisk, Reason};
use toft::types::{Oid, Seq, Timespec};

pub const MAIN: &str = "refs/heads/main";

/// The n-th commit of a made-up history.
pub fn commit(number: u64) -> Oid {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Oid::from_bytes_or_panic(&bytes)
}

pub fn number(oid: Oid) -> u64 {
    u64::from_be_bytes(oid.as_bytes()[..8].try_into().unwrap())
}

pub fn intent(refname: &str, number: u64) -> PushIntent {
    PushIntent { refname: refname.to_owned(), new: commit(number), seq: Seq(number) }
}

/// A clock that stands still.
pub struct StoppedClock {
    real: OsClock,
    pub now: Mutex<Timespec>,
}

impl StoppedClock {
    pub fn new() -> StoppedClock {
        StoppedClock { real: OsClock::new(), now: Mutex::new(Timespec::from_sec(1_700_000_000)) }
    }

    pub fn pass(&self, seconds: i64) {
        self.now.lock().unwrap().sec += seconds;
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timespec {
        *self.now.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }
}

struct Setup {
    dir: tempfile::TempDir,
    disk: Arc<OsDisk>,
    clock: StoppedClock,
    cancel: Cancel,
}

impl Setup {
    fn new() -> Setup {
        Setup {
            dir: tempfile::tempdir().unwrap(),
            disk: Arc::default(),
            clock: StoppedClock::new(),
            cancel: Cancel::new().unwrap(),
        }
    }

    fn open(&self) -> Outbox {
        Outbox::open(self.dir.path(), self.disk.clone()).unwrap()
    }

    fn wait(&self) -> Wait<'_> {
        Wait { clock: &self.clock, deadline: None, cancel: &self.cancel }
    }

    /// Delivers; what was delivered, by number.
    fn drain(&self, outbox: &Outbox, refname: &str, which: Which) -> Option<u64> {
        let mut seen = None;
        let deliver = |delivery: &toft::sync::Delivery| {
            seen = Some(number(delivery.record.new));
            Verdict::Delivered { remote: delivery.record.new }
        };
        outbox.drain(refname, which, &self.wait(), deliver).unwrap();
        seen
    }

    fn fail(&self, outbox: &Outbox, refname: &str) {
        let verdict = Verdict::Failed {
            remote: Known::Unknown,
            patience: Patience::Network,
            message: "no route".to_owned(),
        };
        outbox.drain(refname, Which::All, &self.wait(), |_| verdict).unwrap().unwrap();
    }

    /// File and directory fsyncs so far.
    fn fsyncs(&self) -> (u64, u64) {
        let counts = self.disk.counts();
        (counts.files(Reason::Outbox), counts.dirs(Reason::Outbox))
    }
}

#[test]
fn a_drain_costs_two_file_and_two_directory_fsyncs_whatever_it_holds() {
    for records in [1, 25, 500] {
        let setup = Setup::new();
        let outbox = setup.open();
        (1..=records).for_each(|number| outbox.enqueue(&intent(MAIN, number)).unwrap());
        let before = setup.fsyncs();
        assert_eq!(setup.drain(&outbox, MAIN, Which::All), Some(records));
        let after = setup.fsyncs();
        assert_eq!((after.0 - before.0, after.1 - before.1), (2, 2), "{records} records");
        assert_eq!(setup.drain(&outbox, MAIN, Which::All), None);
        assert_eq!(setup.drain(&outbox, "refs/heads/none", Which::All), None);
        assert_eq!(setup.fsyncs(), after, "a drain of nothing costs nothing");
    }
}

#[test]
fn a_drain_that_fails_costs_the_same_and_one_that_is_not_due_costs_nothing() {
    let setup = Setup::new();
    let outbox = setup.open();
    outbox.enqueue(&intent(MAIN, 1)).unwrap();
    for _ in 0..3 {
        let before = setup.fsyncs();
        setup.fail(&outbox, MAIN);
        let after = setup.fsyncs();
        assert_eq!((after.0 - before.0, after.1 - before.1), (2, 2));
        assert_eq!(setup.drain(&outbox, MAIN, Which::Due), None);
        assert_eq!(setup.fsyncs(), after);
    }
    setup.clock.pass(3600);
    assert_eq!(setup.drain(&outbox, MAIN, Which::Due), Some(1));
}

#[test]
fn failures_and_their_waiting_time_survive_a_restart() {
    let setup = Setup::new();
    setup.open().enqueue(&intent(MAIN, 1)).unwrap();
    setup.fail(&setup.open(), MAIN);
    setup.fail(&setup.open(), MAIN);
    let again = setup.open();
    let state = again.states().unwrap().remove(0);
    let failure = state.failure.unwrap();
    assert_eq!((failure.count, failure.message.as_str()), (2, "no route"));
    assert!(failure.next() > setup.clock.now());
    assert_eq!(state.pending.map(|record| number(record.new)), Some(1));
    assert!(again.due(&setup.clock).unwrap()[0].1 > Duration::ZERO);
    setup.clock.pass(600);
    assert_eq!(again.due(&setup.clock).unwrap(), [(MAIN.to_owned(), Duration::ZERO)]);
    assert_eq!(setup.drain(&again, MAIN, Which::Due), Some(1));
    assert!(again.pending().unwrap().is_empty() && again.due(&setup.clock).unwrap().is_empty());
}

#[test]
fn what_is_enqueued_while_a_push_runs_waits_for_the_next() {
    let setup = Setup::new();
    let outbox = setup.open();
    outbox.enqueue(&intent(MAIN, 1)).unwrap();
    let deliver = |delivery: &toft::sync::Delivery| {
        outbox.enqueue(&intent(MAIN, 2)).unwrap();
        Verdict::Delivered { remote: delivery.record.new }
    };
    outbox.drain(MAIN, Which::All, &setup.wait(), deliver).unwrap();
    assert_eq!(outbox.pending().unwrap().len(), 1);
    assert_eq!(setup.drain(&outbox, MAIN, Which::All), Some(2));
}

#[test]
fn a_ref_that_is_stuck_holds_up_no_other() {
    let setup = Setup::new();
    let outbox = setup.open();
    outbox.enqueue(&intent(MAIN, 1)).unwrap();
    outbox.enqueue(&intent("refs/heads/other", 2)).unwrap();
    let (stuck, go) = (AtomicBool::new(false), Cancel::new().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let deliver = |delivery: &toft::sync::Delivery| {
                stuck.store(true, Ordering::SeqCst);
                assert!(go.wait(Duration::from_secs(60)));
                Verdict::Delivered { remote: delivery.record.new }
            };
            outbox.drain(MAIN, Which::All, &setup.wait(), deliver).unwrap();
        });
        while !stuck.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert_eq!(setup.drain(&outbox, "refs/heads/other", Which::All), Some(2));
        let deadline = Some(setup.clock.monotonic() + Duration::from_millis(50));
        let wait = Wait { deadline, ..setup.wait() };
        let busy = outbox.drain(MAIN, Which::All, &wait, |_| unreachable!());
        assert!(matches!(busy, Err(toft::sync::SyncError::Busy { .. })));
        go.cancel();
    });
}

#[test]
fn concurrent_drains_deliver_each_record_once_and_lose_none() {
    const EACH: u64 = 150;
    let setup = Setup::new();
    // As processes would have it: nothing shared but the directory.
    let queues: Vec<_> = (0..6).map(|_| setup.open()).collect();
    for queue in &queues {
        queue.register(MAIN, Known::Unknown, None).unwrap();
    }
    let queues: Vec<_> = queues.iter().map(|_| setup.open()).collect();
    let (next, enqueued) = (AtomicU64::new(1), AtomicU64::new(0));
    let delivered: Mutex<HashMap<u64, u32>> = Mutex::default();
    let one_at_a_time = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for queue in &queues[..2] {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    queue.enqueue(&intent(MAIN, number)).unwrap();
                    enqueued.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for queue in &queues[2..] {
            scope.spawn(|| {
                loop {
                    let all = enqueued.load(Ordering::SeqCst) == 2 * EACH;
                    let deliver = |delivery: &toft::sync::Delivery| {
                        assert!(!one_at_a_time.swap(true, Ordering::SeqCst));
                        *delivered.lock().unwrap().entry(delivery.record.id).or_default() += 1;
                        one_at_a_time.store(false, Ordering::SeqCst);
                        Verdict::Delivered { remote: delivery.record.new }
                    };
                    let done = queue.drain(MAIN, Which::All, &setup.wait(), deliver).unwrap();
                    if all && done.is_none() {
                        return;
                    }
                }
            });
        }
    });
    let delivered = delivered.into_inner().unwrap();
    assert!(delivered.values().all(|&times| times == 1));
    assert_eq!(delivered.keys().max(), Some(&(2 * EACH)), "ids have neither gaps nor twins");
    assert!(setup.open().pending().unwrap().is_empty());
}

#[test]
fn a_commit_that_was_never_enqueued_is_found_at_the_start_and_only_then() {
    let setup = Setup::new();
    let outbox = setup.open();
    outbox.register(MAIN, Known::At(commit(1)), Some(commit(1))).unwrap();
    assert!(!outbox.ensure(MAIN, commit(1), Seq(1)).unwrap(), "the remote has it");
    assert!(outbox.ensure(MAIN, commit(2), Seq(2)).unwrap());
    assert!(!outbox.ensure(MAIN, commit(2), Seq(2)).unwrap(), "it is queued");
    setup.fail(&outbox, MAIN);
    assert!(!outbox.ensure(MAIN, commit(2), Seq(2)).unwrap(), "it waits for a retry");
    setup.drain(&outbox, MAIN, Which::All);
    assert!(!setup.open().ensure(MAIN, commit(2), Seq(2)).unwrap(), "it is delivered");
}

#[test]
fn a_damaged_ledger_loses_no_record_and_a_newer_format_is_not_touched() {
    let setup = Setup::new();
    let outbox = setup.open();
    outbox.enqueue(&intent(MAIN, 1)).unwrap();
    setup.fail(&outbox, MAIN);
    outbox.enqueue(&intent(MAIN, 2)).unwrap();
    let lane = std::fs::read_dir(setup.dir.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(lane.join("ledger.json"), "{ torn").unwrap();
    let again = setup.open();
    assert_eq!(again.states().unwrap()[0].remote, Known::Unknown);
    assert_eq!(setup.drain(&again, MAIN, Which::All), Some(2));
    let newer = r#"{"format": 99, "what": "ever"}"#;
    std::fs::write(lane.join("ledger.json"), newer).unwrap();
    assert!(Outbox::open(setup.dir.path(), setup.disk.clone()).is_err());
    assert_eq!(std::fs::read_to_string(lane.join("ledger.json")).unwrap(), newer);
}

#[test]
fn the_queue_is_for_its_owners_eyes_only() {
    use std::os::unix::fs::MetadataExt;
    let setup = Setup::new();
    let outbox = setup.open();
    outbox.enqueue(&intent(MAIN, 1)).unwrap();
    setup.fail(&outbox, MAIN);
    check(setup.dir.path());
    fn check(dir: &Path) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let metadata = entry.metadata().unwrap();
            assert_eq!(metadata.mode() & 0o077, 0, "{}", entry.path().display());
            if metadata.is_dir() {
                check(&entry.path());
            }
        }
    }
}
