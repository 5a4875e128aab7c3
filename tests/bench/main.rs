//! How fast it is, side by side with plain files and stock git: `scripts/bench`.
//!
//! Each round shows the same repo through each driver, runs each workload on all of them one after
//! the other, and compares what they saw. The table has medians, as ratios to plain files.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark may panic")]

mod build;
mod count;
mod io;
mod many;
mod place;
mod repo;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod workloads;

use clap::Parser;
use place::{Native, Overlayfs, Place, Toft};
use repo::Facts;
use std::path::{Path, PathBuf};
use support::Host;
use table::{Sample, Samples};

/// Measures toft side by side with plain files, overlayfs and git
#[derive(Parser)]
struct Arguments {
    /// A smaller repo and one round: a look, no medians
    #[arg(long)]
    quick: bool,
    /// Rounds; medians are taken over them
    #[arg(long)]
    rounds: Option<usize>,
    /// A bare repo to use (see scripts/linux-repo); otherwise one is made
    #[arg(long)]
    repo: Option<PathBuf>,
    /// Files of the repo that is made
    #[arg(long)]
    files: Option<usize>,
    /// Only workloads whose name contains one of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these drivers
    #[arg(long, value_delimiter = ',', default_value = "native,overlayfs,toft")]
    drivers: Vec<String>,
    /// Where the samples go, as JSON lines
    #[arg(long)]
    out: Option<PathBuf>,
    /// Count what the kernel asks of toft, once, instead of measuring times
    #[arg(long)]
    count: bool,
    /// Make so many workspaces in one mount, instead of the workloads
    #[arg(long)]
    many: Option<usize>,
    /// What cargo passes
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| workload.contains(word))
    }
}

fn main() {
    let arguments = Arguments::parse();
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 1 } else { 5 });
    let host = Host::new();
    let repo = arguments.repo.clone().unwrap_or_else(|| {
        repo::make(&host, arguments.files.unwrap_or(if arguments.quick { 5_000 } else { 78_600 }))
    });
    if let Some(count) = arguments.many {
        return many::run(&host, &repo, count);
    }
    let native = Native::clone(&host, &repo, "native");
    let facts = Facts::of(&native.root, &host, arguments.quick);
    println!("{} files, {} paths, {rounds} rounds", facts.files.len(), facts.shuffled.len());
    if arguments.count {
        return count::run(&host, &repo, &facts, |name| arguments.wants(name));
    }
    let out = arguments.out.as_deref().map(|path| std::fs::File::create(path).expect("create"));
    let mut samples = Samples::new(out);
    drop(native);
    for round in 0..rounds {
        one_round(&arguments, &host, &repo, &facts, round, &mut samples);
    }
    let goals: Vec<_> = workloads::ALL.iter().map(|one| (one.name, one.goal)).collect();
    samples.print(&goals, &["native", "overlayfs", "toft"]);
}

fn one_round(
    arguments: &Arguments,
    host: &Host,
    repo: &Path,
    facts: &Facts,
    round: usize,
    samples: &mut Samples,
) {
    let wants = |driver: &str| arguments.drivers.iter().any(|name| name == driver);
    let native = Native { host, root: host.path("work/native") };
    let mut places: Vec<Box<dyn Place>> = Vec::new();
    if wants("overlayfs") {
        let name = format!("overlay{round}");
        match Overlayfs::over(host, &native.root, &name) {
            Some(place) => places.push(Box::new(place)),
            None => println!("overlayfs cannot be mounted here: left out"),
        }
    }
    if wants("toft") {
        places.push(Box::new(Toft::mount(host, repo, &format!("toft{round}"))));
    }
    if wants("native") {
        places.insert(0, Box::new(Native::clone(host, repo, &format!("native{round}"))));
    }
    for workload in workloads::ALL {
        if !arguments.wants(workload.name) {
            continue;
        }
        for place in &mut places {
            if let Some((seconds, seen)) = (workload.run)(facts, &mut **place) {
                let (workload, driver) = (workload.name, place.driver());
                samples.add(Sample { workload, driver, round, seconds, seen });
            }
        }
    }
    for place in &places {
        if let Some(memory) = place.daemon().map(memory_kb) {
            println!("round {round}: {} uses {} MB", place.driver(), memory / 1024);
        }
    }
    drop(places);
    let _ = std::fs::remove_dir_all(host.path("work").join(format!("native{round}")));
    let _ = std::fs::remove_dir_all(host.path("work").join(format!("overlay{round}")));
}

/// Anonymous memory of a process.
fn memory_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
