//! A whole life over http, 20 ms away: a tree is there, looked at, changed, pushed, and seen
//! elsewhere.

use super::remote::Site;
use super::repo::Facts;
use super::table::{Group, Sample, Samples};
use super::workloads::{Changed, Outcome, timed};
use super::{Bench, io};

/// One row of the table; the steps follow each other in one tree.
pub struct Step {
    pub name: &'static str,
    pub changed: Option<Changed>,
    pub run: fn(&Facts, &mut Site) -> Option<Outcome>,
}

pub const STEPS: &[Step] = &[
    Step {
        name: ARRIVED,
        changed: None,
        run: |facts, site| {
            timed(|| {
                site.arrive();
                io::read_all(&site.root, &facts.files[..1])
            })
        },
    },
    Step {
        name: LOOKED,
        changed: None,
        run: |facts, site| timed(|| io::stat_all(&site.root, &facts.shuffled)),
    },
    Step {
        name: READ,
        changed: None,
        run: |facts, site| timed(|| io::read_all(&site.root, &facts.files)),
    },
    Step {
        name: "http: push of 1 commit",
        changed: Some(|_, _| io::EDIT.len() as u64),
        run: |facts, site| {
            io::edit(&site.root, &[&facts.edited[0]]);
            push(site, "one")
        },
    },
    Step {
        name: "http: push of 10,000 new files",
        changed: Some(|_, _| io::bytes_of_many(100, 100)),
        run: |_, site| {
            io::create_many(&site.root.join("many"), 100, 100);
            push(site, "many")
        },
    },
    Step {
        name: "http: rehydrate and compare",
        changed: None,
        run: |_, site| {
            site.leave();
            let reference = site.reference();
            timed(|| {
                site.arrive();
                site.compare(&reference)
            })
        },
    },
];

const ARRIVED: &str = "http: usable, cold";
const LOOKED: &str = "http: then stat of all";
const READ: &str = "http: then read of all";
/// The first three together, and for git the first alone, which has brought all files.
const ALL_READ: &str = "http: all read, to the clone alone";

pub fn group() -> Group {
    let mut rows: Vec<_> = STEPS.iter().map(|step| (step.name, None)).collect();
    rows.insert(3, (ALL_READ, Some(1.2)));
    Group { title: "a remote 20 ms away, to git clone --depth 1 and git push", rows }
}

/// Wanted or not as a whole: each step needs those before it.
pub fn is_wanted(bench: &Bench) -> bool {
    group().rows.iter().any(|(name, _)| bench.arguments.wants(name))
}

pub fn measure(bench: &Bench, round: usize, samples: &mut Samples) {
    if !is_wanted(bench) {
        return;
    }
    for driver in ["native", "toft"] {
        if !bench.arguments.drives(driver) {
            continue;
        }
        let mut site = Site::new(driver, &bench.repo);
        let (mut total, mut asked) = (0.0, 0);
        for step in STEPS {
            let before = site.requests();
            let (seconds, seen) = (step.run)(&bench.facts, &mut site).expect("it can be done");
            let requests = site.requests() - before;
            let sample = |workload, seconds, requests| {
                let requests = Some(requests);
                Sample { workload, driver, round, seconds, seen, requests }
            };
            samples.add(sample(step.name, seconds, requests));
            if driver == "toft" || step.name == ARRIVED {
                total += seconds;
                asked += requests;
            }
            if step.name == READ {
                samples.add(sample(ALL_READ, total, asked));
            }
        }
    }
}

fn push(site: &Site, message: &str) -> Option<Outcome> {
    let (seconds, _) = timed(|| {
        site.push(message);
        0
    })?;
    Some((seconds, site.pushed()))
}
