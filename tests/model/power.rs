//! Power loss between any two events of random work: what comes back is the state after some step,
//! no earlier than the last one that was synced. Only bytes of a file that is written in place (large,
//! or written here and there) may be old, new or mixed since the last sync, as on every file system
//! that does not journal data.

use crate::generators;
use crate::harness::{System, base, lower};
use crate::ops::{Op, Step};
use crate::powerdisk::{Luck, PowerDisk};
use crate::reference::{Id, Kind, Model, ROOT};
use crate::view::State;
use crate::workspace::{Direct, Found};
use proptest::prelude::RngExt;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Twice this many workloads, each cut this often.
const WORKLOADS: u32 = 50;
const CUTS: u32 = 200;
/// The run of the host in which the work is done, and the next one.
const BOOT: u8 = 1;
const NEXT_BOOT: u8 = 2;

type Path = Vec<Vec<u8>>;

/// The model after a step.
struct Moment {
    model: Model,
    /// Events before the step and after it.
    from: usize,
    to: usize,
    /// The step made everything before it durable.
    synced: bool,
}

/// One workload, done.
struct Work {
    direct: Direct,
    disk: Arc<PowerDisk>,
    moments: Vec<Moment>,
}

fn shm() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn work(ops: &[Op]) -> Work {
    let state = State::in_dir(lower(), shm());
    let disk = Arc::new(PowerDisk::new(state.path(), BOOT));
    let mut direct = Direct::over(state.on(disk.clone()));
    let mut model = Model::new(&base(), &[crate::harness::HIDDEN]);
    let mut moments = vec![Moment { model: model.clone(), from: 0, to: disk.len(), synced: true }];
    for (number, op) in ops.iter().enumerate() {
        let Some(step) = model.resolve(op, number) else { continue };
        let from = disk.len();
        let got = direct.apply(&step, &model);
        assert_eq!(got, model.apply(&step), "step {number}: {step:?}");
        let synced = matches!(step, Step::Fsync(_) | Step::Remount) && got.is_ok();
        moments.push(Moment { model: model.clone(), from, to: disk.len(), synced });
        if number % TRIM_EVERY == TRIM_EVERY - 1 {
            let from = disk.len();
            direct.trim().unwrap();
            let synced = disk.len() > from;
            moments.push(Moment { model: model.clone(), from, to: disk.len(), synced });
        }
        if number % COMPACT_EVERY == COMPACT_EVERY - 1 {
            direct.compact();
        }
    }
    Work { direct, disk, moments }
}

/// So often the journal is trimmed, and the value log compacted.
const TRIM_EVERY: usize = 13;
const COMPACT_EVERY: usize = 7;

impl Work {
    /// Cuts the power after `upto` events; what comes back must be explained by some moment.
    fn cut(&self, upto: usize, luck: Luck, boot: u8, rng: &mut TestRng) -> Result<(), String> {
        let dir = shm();
        self.disk.image(upto, luck, rng, dir.path());
        let seen = self.direct.look_at(dir, boot)?;
        let is_safe = |moment: &Moment| moment.synced && moment.to <= upto;
        let first = self.moments.iter().rposition(is_safe).unwrap_or(0);
        let begun = self.moments.iter().skip(1).take_while(|moment| moment.from < upto).count();
        let moments = &self.moments[first..=begun.max(first)];
        let mut why = Vec::new();
        for (number, moment) in moments.iter().enumerate().rev() {
            match explain(&moment.model, moments, &seen) {
                Ok(()) => return Ok(()),
                Err(reason) => why.push(format!("step {}: {reason}", first + number)),
            }
        }
        Err(why.join("\n"))
    }
}

