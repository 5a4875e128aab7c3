//! Every call that a workload makes to the disk fails once, in every way: the operation that met it
//! says so, what was acked before is there, the work goes on where the promise says that it does,
//! and a reopened workspace shows exactly what was acked.
//!
//! EDQUOT is met here only: the kernels that the tests run on have no quota formats (CONFIG_QFMT_V2),
//! so that no small disk of `tests/e2e` can have a quota.

use crate::faultdisk::{Fault, FaultDisk};
use crate::generators;
use crate::harness::{Judge, System, base, lower};
use crate::ops::{Dir, Op, Place, Step};
use crate::reference::{Errno, Model, When};
use crate::view::State;
use crate::workspace::Direct;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Operations of a workload.
const OPS: usize = 60;
/// So often the journal is trimmed.
const TRIM_EVERY: usize = 13;
/// Operations that a fault which stays is there for.
const LONG: usize = 25;

fn workload(seed: u64) -> Vec<Op> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let mut ops = Vec::new();
    while ops.len() < OPS {
        ops.extend(generators::ops().new_tree(&mut runner).unwrap().current());
    }
    ops.truncate(OPS);
    ops
}

/// A workload on its way, over a disk with a fault.
struct Run {
    direct: Direct,
    disk: Arc<FaultDisk>,
    model: Model,
    judge: Judge,
    /// The overlay takes no more changes.
    latched: bool,
    was_latched: bool,
    /// Steps that met the fault and said so.
    told: usize,
}

impl Run {
    /// The call number `at`, counted from where the workspace is open, meets `fault`.
    fn new(at: usize, fault: Fault) -> Run {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let disk = Arc::new(FaultDisk::new());
        let state = State::in_dir(lower(), dir).on(disk.clone());
        let direct = Direct::over(state);
        disk.arm(at, fault);
        let model = Model::new(&base(), &[crate::harness::HIDDEN]);
        Run {
            direct,
            disk,
            model,
            judge: Judge::new(),
            latched: false,
            was_latched: false,
            told: 0,
        }
    }

    /// Runs all of `ops`; how many calls to the disk that made.
    fn go(mut self, ops: &[Op]) -> Summary {
        let mut met = None;
        for (number, op) in ops.iter().enumerate() {
            if met.is_some_and(|at| number == at + LONG) {
                self.disk.heal();
            }
            let Some(step) = self.model.resolve(op, number) else { continue };
            let fired = self.step(number, &step);
            if number % TRIM_EVERY == TRIM_EVERY - 1 {
                self.trim();
            }
            if fired && met.is_none() {
                met = Some(number);
            }
        }
        self.judge.compare(&mut self.direct, &self.model, ops.len());
        self.direct.check();
        self.disk.heal();
        for again in 1..=2 {
            self.step(ops.len() + again, &Step::Remount);
        }
        self.judge.compare(&mut self.direct, &self.model, ops.len() + 2);
        self.direct.check();
        Summary { calls: self.disk.calls(), latched: self.was_latched, told: self.told }
    }

    /// Does one step; whether the fault came up in it.
    fn step(&mut self, number: usize, step: &Step) -> bool {
        let at = || format!("step {number}: {step:?}");
        let mut got = self.direct.apply(step, &self.model);
        let fired = self.disk.take_fired();
        if *step == Step::Remount && got.is_err() {
            assert!(fired && got == Err(self.disk.errno()), "{}: {got:?}", at());
            self.told += 1;
            self.disk.heal();
            got = self.direct.apply(step, &self.model);
        }
        if fired || self.latched {
            self.judge(step, got, fired, &at);
        } else {
            assert_eq!(got, self.model.apply(step), "{}", at());
        }
        self.look_for_latch(*step == Step::Remount, &at);
        fired
    }

    /// What a step came to that met the fault, or came after a latch.
    fn judge(
        &mut self,
        step: &Step,
        got: Result<u64, Errno>,
        fired: bool,
        at: &dyn Fn() -> String,
    ) {
        let mut after = self.model.clone();
        let wanted = match (step, got) {
            // A part of it is written, and the caller is told how much.
            (Step::Write { slot, offset, bytes }, Ok(count)) if count < bytes.len() as u64 => {
                assert!(fired && count > 0, "{}: {count} bytes for no reason", at());
                let bytes = bytes[..count as usize].to_vec();
                after.apply(&Step::Write { slot: *slot, offset: *offset, bytes })
            }
            (Step::Copy { from, to, len }, Ok(count)) if fired && count < *len => {
                let whole = self.model.clone().apply(step);
                assert!(count > 0 || whole == Ok(0), "{}: nothing, and no error", at());
                after.apply(&Step::Copy { from: *from, to: *to, len: count })
            }
            _ => after.apply(step),
        };
        if got == wanted {
            self.model = after;
        } else if fired && got == Err(self.disk.errno()) {
            self.told += 1;
            self.may_be_stamped(step);
        } else {
            let refused = self.latched && got == Err(libc::EROFS);
            assert!(refused, "{}: {got:?} and not {wanted:?}", at());
        }
    }

