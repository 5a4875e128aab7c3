//! The budget of what runs often, in two tiers (R1.5): the fsyncs, exactly, and the time of all the
//! rest, with fsync stubbed out. Run by hand: `cargo bench --bench budget`; JSON lines, exit 1 when
//! a workload is over its budget.
//!
//! Time is the mean of 11 samples without the two fastest and the two slowest. A budget is three
//! times what was measured on an idle machine, at least 1 ms, times `PERF_BUDGET_MULTIPLIER` (2 on a
//! machine that others use, too).

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark may panic")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use toft::overlay::{Change, DirBase, Directory, FileData, Meta, Node, NodeData, Overlay, Slot};
use toft::sync::{Outbox, PushIntent, Verdict, Wait, Which};
use toft::sys::{Cancel, Disk, FsyncCounts, OsClock, OsDisk, Reason};
use toft::types::{Ino, Name, Oid, Seq, Timespec};

const SAMPLES: usize = 11;
const TRIMMED: usize = 2;
const RECORDS: u64 = 25;

/// A disk that does no fsync.
struct StubDisk {
    counting: OsDisk,
}

impl Disk for StubDisk {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.counting.write_all_at(file, bytes, offset)
    }
    fn fsync_file(&self, _: &File, _: Reason) -> io::Result<()> {
        Ok(())
    }
    fn fsync_dir(&self, _: &Path, _: Reason) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.counting.rename(from, to)
    }
    fn sync_fs(&self, _: &Path, _: Reason) -> io::Result<()> {
        Ok(())
    }
    fn counts(&self) -> FsyncCounts {
        self.counting.counts()
    }
}

type Work = Box<dyn FnOnce()>;

/// One workload: what it costs in fsyncs, and what time it may take.
struct Budget {
    name: &'static str,
    base: Duration,
    files: u64,
    dirs: u64,
    reasons: &'static [Reason],
    /// Makes everything ready on the disk; what it returns does the work.
    prepare: fn(&Path, Arc<dyn Disk>) -> Work,
}

const BUDGETS: [Budget; 2] = [
    Budget {
        name: "drain of 25 queued pushes",
        base: Duration::from_micros(300),
        files: 2,
        dirs: 2,
        reasons: &[Reason::Outbox],
        prepare: drain,
    },
    Budget {
        name: "25 new small files and one fsync",
        base: Duration::from_micros(400),
        files: 2,
        dirs: 0,
        reasons: &[Reason::Content, Reason::Journal],
        prepare: small_files,
    },
];

fn main() {
    let multiplier = std::env::var("PERF_BUDGET_MULTIPLIER").ok();
    let multiplier = multiplier.map_or(1.0, |text| text.parse::<f64>().expect("a number"));
    let mut over = false;
    for budget in &BUDGETS {
        let (files, dirs) = count(budget);
        let mut samples: Vec<Duration> = (0..SAMPLES).map(|_| sample(budget)).collect();
        samples.sort();
        let kept = &samples[TRIMMED..SAMPLES - TRIMMED];
        let mean = kept.iter().sum::<Duration>().as_secs_f64() * 1e3 / kept.len() as f64;
        let limit = (budget.base.as_secs_f64() * 3e3).max(1.0) * multiplier;
        let ok = mean <= limit && (files, dirs) == (budget.files, budget.dirs);
        over |= !ok;
        println!(
            "{{\"workload\":\"{}\",\"mean_ms\":{mean:.3},\"budget_ms\":{limit:.3},\
             \"fsyncs\":[{files},{dirs}],\"fsync_budget\":[{},{}],\"ok\":{ok}}}",
            budget.name, budget.files, budget.dirs
        );
    }
    std::process::exit(i32::from(over));
}

fn sample(budget: &Budget) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let work = (budget.prepare)(dir.path(), Arc::new(StubDisk { counting: OsDisk::default() }));
    let start = Instant::now();
    work();
    start.elapsed()
}

fn count(budget: &Budget) -> (u64, u64) {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Arc::new(OsDisk::default()));
    let work = (budget.prepare)(dir.path(), disk.clone());
    let before = disk.counts();
    work();
    let after = disk.counts();
    let sum = |of: fn(&FsyncCounts, Reason) -> u64| {
        budget.reasons.iter().map(|reason| of(&after, *reason) - of(&before, *reason)).sum()
    };
    (sum(FsyncCounts::files), sum(FsyncCounts::dirs))
}

fn drain(dir: &Path, disk: Arc<dyn Disk>) -> Work {
    let outbox = Outbox::open(dir, disk).unwrap();
    for number in 1..=RECORDS {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let new = Oid::from_bytes_or_panic(&bytes);
        let refname = "refs/heads/main".to_owned();
        outbox.enqueue(&PushIntent { refname, new, seq: Seq(number) }).unwrap();
    }
    Box::new(move || {
        let (clock, cancel) = (OsClock::new(), Cancel::new().unwrap());
        let wait = Wait { clock: &clock, deadline: None, cancel: &cancel };
        let deliver =
            |delivery: &toft::sync::Delivery| Verdict::Delivered { remote: delivery.record.new };
        outbox.drain("refs/heads/main", Which::All, &wait, deliver).unwrap().unwrap();
    })
}

fn small_files(dir: &Path, disk: Arc<dyn Disk>) -> Work {
    let root = Directory { parent: Ino::ROOT, base: DirBase::Empty, delta: BTreeMap::new() };
    let root = node(NodeData::Directory(Arc::new(root)));
    let overlay = Overlay::create(dir, root, disk).unwrap();
    Box::new(move || {
        for number in 0..RECORDS {
            let _writing = overlay.bodies().writing();
            let value = overlay.values().append(b"some bytes").unwrap();
            let mut transaction = overlay.begin();
            let ino = transaction.allocate_ino();
            let name = Name::new(number.to_string().as_bytes()).unwrap();
            let file = node(NodeData::Regular(FileData::Value(value)));
            transaction.push(Change::PutNode(ino, file));
            transaction.push(Change::SetSlot(Ino::ROOT, name, Some(Slot::Entry(ino))));
            transaction.commit().unwrap();
        }
        overlay.sync().unwrap();
    })
}

fn node(data: NodeData) -> Node {
    let time = Timespec::from_sec(1);
    let (atime, mtime, ctime) = (time, time, time);
    let meta = Meta { perm: 0o644, uid: 0, gid: 0, nlink: 1, rdev: 0, atime, mtime, ctime };
    Node { meta, data, xattrs: BTreeMap::new() }
}
