use crate::oracle::{Op, Oracle, Tree, difference, read_tree};
use crate::workload::{Random, next, perform};
use crate::world::{World, kill, seeded_remote};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// How many kills; the long form sets TOFT_KILLS.
fn kills() -> u64 {
    std::env::var("TOFT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

pub fn seed() -> u64 {
    std::env::var("TOFT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_121)
}

/// Writes until the daemon dies; returns the states that the call in flight may leave.
///
/// A `toft flush` that finds the daemon dead leaves the mount: nothing goes into the folder below.
pub fn write_until_killed(world: &World, random: &mut Random, oracle: &mut Oracle) -> Vec<Oracle> {
    loop {
        let op = next(random, oracle);
        let mut after = oracle.clone();
        after.apply(&op);
        match perform(&world.dir, &op) {
            Ok(()) => *oracle = after,
            Err(error) => {
                // The last: it was on its way into the ring.
                let dead = [libc::ENOTCONN, libc::ECONNABORTED, libc::EIO, libc::ECANCELED];
                let code = error.raw_os_error().unwrap_or(0);
                let short = error.kind() == std::io::ErrorKind::WriteZero;
                assert!(short || dead.contains(&code), "{op:?}: {error}\n{}", world.daemon_logs());
                return states_after(oracle, &op);
            }
        }
    }
}

/// The states that a call which was not acknowledged may leave: all of it, or, since the kernel ends
/// a write(2) of a killed process between two pages, a write up to such a border.
fn states_after(oracle: &Oracle, op: &Op) -> Vec<Oracle> {
    let (start, len) = match op {
        Op::Write { offset, bytes, .. } => (*offset, bytes.len()),
        Op::Append { path, bytes } => (oracle.len_of(path), bytes.len()),
        _ => (0, 0),
    };
    let start = usize::try_from(start).unwrap();
    let cuts = (1..len).filter(|cut| (start + cut).is_multiple_of(4096)).chain([len]);
    let cut_short = |cut: usize| match op.clone() {
        Op::Write { path, offset, mut bytes } => {
            bytes.truncate(cut);
            Op::Write { path, offset, bytes }
        }
        Op::Append { path, mut bytes } => {
            bytes.truncate(cut);
            Op::Append { path, bytes }
        }
        other => other,
    };
    let state = |cut| {
        let mut after = oracle.clone();
        after.apply(&cut_short(cut));
        after
    };
    cuts.map(state).collect()
}

pub fn mode_as_git(tree: &Tree) -> Vec<(PathBuf, Vec<u8>, bool)> {
    use crate::oracle::Shown;
    tree.iter()
        .filter_map(|(path, shown)| match shown {
            Shown::Dir => None,
            Shown::Symlink(target) => Some((path.clone(), target.clone(), false)),
            Shown::File { mode, bytes, .. } => {
                Some((path.clone(), bytes.clone(), mode & 0o100 != 0))
            }
        })
        .collect()
}

#[test]
fn two_hundred_kills_lose_nothing_that_was_acknowledged() {
    let world = World::new();
    let host = &world.host;
    let remote = seeded_remote(host);
    let seed = seed();
    println!("TOFT_SEED={seed} TOFT_KILLS={}", kills());
    let mut random = Random::new(seed);
    world.mount(&remote);
    let mut oracle = Oracle::of(&read_tree(&world.dir));
    let mut calls_in_flight_that_took_effect = 0;
    for round in 0..kills() {
        let daemon = world.pid();
        let pause = Duration::from_micros(random.below(40_000));
        let flushing = (random.below(4) == 0).then(|| {
            let mut flush = world.toft("flush");
            flush.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        });
        let with_last = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(pause);
                kill(daemon);
            });
            write_until_killed(&world, &mut random, &mut oracle)
        });
        if let Some(mut flush) = flushing {
            flush.wait().unwrap();
        }
        world.mount(&remote);
        let seen = read_tree(&world.dir);
        if let Some(state) = with_last.into_iter().find(|state| seen == state.tree()) {
            calls_in_flight_that_took_effect += u64::from(seen != oracle.tree());
            oracle = state;
        } else {
            let wrong = difference(&oracle.tree(), &seen);
            assert!(wrong.is_empty(), "round {round}, seed {seed}: {wrong:#?}");
        }
    }
    println!("calls in flight that took effect: {calls_in_flight_that_took_effect}");
    let mut umount = world.toft("umount");
    umount.args(["--allow", "mass-delete"]);
    host.run(umount).expect_code(0);
    let clone = host.path("clone");
    host.git(&host.path(""), &["clone", "-q", remote.to_str().unwrap(), "clone"]);
    assert_eq!(mode_as_git(&read_tree(&clone)), mode_as_git(&oracle.tree()));
    host.git(&remote, &["fsck", "--strict"]);
    let subjects = host.git(&remote, &["log", "--format=%T", "main"]);
    let trees: Vec<_> = subjects.lines().collect();
    assert!(trees.windows(2).all(|pair| pair[0] != pair[1]), "a commit was made twice");
}
