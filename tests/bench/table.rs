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
    /// How often a server was asked, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
}

/// Rows with one idea of what native is.
pub struct Group {
    pub title: &'static str,
    /// Names, and ratios that we mean to reach.
    pub rows: Vec<(&'static str, Option<f64>)>,
}

/// The columns after the native one.
const OTHERS: [&str; 6] = ["overlayfs", "worktree", "bare", "toft", "toft-pass", "toft-ring"];

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

    /// Medians; each driver's as a ratio to the native one, and the goal. Requests are those of git
    /// and of toft.
    pub fn print(&self, groups: &[Group]) {
        let times = self.by_row(|sample| Some(sample.seconds));
        let drove = |name: &&str| times.keys().any(|(_, driver)| driver == name);
        let others: Vec<_> = OTHERS.into_iter().filter(drove).collect();
        print!("{:<34} {:>11}", "workload", "native, ms");
        others.iter().for_each(|name| print!(" {name:>11}"));
        println!(" {:>6}  requests", "goal");
        let requests = self.by_row(|sample| sample.requests.map(|count| count as f64));
        for group in groups {
            let measured = |name| times.keys().any(|(workload, _)| *workload == name);
            let rows: Vec<_> = group.rows.iter().filter(|(name, _)| measured(*name)).collect();
            if rows.is_empty() {
                continue;
            }
            println!("-- {}", group.title);
            for (name, goal) in rows {
                print_times(name, &times, &others);
                print!(" {:>6}", goal.map_or("-".into(), |goal| format!("{goal}")));
                let asked = |driver| {
                    requests.get(&(*name, driver)).map_or("-".into(), |n| format!("{n:.0}"))
                };
                let both = [asked("native"), asked("toft")].join(" / ");
                println!("{}", if both == "- / -" { String::new() } else { format!("  {both}") });
            }
        }
    }

    /// Medians, by workload and driver.
    fn by_row(&self, of: impl Fn(&Sample) -> Option<f64>) -> Medians {
        let mut table: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for sample in &self.all {
            let Some(value) = of(sample) else { continue };
            table.entry((sample.workload, sample.driver)).or_default().push(value);
        }
        table.into_iter().map(|(row, values)| (row, median(values))).collect()
    }
}

type Medians = BTreeMap<(&'static str, &'static str), f64>;

fn print_times(name: &'static str, times: &Medians, others: &[&'static str]) {
    let native = times.get(&(name, "native"));
    print!("{name:<34} {:>11}", native.map_or("-".into(), |s| format!("{:.2}", s * 1e3)));
    for driver in others.iter().copied() {
        let shown = match (times.get(&(name, driver)), native) {
            (Some(own), Some(native)) => ratio(own / native),
            (Some(own), None) => format!("{:.2} ms", own * 1e3),
            (None, _) => "-".into(),
        };
        print!(" {shown:>11}");
    }
}

/// With digits enough to tell it from nothing.
fn ratio(value: f64) -> String {
    if value < 0.1 { format!("{value:.4}") } else { format!("{value:.2}") }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