    /// An alteration that failed may have changed the file's ctime, as everywhere.
    fn may_be_stamped(&mut self, step: &Step) {
        let id = match step {
            Step::Write { slot, .. } | Step::Fallocate { slot, .. } => self.model.files[*slot],
            Step::Copy { to, .. } => self.model.files[to.0],
            _ => None,
        };
        if let Some(open) = id {
            self.model.nodes[open.id].ctime = When::Unknown;
        }
    }

    /// In the background: whoever trims logs the error and goes on.
    fn trim(&mut self) {
        let trimmed = self.direct.trim();
        let fired = self.disk.take_fired();
        assert!(trimmed.is_ok() || fired || self.latched, "{trimmed:?}");
        self.look_for_latch(false, &|| "a trim".into());
    }

    /// After a failed fsync nothing is taken any more until somebody starts anew.
    fn look_for_latch(&mut self, started_anew: bool, at: &dyn Fn() -> String) {
        let why = self.direct.read_only_reason();
        let lost_sync = self.disk.take_lost_sync();
        if started_anew {
            self.latched = false;
        } else if lost_sync {
            let why = why.as_deref().expect("a failed fsync makes it read-only");
            assert!(why.contains("fsync"), "{}: {why}", at());
        } else if !self.latched {
            let broken = self.disk.fault() == Some(Fault::Broken);
            assert!(why.is_none() || broken, "{}: {why:?}", at());
        }
        self.latched |= why.is_some();
        self.was_latched |= self.latched;
    }
}

/// What a run came to.
struct Summary {
    calls: usize,
    latched: bool,
    told: usize,
}

fn sweep(seed: u64, faults: &[Fault]) {
    let seed = std::env::var("TOFT_MODEL_SEED").map_or(seed, |text| text.parse().unwrap());
    let ops = workload(seed);
    let calls = Run::new(usize::MAX, Fault::Broken).go(&ops).calls;
    assert!(calls > OPS, "{calls} calls are too few to say anything");
    let mut count: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for fault in faults {
        let [cases, told, latched] = count.entry(format!("{fault:?}")).or_default();
        for number in 0..calls {
            let run = || Run::new(number, *fault).go(&ops);
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(ran) => {
                    *cases += 1;
                    *told += usize::from(ran.told > 0);
                    *latched += usize::from(ran.latched);
                }
                Err(why) => {
                    let why = why.downcast_ref::<String>().map_or("a panic", String::as_str);
                    wrong.push(format!("{fault:?} at call {number} of {calls}: {why}"));
                }
            }
        }
    }
    println!("seed {seed}: fault, [cases, an operation said so, made it read-only]: {count:?}");
    assert!(wrong.is_empty(), "seed {seed}: {} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_call_to_the_disk_fails_once_and_nothing_acked_is_lost() {
    sweep(21, &[libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::EMFILE].map(Fault::Once));
}

#[test]
fn the_disk_is_full_or_broken_from_each_call_on_and_nothing_acked_is_lost() {
    sweep(21, &[Fault::Short, Fault::Full(libc::ENOSPC), Fault::Broken]);
}

#[test]
fn what_was_deleted_makes_room_when_the_disk_is_full() {
    let place = || Place { dir: Dir::Path(Vec::new()), name: b"new".to_vec() };
    let open = Step::Open { slot: 0, place: place(), truncate: false, append: false };
    // More than fits into the value log: a file of its own.
    let write = Step::Write { slot: 0, offset: 0, bytes: vec![7; 200_000] };
    let (create, unlink) = (Step::Create(place(), 0o644), Step::Unlink(place()));
    let work = [create, open, write, Step::Close(0), unlink, Step::Forget];
    let mut run = Run::new(usize::MAX, Fault::Crowded);
    run.disk.heal();
    for round in 0..4 {
        if round > 0 {
            // Nobody synced since, so the bytes of the last one are still on the disk.
            run.disk.arm(0, Fault::Crowded);
        }
        for (number, step) in work.iter().enumerate() {
            run.step(round * 10 + number, step);
        }
        assert_eq!((run.told, run.disk.fault()), (0, None), "round {round}: a file was removed");
    }
    run.direct.sync();
    run.disk.arm(0, Fault::Crowded);
    for (number, step) in (50..).zip(&work[..3]) {
        run.step(number, step);
    }
    assert_eq!(run.told, 1, "where nothing is left to remove it is full");
}