/// Whether `seen` is `model`, but for bytes that were on their way.
fn explain(model: &Model, moments: &[Moment], seen: &Found) -> Result<(), String> {
    let mut todo: Vec<(Path, Id)> = vec![(Vec::new(), ROOT)];
    let mut count = 0;
    while let Some((path, id)) = todo.pop() {
        count += 1;
        let at = path.join(&b'/').escape_ascii().to_string();
        let (found, in_place) = seen.get(&path).ok_or_else(|| format!("'{at}' is missing"))?;
        let node = &model.nodes[id];
        let (attr, shown) = (&found.attr, (found.attr.perm, found.attr.uid, found.attr.gid));
        if attr.kind != node.file_kind() || shown != (node.perm, node.uid, node.gid) {
            return Err(format!("'{at}' has another kind, mode or owner"));
        }
        if attr.nlink != model.nlink(id) || found.xattrs != node.xattrs {
            return Err(format!("'{at}' has other links or attributes"));
        }
        match &node.kind {
            Kind::Dir { entries, .. } => {
                todo.extend(
                    entries.iter().map(|(name, child)| {
                        (path.iter().chain([name]).cloned().collect(), *child)
                    }),
                );
            }
            Kind::Link(target) if found.target.as_ref() != Some(target) => {
                return Err(format!("'{at}' leads elsewhere"));
            }
            Kind::File(bytes) if !in_place && found.bytes.as_ref() != Some(bytes) => {
                return Err(format!("'{at}' has other bytes"));
            }
            Kind::File(_) => explain_bytes(id, moments, found.bytes.as_deref().unwrap())
                .map_err(|why| format!("'{at}' {why}"))?,
            _ => {}
        }
    }
    if count != seen.len() {
        return Err(format!("{} entries and not {count}", seen.len()));
    }
    Ok(())
}

/// Every byte is one that the file had there since the last sync; or zero where it grew.
fn explain_bytes(id: Id, moments: &[Moment], bytes: &[u8]) -> Result<(), String> {
    let versions: Vec<&Vec<u8>> = moments
        .iter()
        .filter_map(|moment| match &moment.model.nodes.get(id)?.kind {
            Kind::File(bytes) => Some(bytes),
            _ => None,
        })
        .collect();
    if versions.iter().any(|version| *version == bytes) {
        return Ok(());
    }
    let least = versions.iter().map(|version| version.len()).min().unwrap_or(0);
    let most = versions.iter().map(|version| version.len()).max().unwrap_or(0);
    if bytes.len() < least || bytes.len() > most {
        return Err(format!("has {} bytes and not {least} to {most}", bytes.len()));
    }
    for (at, byte) in bytes.iter().enumerate() {
        let known = versions.iter().any(|version| version.get(at) == Some(byte));
        if !known && (at < least || *byte != 0) {
            return Err(format!("has a byte at {at} that it never had"));
        }
    }
    Ok(())
}

/// Runs workloads and cuts; the first cut that cannot be explained.
fn explore(seed: u64, workloads: u32, boot: u8) -> Result<u32, String> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("TOFT_MODEL_SEED").unwrap_or(0) * 1000 + seed;
    let workloads = number("TOFT_POWER_WORKLOADS").map_or(workloads, |count| count as u32);
    println!("seed {seed}, {workloads} workloads, {CUTS} cuts each");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let mut cuts = 0;
    for workload in 0..workloads {
        let ops = generators::ops().new_tree(&mut runner).unwrap().current();
        let work = work(&ops);
        let syncs = work.disk.syncs();
        for cut in 0..CUTS {
            // At and around each sync first, then anywhere.
            let upto = match syncs.get(cut as usize / 2) {
                Some(sync) => sync + cut as usize % 2,
                None => rng.random_range(0..=work.disk.len()),
            };
            let chance = |rng: &mut TestRng| [0, 30, 70, 100][rng.random_range(0..4)];
            let luck = Luck { names: chance(&mut rng), bytes: chance(&mut rng) };
            let at = format!("seed {seed}, workload {workload}, {upto} events, {luck:?}");
            catch_unwind(AssertUnwindSafe(|| work.cut(upto, luck, boot, &mut rng)))
                .unwrap_or_else(|_| Err("a panic".to_owned()))
                .map_err(|why| format!("{at}:\n{why}"))?;
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
    Ok(cuts)
}

#[test]
fn power_loss_anywhere_leaves_a_state_since_the_last_sync_first_half() {
    explore(11, WORKLOADS, NEXT_BOOT).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn power_loss_anywhere_leaves_a_state_since_the_last_sync_second_half() {
    explore(12, WORKLOADS, NEXT_BOOT).unwrap_or_else(|why| panic!("{why}"));
}

/// Whoever believes what was not synced, as after kill -9, is found out.
#[test]
fn the_cuts_see_records_that_are_believed_without_their_bytes() {
    assert!(explore(13, 20, BOOT).is_err());
}
