//! Power loss in the course of seals and pushes: what was sealed is there, whole, and what was queued
//! is on the remote or in the queue; nothing counts as pushed that the remote has not.

use crate::powerdisk::Luck;
use crate::sealing::{
    Files, MAIN, Moment, Site, Step, files_in, files_of, flush, host, open, shm, write_file,
};
use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use toft::daemon::control::{Reply, Request};
use toft::daemon::{Engine, Host};
use toft::git::Repo;
use toft::registry::WorkspacePaths;
use toft::sync::{Known, Outbox};
use toft::sys::{Disk, FsyncCounts, OsDisk, Reason};
use toft::types::{BootId, Oid};

/// Twice this many workloads, each cut this often.
const WORKLOADS: u32 = 3;
const CUTS: u32 = 200;
const STEPS: u32 = 24;
/// One cut of so many is gone on from, which takes git's time.
const GO_ON: u32 = 16;
const BOOT: u8 = 1;

/// The real disk, in the next run of the host.
#[derive(Default)]
pub struct NextBoot(OsDisk);

impl Disk for NextBoot {
    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(file, bytes, offset)
    }
    fn fsync_file(&self, _: &File, _: Reason) -> io::Result<()> {
        Ok(())
    }
    fn fsync_dir(&self, _: &Path, _: Reason) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn sync_fs(&self, _: &Path, _: Reason) -> io::Result<()> {
        Ok(())
    }
    fn boot(&self) -> io::Result<BootId> {
        Ok(BootId([BOOT + 1; 16]))
    }
    fn counts(&self) -> FsyncCounts {
        self.0.counts()
    }
}

/// What a cut left, opened again.
struct After<'a> {
    site: &'a Site,
    upto: usize,
    host: Host,
    paths: WorkspacePaths,
    engine: Option<Engine>,
    repo: Repo,
    remote: Repo,
}

impl Site {
    fn work(seed: u64, skips: Option<Reason>) -> Site {
        let mut rng = rng_of(seed);
        let mut site = Site::new(BOOT, skips);
        for _ in 0..STEPS {
            site.any_step(&mut rng);
        }
        site.finish();
        site
    }

    /// Cuts the power after `upto` events, opens what is left and looks at it.
    fn cut(&self, upto: usize, luck: Luck, go_on: bool, rng: &mut TestRng) -> Result<(), String> {
        let home = shm();
        let state = home.path().join("state");
        fs::create_dir(&state).unwrap();
        self.disk.image(upto, luck, rng, &state);
        let host = host(home.path(), state.clone(), Arc::new(NextBoot::default()));
        let engine = open(&host, &self.id)
            .map_err(|failure| format!("not opened: {failure}: {:?}", failure.cause))?;
        let paths = host.registry.paths(&self.id);
        let repo = Repo::open(&paths.gitdir()).map_err(|error| error.to_string())?;
        let remote = Repo::open(&self.remote()).unwrap();
        let mut after = After { site: self, upto, host, paths, engine: Some(engine), repo, remote };
        let went_down = after.fsck()?;
        let tip = after.branch()?;
        after.files(tip)?;
        after.queue()?;
        // Where a commit of ours might be taken for one that is newer than the files, always.
        let doubtful = went_down && !after.is_noted(tip);
        if !go_on && !doubtful {
            return Ok(());
        }
        after.engine = None;
        self.copy_remote(upto, home.path(), &state);
        after.engine = Some(open(&after.host, &self.id).map_err(|failure| failure.to_string())?);
        after.go_on(tip, &home.path().join("remote.git"))
    }

    /// Where the remote's branch was after so many events.
    fn remote_at(&self, upto: usize) -> Oid {
        let told = self.disk.probed();
        let mut told = told.iter().filter(|(at, tip)| *at <= upto && !tip.is_empty());
        Oid::from_hex(told.next_back().unwrap().1.as_bytes()).unwrap()
    }

    /// A remote as it was then, for the workspace in `state`.
    fn copy_remote(&self, upto: usize, home: &Path, state: &Path) {
        let copy = home.join("remote.git");
        copy_dir(&self.remote(), &copy);
        fs::write(copy.join(MAIN), format!("{}\n", self.remote_at(upto))).unwrap();
        let record = state.join("workspaces").join(self.id.as_str()).join("workspace.json");
        let (from, to) = (self.remote(), copy.to_str().unwrap().to_owned());
        let text = fs::read_to_string(&record).unwrap().replace(from.to_str().unwrap(), &to);
        fs::write(&record, text).unwrap();
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy_dir(&path, &to),
            false => fs::write(&to, fs::read(&path).unwrap()).unwrap(),
        }
    }
}

