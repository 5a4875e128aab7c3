//! What each workload asks of the daemon: requests of the kernel by kind, the same on any machine.

use super::place::{Place, Toft};
use super::repo::Facts;
use super::workloads;
use crate::support::Host;
use std::collections::BTreeMap;
use std::path::Path;

type Counts = BTreeMap<String, u64>;

/// Runs `wanted` workloads once in a mount, and prints what they cost.
pub fn run(host: &Host, repo: &Path, facts: &Facts, wanted: impl Fn(&str) -> bool) {
    let mut place = Toft::mount(host, repo, "counted");
    println!("{:<34} {:>10}  by kind", "workload", "requests");
    for workload in workloads::ALL.iter().filter(|workload| wanted(workload.name)) {
        let before = counts(host, &place);
        let pid = place.daemon();
        (workload.run)(facts, &mut place);
        // A mount that was made anew counts from nothing.
        let before = if place.daemon() == pid { before } else { Counts::new() };
        let mut spent = counts(host, &place);
        spent.iter_mut().for_each(|(kind, count)| *count -= before.get(kind).unwrap_or(&0));
        // Nobody waits for those.
        spent.remove("forget");
        let kinds = spent.iter().filter(|(_, count)| **count > 0);
        let mut kinds: Vec<_> = kinds.map(|(kind, count)| (*count, kind.as_str())).collect();
        kinds.sort_unstable_by(|a, b| b.cmp(a));
        let total: u64 = kinds.iter().map(|(count, _)| count).sum();
        let kinds: Vec<_> = kinds.iter().map(|(count, kind)| format!("{kind} {count}")).collect();
        println!("{:<34} {total:>10}  {}", workload.name, kinds.join(", "));
    }
}

fn counts(host: &Host, place: &Toft<'_>) -> Counts {
    let said = host.toft_with(&["status", "--json", place.root().to_str().expect("text")]);
    let status: serde_json::Value = serde_json::from_slice(&said.stdout).expect("json");
    serde_json::from_value(status["requests"].clone()).expect("counts")
}
