//! What each workload costs toft, counted: almost the same on any machine.
//!
//! Written is what the kernel calls `write_bytes` of the daemon and of the gits that it ran: pages
//! that they made dirty, so a page that was written out and is touched again counts twice. Fsyncs are
//! the daemon's, those that it does every five seconds included.

use super::far::{self, STEPS};
use super::place::{Place, Toft};
use super::remote::Site;
use super::{Bench, workloads};
use crate::support::Host;
use std::collections::BTreeMap;
use std::path::Path;

type Counts = BTreeMap<String, u64>;

/// Runs the wanted workloads once in a mount, and prints what they cost.
pub fn run(bench: &Bench) {
    println!(
        "{:<34} {:>8} {:>6} {:>6} {:>10} {:>12}  by kind",
        "workload", "kernel", "remote", "fsyncs", "KB written", "/byte changed"
    );
    let mut place = Toft::mount(&bench.host, &bench.repo, "counted");
    for workload in workloads().filter(|one| bench.arguments.wants(one.name)) {
        let before = Tally::of(place.host(), place.root());
        let Some((_, seen)) = (workload.run)(&bench.facts, &mut place) else { continue };
        let spent = Tally::of(place.host(), place.root()).since(&before);
        let changed = workload.changed.map(|changed| changed(&bench.facts, seen));
        spent.print(workload.name, None, changed);
    }
    if !far::is_wanted(bench) {
        return;
    }
    let mut site = Site::new("toft", &bench.repo);
    for step in STEPS {
        let (asked, before) = (site.requests(), Tally::of(&site.host, &site.root));
        let (_, seen) = (step.run)(&bench.facts, &mut site).expect("it can be done");
        let remote = site.requests() - asked;
        let spent = Tally::of(&site.host, &site.root).since(&before);
        let changed = step.changed.map(|changed| changed(&bench.facts, seen));
        spent.print(step.name, Some(remote), changed);
    }
}

/// What a daemon has counted so far.
#[derive(Default)]
struct Tally {
    daemon: Option<u64>,
    kernel: Counts,
    fsyncs: Counts,
    written: u64,
}

impl Tally {
    /// Nothing where nothing is mounted.
    fn of(host: &Host, root: &Path) -> Self {
        let said = host.toft_with(&["status", "--json", root.to_str().expect("text")]);
        let Ok(status) = serde_json::from_slice::<serde_json::Value>(&said.stdout) else {
            return Self::default();
        };
        let Some(daemon) = status["daemon"]["pid"].as_u64() else { return Self::default() };
        let counts = |name: &str| serde_json::from_value(status[name].clone()).expect("counts");
        let mut kernel: Counts = counts("requests");
        // Nobody waits for those.
        kernel.remove("forget");
        Self { daemon: Some(daemon), kernel, fsyncs: counts("fsyncs"), written: written_by(daemon) }
    }

    /// A daemon that began meanwhile counts from nothing.
    fn since(mut self, before: &Self) -> Self {
        if self.daemon == before.daemon {
            for (now, then) in
                [(&mut self.kernel, &before.kernel), (&mut self.fsyncs, &before.fsyncs)]
            {
                now.iter_mut().for_each(|(kind, count)| *count -= then.get(kind).unwrap_or(&0));
            }
            self.written -= before.written;
        }
        self
    }

    fn print(&self, name: &str, remote: Option<u64>, changed: Option<u64>) {
        let sum = |counts: &Counts| counts.values().sum::<u64>();
        let each = |changed| format!("{:.2}", self.written as f64 / changed as f64);
        println!(
            "{name:<34} {:>8} {:>6} {:>6} {:>10.0} {:>12}  {}",
            sum(&self.kernel),
            remote.map_or("-".into(), |count| count.to_string()),
            sum(&self.fsyncs),
            self.written as f64 / 1024.0,
            changed.map_or("-".into(), each),
            kinds(&self.kernel, &self.fsyncs)
        );
    }
}

/// The most frequent first; fsyncs after requests.
fn kinds(kernel: &Counts, fsyncs: &Counts) -> String {
    let named = |counts: &Counts, what: &str| {
        let mut counts: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        counts.iter().map(|(kind, count)| format!("{kind}{what} {count}")).collect::<Vec<_>>()
    };
    [named(kernel, ""), named(fsyncs, " fsync")].concat().join(", ")
}

fn written_by(daemon: u64) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{daemon}/io")).expect("its counters");
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|count| count.parse().ok()).expect("a count")
}