impl After<'_> {
    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// The record knows this commit.
    fn is_noted(&self, tip: Oid) -> bool {
        let record = self.host.registry.load(&self.site.id).unwrap();
        let noted = [record.last_seal, record.last_push].map(|made| made.map(|made| made.commit));
        record.base == Some(tip) || noted.contains(&Some(tip))
    }

    /// Journal, overlay, git and queue agree. True: the host went down with something unsynced.
    fn fsck(&self) -> Result<bool, String> {
        let Reply::Fsck(report) = self.engine().handle(&Request::Fsck) else {
            return Err("fsck failed".to_owned());
        };
        let is_news = |problem: &&String| !problem.starts_with("the host went down");
        let problems: Vec<_> = report.problems.iter().filter(is_news).collect();
        match problems.as_slice() {
            [] => Ok(!report.problems.is_empty()),
            problems => Err(format!("fsck: {problems:?}")),
        }
    }

    /// The branch is where a seal put it that was done, or a later one; all of that commit can be
    /// read, and it is what was sealed.
    fn branch(&self) -> Result<Oid, String> {
        let head = self.repo.head().map_err(|error| error.to_string())?;
        let tip = head.tip().ok_or("the branch is gone")?;
        let site = self.site;
        let done = site.moments.iter().rfind(|moment| moment.to <= self.upto);
        let least = done.unwrap_or(&site.moments[0]).tip;
        let begun = site.moments.iter().filter(|moment| moment.from < self.upto);
        let most = begun.last().unwrap_or(&site.moments[0]).tip;
        let is_between = |repo: &Repo| {
            Ok::<_, String>(contains(repo, tip, least)? && contains(repo, most, tip)?)
        };
        if !is_between(&site.repo)? {
            return Err(format!("the branch is at {tip}, not between {least} and {most}"));
        }
        let made = site.made.get(&tip).ok_or_else(|| format!("nobody made {tip}"))?;
        if files_of(&self.repo, tip)? != made.files {
            return Err(format!("commit {tip} holds other files"));
        }
        Ok(tip)
    }

    /// The files are those of some moment since the last sync, and no older than the branch.
    fn files(&self, tip: Oid) -> Result<(), String> {
        let seen = files_in(self.engine().workspace());
        let moments = &self.site.moments;
        let is_safe = |moment: &Moment| moment.synced && moment.to <= self.upto;
        let first = moments.iter().rposition(is_safe).unwrap_or(0).max(self.site.made[&tip].moment);
        let begun = moments.iter().skip(1).take_while(|moment| moment.from < self.upto).count();
        let range = &moments[first.min(begun)..=begun];
        if range.iter().any(|moment| moment.files == seen) {
            return Ok(());
        }
        Err(format!("the files are of no moment from {first} to {begun}: {}", names(&seen)))
    }

    /// What was queued waits still, unless the remote has it; what is told of the remote is true.
    fn queue(&self) -> Result<(), String> {
        let outbox = Outbox::open(&self.paths.outbox(), self.host.disk.clone())
            .map_err(|error| error.to_string())?;
        let states = outbox.states().map_err(|error| error.to_string())?;
        let [state] = states.as_slice() else {
            return Err(format!("{} refs in the queue", states.len()));
        };
        let at_remote = self.site.remote_at(self.upto);
        if let Known::At(tip) = state.remote
            && !contains(&self.remote, at_remote, tip)?
        {
            return Err(format!("the remote counts as being at {tip}, and was never there"));
        }
        if let Some(delivered) = state.delivered
            && !contains(&self.remote, at_remote, delivered)?
        {
            return Err(format!("{delivered} counts as delivered, and the remote has it not"));
        }
        let done = self.site.moments.iter().rfind(|it| it.queued.is_some() && it.to <= self.upto);
        let Some(queued) = done.and_then(|moment| moment.queued) else { return Ok(()) };
        let waits = match &state.pending {
            Some(record) => contains(&self.repo, record.new, queued)?,
            None => false,
        };
        if waits || contains(&self.remote, at_remote, queued)? {
            return Ok(());
        }
        Err(format!("{queued} was queued; it neither waits nor is it on the remote"))
    }

    /// Work goes on; the next flush brings everything to the remote, and nothing twice.
    fn go_on(&self, tip: Oid, remote: &Path) -> Result<(), String> {
        write_file(self.engine().workspace(), "later", b"after the power came back", false);
        let before = files_in(self.engine().workspace());
        let remote = Repo::open(remote).unwrap();
        let old = remote.read_ref(MAIN).unwrap().unwrap();
        let report = flush(self.engine(), true);
        if let Some(failure) = report.failure {
            return Err(format!("the next flush: {failure}: {:?}", failure.cause));
        }
        remote.refresh();
        let new = remote.read_ref(MAIN).unwrap().unwrap();
        if !contains(&remote, new, tip)? || !contains(&remote, new, old)? {
            return Err("the next flush did not bring the branch to the remote".to_owned());
        }
        let files = files_of(&remote, new)?;
        if before.iter().any(|(path, bytes)| files.get(path) != Some(bytes)) {
            return Err("the remote has other files than the workspace".to_owned());
        }
        // What others pushed comes with a push of our own.
        let seen = files_in(self.engine().workspace());
        let is_ours = |path: &String| seen.contains_key(path) || !path.starts_with("other");
        if !files.iter().filter(|(path, _)| is_ours(path)).eq(&seen) {
            return Err(format!("the workspace shows {}", names(&seen)));
        }
        self.nothing_twice(&remote, old, new)?;
        self.fsck().map(drop)
    }

    /// Each new commit changes something.
    fn nothing_twice(&self, remote: &Repo, old: Oid, new: Oid) -> Result<(), String> {
        let mut todo = vec![new];
        while let Some(commit) = todo.pop() {
            if contains(remote, old, commit)? {
                continue;
            }
            let made = remote.commit(commit).map_err(|error| error.to_string())?;
            for parent in &made.parents {
                let before = remote.commit(*parent).map_err(|error| error.to_string())?;
                // After a cut in the middle of an absorb a merge may bring nothing.
                if made.parents.len() == 1 && made.tree == before.tree {
                    return Err(format!("{commit} is {parent} once more"));
                }
                todo.push(*parent);
            }
        }
        Ok(())
    }
}

