//! Samples as JSON lines, and the table at the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

/// One measurement.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Sample {
    pub workload: &'static str,
    pub driver: &'static str,
    pub round: usize,
    pub seconds: f64,
    /// What the work came to; the same for all drivers.
    pub seen: u64,
}

pub struct Samples {
    out: Option<File>,
    all: Vec<Sample>,
}

impl Samples {
    pub fn new(out: Option<File>) -> Self {
        Self { out, all: Vec::new() }
    }

    /// Keeps one; panics where it saw something else than another driver did.
    pub fn add(&mut self, sample: Sample) {
        let first = self
            .all
            .iter()
            .find(|other| (other.workload, other.round) == (sample.workload, sample.round));
        if let Some(first) = first {
            assert_eq!(first.seen, sample.seen, "{sample:?} is not {first:?}");
        }
        if let Some(out) = &mut self.out {
            let line = serde_json::to_string(&sample).expect("plain values");
            writeln!(out, "{line}").expect("write");
        }
        self.all.push(sample);
    }

    /// Medians; each driver's as a ratio to the native one, and the goal.
    pub fn print(&self, goals: &[(&'static str, Option<f64>)], drivers: &[&'static str]) {
        let mut table: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
        for sample in &self.all {
            table.entry((sample.workload, sample.driver)).or_default().push(sample.seconds);
        }
        print!("{:<34} {:>12}", "workload", "native, ms");
        drivers.iter().filter(|name| **name != "native").for_each(|name| print!(" {name:>12}"));
        println!(" {:>8}", "goal");
        for (workload, goal) in goals {
            let median = |driver| table.get(&(*workload, driver)).map(|all| median(all));
            let native = median("native");
            if drivers.iter().all(|driver| median(driver).is_none()) {
                continue;
            }
            print!(
                "{workload:<34} {:>12}",
                native.map_or("-".into(), |s| format!("{:.2}", s * 1e3))
            );
            for driver in drivers.iter().filter(|name| **name != "native") {
                let shown = match (median(driver), native) {
                    (Some(own), Some(native)) => format!("{:.2}", own / native),
                    (Some(own), None) => format!("{:.2} ms", own * 1e3),
                    (None, _) => "-".into(),
                };
                print!(" {shown:>12}");
            }
            println!(" {:>8}", goal.map_or("-".into(), |goal| format!("{goal}")));
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
