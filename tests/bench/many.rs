//! Many workspaces of one repo in one mount (`toft serve`): what each takes of time, disk and memory.

use super::worktrees;
use crate::support::Host;
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Files that are edited in each.
const EDITS: usize = 10;
/// Bytes of such a file, at most.
const SMALL: u64 = 2048;
/// After so long nobody asks for a workspace any more and it rests.
const REST: Duration = Duration::from_secs(30);

/// What one workspace takes.
pub struct Each {
    pub made: Duration,
    pub edited: Duration,
    pub disk: u64,
}

/// Makes so many workspaces, one number after the other, and a few of `git worktree`; compares.
pub fn run(host: &Host, repo: &Path, counts: &[usize]) {
    let files = small_files(host, repo);
    let each: Vec<_> = counts.iter().map(|count| workspaces(repo, *count, &files)).collect();
    let row = |name: &str, each: &Each| {
        let (made, edited) = (millis(each.made), millis(each.edited));
        println!("{name:<24} {made:>10.2} {edited:>10.2} {:>12.1}", kb(each.disk));
    };
    println!("{:<24} {:>10} {:>10} {:>12}", "each of them", "made, ms", "edits, ms", "disk, KB");
    for (count, each) in counts.iter().zip(&each) {
        row(&format!("{count} in toft serve"), each);
    }
    row(&format!("{} of git worktree", worktrees::COUNT), &worktrees::make(host, repo, &files));
}

/// Some to edit. A file is copied as a whole at its first edit: those of a few lines tell what the
/// rest takes.
fn small_files(host: &Host, repo: &Path) -> Vec<String> {
    let all = host.git(repo, &["ls-tree", "-r", "-l", "HEAD"]);
    let small = |line: &str| {
        let (facts, path) = line.split_once('\t')?;
        let (mode, size) = (facts.get(..6)?, facts.split_whitespace().last()?);
        (mode == "100644" && size.parse::<u64>().ok()? <= SMALL).then(|| path.to_owned())
    };
    let all: Vec<String> = all.lines().filter_map(small).collect();
    (0..EDITS).map(|at| all[at * all.len() / EDITS].clone()).collect()
}

/// Adds a line to each of `files`; how long that took.
pub fn edit(dir: &Path, files: &[String], number: usize) -> Duration {
    let begun = Instant::now();
    for file in files {
        let mut file = fs::OpenOptions::new().append(true).open(dir.join(file)).unwrap();
        writeln!(file, "edited {number:6}").unwrap();
    }
    begun.elapsed()
}

/// Edits files in each, looks again at each, and prints what that took.
fn workspaces(repo: &Path, count: usize, files: &[String]) -> Each {
    let host = Host::new();
    let root = host.path("work").join("root");
    // Its commits go to a copy: a branch that is there cannot be made again.
    let copy = host.path("work").join("copy.git");
    let (from, to) = (repo.to_str().unwrap(), copy.to_str().unwrap());
    host.git(&host.path("work"), &["clone", "-q", "--bare", "--local", from, to]);
    let daemon = serve(&host, &copy, &root);
    println!("{count} workspaces, {EDITS} edits in each, of files of up to {SMALL} bytes");
    report_memory(daemon, 0, "no workspace");

    let (mut forks, mut edits) = (Vec::new(), Vec::new());
    for number in 0..count {
        let dir = root.join(format!("w{number}"));
        let begun = Instant::now();
        fs::create_dir(&dir).unwrap();
        forks.push(begun.elapsed());
        edits.push(edit(&dir, files, number));
    }
    let (made, edited) = (median(&mut forks), median(&mut edits));
    report_times("mkdir of a workspace", forks);
    report_times("its edits", edits);
    report_memory(daemon, count, "all edited");
    std::thread::sleep(REST);
    report_memory(daemon, count, "at rest");
    let disk = disk_of(&host.path("state").join("workspaces")) / count as u64;
    look_again(&root, count, files);
    host.toft_with(&["umount", "--discard", root.to_str().unwrap()]).expect_code(0);
    Each { made, edited, disk }
}

/// The process that serves.
fn serve(host: &Host, repo: &Path, root: &Path) -> u64 {
    let (root_text, repo_text) = (root.to_str().unwrap(), repo.to_str().unwrap());
    let begun = Instant::now();
    host.toft_with(&["serve", root_text, "--template", repo_text]).expect_code(0);
    println!("served after {:.0} ms (the store was made, too)", millis(begun.elapsed()));
    let said = host.toft_with(&["status", "--json", root_text]).ok();
    let status: serde_json::Value = serde_json::from_str(&said).unwrap();
    status["daemon"]["pid"].as_u64().unwrap()
}

/// Those that rested come back, with what was written.
fn look_again(root: &Path, count: usize, files: &[String]) {
    let mut looks = Vec::new();
    for number in (0..count).step_by(count.div_ceil(100)) {
        let begun = Instant::now();
        for file in files {
            let text = fs::read(root.join(format!("w{number}")).join(file)).unwrap();
            assert!(text.ends_with(format!("edited {number:6}\n").as_bytes()), "w{number}: {file}");
        }
        looks.push(begun.elapsed());
    }
    report_times("reading the edits of one that rested", looks);
    let begun = Instant::now();
    fs::remove_dir(root.join("w0")).unwrap();
    println!("rmdir of one, its commit made: {:.1} ms", millis(begun.elapsed()));
}

pub fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[(times.len() - 1) / 2]
}

fn report_times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| millis(times[(times.len() - 1) * share / 100]);
    println!("{what}: median {:.2} ms, 99 % within {:.2} ms", at(50), at(99));
}

fn report_memory(daemon: u64, count: usize, when: &str) {
    let status = fs::read_to_string(format!("/proc/{daemon}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let resident: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let open = fs::read_dir(format!("/proc/{daemon}/fd")).unwrap().count();
    let each = if count > 0 { resident / count as f64 } else { 0.0 };
    println!(
        "{when}: {:.1} MB resident ({each:.1} KB each), {open} descriptors",
        resident / 1024.0
    );
}

/// What `du` says: blocks, each file once however many names it has.
pub fn disk_of(dir: &Path) -> u64 {
    let (mut seen, mut waiting, mut bytes) = (HashSet::new(), vec![dir.to_owned()], 0);
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            let stat = entry.metadata().unwrap();
            if seen.insert((stat.dev(), stat.ino())) {
                bytes += stat.blocks() * 512;
            }
            if stat.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    bytes
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn kb(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