fn names(files: &Files) -> String {
    files.iter().map(|(path, bytes)| format!("{path}:{} ", bytes.len())).collect()
}

fn contains(repo: &Repo, tip: Oid, commit: Oid) -> Result<bool, String> {
    if tip == commit {
        return Ok(true);
    }
    Ok(repo.exists(commit) && repo.is_ancestor(commit, tip).map_err(|error| error.to_string())?)
}

pub fn rng_of(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// How much of what was not synced is kept: nothing, some, or all.
pub fn luck(rng: &mut TestRng) -> Luck {
    let chance = |rng: &mut TestRng| [0, 30, 70, 100][rng.random_range(0..4)];
    Luck { names: chance(rng), bytes: chance(rng) }
}

/// Seed and number of workloads, unless the environment says otherwise.
pub fn wanted(seed: u64, workloads: u32) -> (u64, u32) {
    toft::sys::allow_many_files().unwrap();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let workloads = number("TOFT_SEAL_WORKLOADS").map_or(workloads, |count| count as u32);
    (number("TOFT_MODEL_SEED").unwrap_or(0) * 1000 + seed, workloads)
}

/// Runs workloads and cuts; the first cut that cannot be explained.
fn explore(seed: u64, workloads: u32, skips: Option<Reason>) -> Result<u32, String> {
    let (seed, workloads) = wanted(seed, workloads);
    println!("seed {seed}, {workloads} workloads with seals and pushes, {CUTS} cuts each");
    let mut rng = rng_of(seed);
    let mut cuts = 0;
    for workload in 0..workloads {
        let site = Site::work(seed * 1000 + u64::from(workload), skips);
        let (syncs, events) = (site.disk.syncs(), site.disk.len());
        for cut in 0..CUTS {
            // At and around syncs for the first half, then anywhere.
            let upto = match cut < CUTS / 2 {
                true => syncs[rng.random_range(0..syncs.len())] + rng.random_range(0..2),
                false => rng.random_range(0..=events),
            };
            let luck = luck(&mut rng);
            let at = format!("seed {seed}, workload {workload}, {upto} of {events}, {luck:?}");
            let go_on = cut % GO_ON == 0;
            catch_unwind(AssertUnwindSafe(|| site.cut(upto, luck, go_on, &mut rng)))
                .unwrap_or_else(|_| Err("a panic".to_owned()))
                .map_err(|why| format!("{at}:\n{why}"))?;
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
    Ok(cuts)
}

#[test]
fn power_loss_in_seals_and_pushes_loses_nothing_that_was_sealed_or_queued_first_half() {
    explore(21, WORKLOADS, None).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn power_loss_in_seals_and_pushes_loses_nothing_that_was_sealed_or_queued_second_half() {
    explore(22, WORKLOADS, None).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn power_loss_at_each_event_of_a_flush_that_merges() {
    toft::sys::allow_many_files().unwrap();
    let mut rng = rng_of(24);
    let mut site = Site::new(BOOT, None);
    let push = Step::Flush { push: true };
    for step in [Step::Write, push, Step::Write, Step::Other, push] {
        site.step(step, &mut rng);
    }
    site.finish();
    let Moment { from, to, .. } = *site.moments.last().unwrap();
    for upto in from..=to {
        for (names, bytes) in [(0, 100), (100, 30), (50, 70)] {
            let luck = Luck { names, bytes };
            site.cut(upto, luck, (upto + bytes as usize).is_multiple_of(40), &mut rng)
                .unwrap_or_else(|why| panic!("{upto} of {from} to {to}, {luck:?}:\n{why}"));
        }
    }
    println!("{} cuts", (to - from + 1) * 3);
}

/// Without the syncs of objects, of refs or of the queue something is lost, and that is seen.
#[test]
fn the_cuts_see_each_sync_of_a_seal_that_is_left_out() {
    for reason in [Reason::Objects, Reason::Refs, Reason::Outbox] {
        let seen = explore(23, 3, Some(reason)).expect_err("it is not seen");
        println!("without the syncs of {reason:?}: {seen}");
    }
}
