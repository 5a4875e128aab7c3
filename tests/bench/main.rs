//! How fast it is, side by side with plain files and stock git: `scripts/bench`.
//!
//! Each round shows the same repo through each driver, runs each workload on all of them one after
//! the other, and compares what they saw. The table has medians, as ratios to the native driver.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark may panic")]

mod arguments;
mod bare;
mod build;
mod compare;
mod count;
mod far;
mod io;
mod kernel;
mod many;
mod place;
mod remote;
mod repo;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod usable;
mod workloads;
mod worktrees;

use arguments::Arguments;
use bare::Bare;
use clap::Parser;
use place::{Native, Overlayfs, Place, Toft, Way};
use repo::Facts;
use std::path::PathBuf;
use support::Host;
use table::{Group, Sample, Samples};
use workloads::Workload;

/// What all parts of the benchmark work on.
pub struct Bench {
    arguments: Arguments,
    host: Host,
    /// Bare.
    repo: PathBuf,
    /// A checkout that nobody changes.
    checkout: PathBuf,
    facts: Facts,
}

impl Bench {
    fn new(arguments: Arguments, host: Host, repo: PathBuf) -> Self {
        let checkout = Native::clone(&host, &repo, "checkout").root;
        let facts = Facts::of(&checkout, &host, arguments.quick);
        Self { arguments, host, repo, checkout, facts }
    }
}

/// Everything that is done in a working tree.
fn workloads() -> impl Iterator<Item = &'static Workload> {
    workloads::ALL.iter().chain([&kernel::HEADERS])
}

fn main() {
    let arguments = Arguments::parse();
    let host = Host::new();
    let made = || repo::make(&host, arguments.files());
    let repo = arguments.repo.clone().unwrap_or_else(made);
    if !arguments.many.is_empty() {
        return many::run(&host, &repo, &arguments.many);
    }
    let bench = Bench::new(arguments, host, repo);
    let (facts, rounds) = (&bench.facts, bench.arguments.rounds());
    println!("{} files, {} paths, {rounds} rounds", facts.files.len(), facts.shuffled.len());
    kernel::say_what_is_missing(&bench);
    if bench.arguments.count {
        return count::run(&bench);
    }
    let out = bench.arguments.out.as_deref().map(|path| std::fs::File::create(path).unwrap());
    let mut samples = Samples::new(out);
    for round in 0..rounds {
        in_trees(&bench, round, &mut samples);
        usable::measure(&bench, round, &mut samples);
        far::measure(&bench, round, &mut samples);
    }
    let rows = workloads().map(|one| (one.name, one.goal)).collect();
    let trees = Group { title: "work in a tree, to plain files", rows };
    samples.print(&[trees, usable::group(), far::group()]);
}

fn in_trees(bench: &Bench, round: usize, samples: &mut Samples) {
    let wanted: Vec<_> = workloads().filter(|one| bench.arguments.wants(one.name)).collect();
    if wanted.is_empty() {
        return;
    }
    let mut places = places(bench, round);
    let mut forgotten = false;
    for workload in wanted {
        if forgotten && !workload.forgets {
            for place in &places {
                io::read_all(place.root(), &bench.facts.files);
            }
        }
        forgotten = workload.forgets;
        for place in places.iter_mut().filter(|place| place.can(workload.name)) {
            if let Some((seconds, seen)) = (workload.run)(&bench.facts, &mut **place) {
                let (workload, driver) = (workload.name, place.driver());
                samples.add(Sample { workload, driver, round, seconds, seen, requests: None });
            }
        }
    }
    for place in &places {
        if let Some(memory) = place.daemon().map(memory_kb) {
            println!("round {round}: {} uses {} MB", place.driver(), memory / 1024);
        }
    }
    drop(places);
    // Room for the next; what the last leaves goes with all the rest.
    if round + 1 < bench.arguments.rounds() {
        for driver in ["native", "overlay"] {
            let name = format!("{driver}{round}");
            let _ = std::fs::remove_dir_all(bench.host.path("work").join(name));
        }
    }
}

fn places(bench: &Bench, round: usize) -> Vec<Box<dyn Place + '_>> {
    let Bench { arguments, host, repo, .. } = bench;
    let mut places: Vec<Box<dyn Place>> = Vec::new();
    if arguments.drives("native") {
        places.push(Box::new(Native::clone(host, repo, &format!("native{round}"))));
    }
    if arguments.drives("overlayfs") {
        match Overlayfs::over(host, &bench.checkout, &format!("overlay{round}")) {
            Some(place) => places.push(Box::new(place)),
            None => println!("overlayfs cannot be mounted here: left out"),
        }
    }
    if arguments.drives("bare") {
        let root = host.path("work").join(format!("bare{round}"));
        places.push(Box::new(Bare::of(&bench.checkout, root)));
    }
    for (name, way) in Way::ALL.iter().filter(|(name, _)| arguments.drives(name)) {
        places.push(Box::new(Toft::mount_in(host, repo, &format!("{name}{round}"), *way)));
    }
    places
}

/// Anonymous memory of a process.
fn memory_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
