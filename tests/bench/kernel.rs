//! The headers of the Linux source, where that is the repo: configured and made, in a folder of the
//! tree.

use super::workloads::{Outcome, Workload, command, timed};
use super::{Bench, io};
use crate::place::Place;
use crate::repo::Facts;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `make` calls for that is not part of every system.
const NEEDS: [&str; 3] = ["bison", "flex", "bc"];

pub const HEADERS: Workload = Workload {
    name: "kernel headers",
    goal: Some(1.15),
    changed: None,
    forgets: false,
    run: headers,
};

fn headers(_: &Facts, place: &mut dyn Place) -> Option<Outcome> {
    if !is_linux(place.root()) || !missing().is_empty() {
        return None;
    }
    let out = place.root().join("out");
    fs::create_dir(&out).expect("mkdir");
    let make = "make -s -j2 O=out tinyconfig && make -s -j2 O=out headers";
    let (seconds, _) = command(place.root(), make, false)?;
    let made = out.join("usr/include");
    // What lies beside the headers has times and paths in it.
    let (_, seen) = timed(|| io::stat_all(&made, &headers_in(&made)))?;
    assert!(seen > 1 << 20, "{seen} bytes of headers");
    fs::remove_dir_all(out).expect("rm -r");
    Some((seconds, seen))
}

fn headers_in(dir: &Path) -> Vec<std::path::PathBuf> {
    let (mut files, _) = io::list(dir);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "h"));
    files
}

/// Says why the headers are not made, where somebody could expect it.
pub fn say_what_is_missing(bench: &Bench) {
    let missing = missing();
    if is_linux(&bench.checkout) && bench.arguments.wants(HEADERS.name) && !missing.is_empty() {
        println!("{} are left out: {} missing", HEADERS.name, missing.join(", "));
    }
}

fn is_linux(root: &Path) -> bool {
    ["Kconfig", "Makefile", "scripts/kconfig"].iter().all(|name| root.join(name).exists())
}

fn missing() -> Vec<&'static str> {
    let runs = |program: &&str| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok()
    };
    NEEDS.into_iter().filter(|program| !runs(program)).collect()
}
