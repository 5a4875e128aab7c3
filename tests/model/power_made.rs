//! Power loss while a workspace is made: there is none afterwards, or a whole one; and what was
//! fsynced in it is there.

use crate::power_seals::{NextBoot, luck, rng_of, wanted};
use crate::powerdisk::PowerDisk;
use crate::sealing::{
    Files, MAIN, files_in, files_of, flush, host, open, seed, shm, wish, write_file,
};
use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toft::daemon::Host;
use toft::daemon::control::{Reply, Request};
use toft::daemon::create::create;
use toft::git::Repo;
use toft::registry::{Status, WorkspaceRecord};
use toft::sys::Reason;

const WORKLOADS: u32 = 2;
const CUTS: u32 = 150;
/// One cut of so many is gone on from, which takes git's time.
const GO_ON: u32 = 8;

/// A workspace that was made on a host where nothing was before, and what was done in it.
struct Making {
    home: tempfile::TempDir,
    remote: PathBuf,
    disk: Arc<PowerDisk>,
    /// Events until it was made, until a file in it was fsynced, and until that was pushed.
    made: usize,
    synced: usize,
    pushed: usize,
    /// Its gitdir, when it was made.
    gitdir: BTreeMap<PathBuf, Vec<u8>>,
    base: Files,
    later: Files,
}

impl Making {
    fn new(skips: Option<Reason>) -> Making {
        let home = shm();
        let remote = seed(home.path());
        let root = home.path().join("host");
        fs::create_dir(&root).unwrap();
        let mut disk = PowerDisk::watching(&root, 1);
        if let Some(reason) = skips {
            disk = disk.skipping(reason);
        }
        let disk = Arc::new(disk);
        let host = host(&root, root.join("state"), disk.clone());
        let record = create(&host, &wish(&root, &remote)).unwrap();
        let made = disk.len();
        let gitdir = files_below(&host.registry.paths(&record.id).gitdir());
        let engine = open(&host, &record.id).unwrap();
        let base = files_in(engine.workspace());
        write_file(engine.workspace(), "new", b"fsynced", true);
        let (synced, later) = (disk.len(), files_in(engine.workspace()));
        assert_eq!(flush(&engine, true).failure, None);
        let pushed = disk.len();
        drop((engine, host));
        disk.stop();
        fs::rename(&root, home.path().join("was")).unwrap();
        Making { remote, disk, made, synced, pushed, gitdir, base, later, home }
    }

    /// Cuts the power after `upto` events; the image lies where the original was, as paths in it
    /// are absolute.
    fn cut(&self, upto: usize, go_on: bool, rng: &mut TestRng) -> Result<(), String> {
        let root = self.home.path().join("host");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        self.disk.image(upto, luck(rng), rng, &root);
        let host = host(&root, root.join("state"), Arc::new(NextBoot::default()));
        let listing = host.registry.list().map_err(|error| error.to_string())?;
        if !listing.problems.is_empty() {
            return Err(format!("{:?}", listing.problems));
        }
        let mut whole = listing.workspaces.iter().filter(|it| it.status != Status::Creating);
        match whole.next() {
            Some(record) => self.whole(&host, record, upto, go_on),
            None if upto >= self.made => Err("the workspace is gone".to_owned()),
            None => self.again(&host, &root, go_on),
        }
    }

    /// It can be used as it is.
    fn whole(
        &self,
        host: &Host,
        record: &WorkspaceRecord,
        upto: usize,
        go_on: bool,
    ) -> Result<(), String> {
        if upto <= self.synced {
            let gitdir = files_below(&host.registry.paths(&record.id).gitdir());
            for (path, bytes) in &self.gitdir {
                if gitdir.get(path) != Some(bytes) {
                    return Err(format!("{} of the gitdir is not as it was", path.display()));
                }
            }
        }
        let engine = open(host, &record.id)
            .map_err(|failure| format!("not opened: {failure}: {:?}", failure.cause))?;
        let Reply::Fsck(report) = engine.handle(&Request::Fsck) else {
            return Err("fsck failed".to_owned());
        };
        if report.problems.iter().any(|problem| !problem.starts_with("the host went down")) {
            return Err(format!("fsck: {:?}", report.problems));
        }
        let seen = files_in(engine.workspace());
        if seen != self.later && (seen != self.base || upto >= self.synced) {
            return Err(format!("it shows {:?}", seen.keys()));
        }
        if !go_on {
            return Ok(());
        }
        let report = flush(&engine, true);
        if let Some(failure) = report.failure {
            return Err(format!("the next flush: {failure}: {:?}", failure.cause));
        }
        let remote = Repo::open(&self.remote).unwrap();
        let tip = remote.read_ref(MAIN).unwrap().unwrap();
        if upto >= self.synced && files_of(&remote, tip)? != self.later {
            return Err("the remote has other files".to_owned());
        }
        Ok(())
    }

    /// There is none: what is left of it is in nobody's way.
    fn again(&self, host: &Host, root: &Path, go_on: bool) -> Result<(), String> {
        if !go_on {
            return Ok(());
        }
        let told = |failure: toft::daemon::Failure| {
            format!("not made again: {failure}: {:?}", failure.cause)
        };
        let record = create(host, &wish(root, &self.remote)).map_err(told)?;
        let engine = open(host, &record.id).map_err(told)?;
        let seen = files_in(engine.workspace());
        if seen == self.base || seen == self.later {
            Ok(())
        } else {
            Err(format!("made again, it shows {:?}", seen.keys()))
        }
    }
}

fn files_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut todo) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(at) = todo.pop() {
        for path in fs::read_dir(&at).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn explore(seed: u64, workloads: u32, skips: Option<Reason>) -> Result<(), String> {
    let (seed, workloads) = wanted(seed, workloads);
    println!("seed {seed}, {workloads} workspaces made, {CUTS} cuts each");
    let mut rng = rng_of(seed);
    for workload in 0..workloads {
        let making = Making::new(skips);
        let syncs = making.disk.syncs();
        for cut in 0..CUTS {
            let upto = match cut % 3 {
                0 => syncs[rng.random_range(0..syncs.len())] + rng.random_range(0..2),
                1 => rng.random_range(making.made..=making.pushed),
                _ => rng.random_range(0..=making.pushed),
            };
            let Making { made, synced, pushed, .. } = making;
            let at = format!("workload {workload}, {upto} of {made}, {synced}, {pushed} events");
            catch_unwind(AssertUnwindSafe(|| making.cut(upto, cut % GO_ON == 0, &mut rng)))
                .unwrap_or_else(|_| Err("a panic".to_owned()))
                .map_err(|why| format!("seed {seed}, {at}:\n{why}"))?;
        }
    }
    println!("{} cuts", workloads * CUTS);
    Ok(())
}

#[test]
fn power_loss_while_a_workspace_is_made_leaves_none_or_a_whole_one() {
    explore(31, WORKLOADS, None).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn the_cuts_see_a_workspace_that_was_not_synced_when_it_was_made() {
    let seen = explore(32, 1, Some(Reason::Manifest)).expect_err("it is not seen");
    println!("without the syncs of small files: {seen}");
}
