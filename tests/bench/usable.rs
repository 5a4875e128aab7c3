//! From nothing to the first byte of a file, where this host has the repo's objects already.

use super::Bench;
use super::io;
use super::place::{Native, Overlayfs, Place, Toft, Worktree};
use super::table::{Group, Sample, Samples};
use std::fs;
use std::time::Instant;

const NAME: &str = "usable, store warm";

type Make = for<'a> fn(&'a Bench, &str) -> Option<Box<dyn Place + 'a>>;

const DRIVERS: [(&str, Make); 4] = [
    ("native", |bench, name| Some(Box::new(Native::clone(&bench.host, &bench.repo, name)))),
    ("overlayfs", |bench, name| {
        Some(Box::new(Overlayfs::over(&bench.host, &bench.checkout, name)?))
    }),
    ("worktree", |bench, name| Some(Box::new(Worktree::add(&bench.host, &bench.checkout, name)))),
    ("toft", |bench, name| Some(Box::new(Toft::mount(&bench.host, &bench.repo, name)))),
];

pub fn group() -> Group {
    let title = "until a file is read, to git clone --local";
    Group { title, rows: vec![(NAME, None)] }
}

pub fn measure(bench: &Bench, round: usize, samples: &mut Samples) {
    if !bench.arguments.wants(NAME) {
        return;
    }
    if bench.arguments.drives("toft") {
        // Fills the store.
        drop(Toft::mount(&bench.host, &bench.repo, "before"));
    }
    for (driver, make) in DRIVERS {
        if !bench.arguments.drives(driver) {
            continue;
        }
        let name = format!("usable-{driver}");
        let start = Instant::now();
        let Some(place) = make(bench, &name) else { continue };
        let seen = io::read_all(place.root(), &bench.facts.files[..1]);
        let seconds = start.elapsed().as_secs_f64();
        drop(place);
        let _ = fs::remove_dir_all(bench.host.path("work").join(name));
        let workload = NAME;
        samples.add(Sample { workload, driver, round, seconds, seen, requests: None });
    }
}
