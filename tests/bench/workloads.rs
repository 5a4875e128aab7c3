//! What is measured, in the order in which it is run: first what reads the untouched tree, then
//! what edits it, then what fills it. Each leaves the tree as it was.

use super::place::Place;
use super::repo::Facts;
use super::{build, io};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Seconds, and what the work came to.
pub type Outcome = (f64, u64);

/// How many bytes of files change, from what was seen.
pub type Changed = fn(&Facts, u64) -> u64;

/// One row of the table.
pub struct Workload {
    pub name: &'static str,
    /// Ratio to native that we mean to reach.
    pub goal: Option<f64>,
    /// Where that is known.
    pub changed: Option<Changed>,
    /// Leaves the kernel without caches, those of the other places included.
    pub forgets: bool,
    pub run: fn(&Facts, &mut dyn Place) -> Option<Outcome>,
}

const fn row(
    name: &'static str,
    goal: f64,
    run: fn(&Facts, &mut dyn Place) -> Option<Outcome>,
) -> Workload {
    Workload { name, goal: Some(goal), changed: None, forgets: false, run }
}

const fn plain(name: &'static str, run: fn(&Facts, &mut dyn Place) -> Option<Outcome>) -> Workload {
    Workload { name, goal: None, changed: None, forgets: false, run }
}

impl Workload {
    const fn forgetting(self) -> Self {
        Self { forgets: true, ..self }
    }

    const fn changing(self, changed: Changed) -> Self {
        Self { changed: Some(changed), ..self }
    }
}

const SEEN: Changed = |_, seen| seen;

pub const ALL: &[Workload] = &[
    plain("mount, store warm, one read", |facts, place| {
        let mounted = place.mount_anew()?;
        let (first, seen) = timed(|| io::read_all(place.root(), &facts.files[..1]))?;
        Some((mounted.as_secs_f64() + first, seen))
    }),
    row("find, fresh mount", 3.5, |_, place| {
        place.mount_anew();
        timed(|| io::find(place.root()))
    }),
    row("find, warm", 0.9, |_, place| timed(|| io::find(place.root()))),
    row("stat of all, fresh mount", 5.0, |facts, place| {
        place.mount_anew();
        timed(|| io::stat_all(place.root(), &facts.shuffled))
    }),
    row("stat of all, warm", 1.2, |facts, place| {
        timed(|| io::stat_all(place.root(), &facts.shuffled))
    }),
    row("find, no dentries", 3.5, |_, place| {
        forgotten(place, Caches::Dentries, |place| io::find(place.root()))
    })
    .forgetting(),
    row("stat of all, no dentries", 5.0, |facts, place| {
        let all = |place: &dyn Place| io::stat_all(place.root(), &facts.shuffled);
        forgotten(place, Caches::Dentries, all)
    })
    .forgetting(),
    row("find, nothing cached", 3.5, |_, place| {
        forgotten(place, Caches::All, |place| io::find(place.root()))
    })
    .forgetting(),
    row("stat of all, nothing cached", 5.0, |facts, place| {
        let all = |place: &dyn Place| io::stat_all(place.root(), &facts.shuffled);
        forgotten(place, Caches::All, all)
    })
    .forgetting(),
    plain("read all, fresh mount", |facts, place| {
        place.mount_anew();
        timed(|| io::read_all(place.root(), &facts.files))
    }),
    plain("read all, warm", |facts, place| timed(|| io::read_all(place.root(), &facts.files))),
    plain("tar, fresh mount", |_, place| {
        place.mount_anew();
        tar(place)
    }),
    row("tar, warm", 1.3, |_, place| tar(place)),
    row("rg, warm", 1.2, |_, place| {
        command(place.root(), "rg -j2 --no-ignore --hidden -g '!.git' --no-filename -c int", true)
    }),
    plain("git status, fresh mount", |_, place| {
        place.mount_anew();
        command(place.root(), "git status --porcelain", false)
    }),
    plain("git status, warm", |_, place| command(place.root(), "git status --porcelain", false)),
    row("edit 100 files, first touch", 5.0, |facts, place| {
        let paths: Vec<_> = facts.edited.iter().collect();
        timed_only(|| io::edit(place.root(), &paths))
    })
    .changing(|facts, _| facts.edited.len() as u64 * io::EDIT.len() as u64),
    plain("git status, 100 edited", |_, place| {
        command(place.root(), "git status --porcelain", false)
    }),
    plain("git diff, 100 edited", |_, place| command(place.root(), "git diff", false)),
    plain("git restore, 100 edited", |_, place| {
        command(place.root(), "git checkout -q -- .", false)
    }),
    row("create 10,000 small files", 1.5, |_, place| {
        timed(|| io::create_many(&place.root().join("many"), 100, 100))
    })
    .changing(SEEN),
    row("stat of 10,000 new files", 1.2, |_, place| timed(|| io::find(&place.root().join("many")))),
    row("remove 10,000 small files", 1.2, |_, place| {
        timed_only(|| io::remove_many(&place.root().join("many"), 100, 100))
    }),
    row("cp -r of 1,900 files", 1.2, |facts, place| {
        let from = facts.source.to_str().expect("text");
        let done = command(place.root(), &format!("cp -r {from} copied"), false)?;
        Some((done.0, io::find(&place.root().join("copied"))))
    }),
    plain("rm -rf of 1,900 files", |_, place| command(place.root(), "rm -rf copied", false)),
    row("tar x of 1,900 files", 2.2, |facts, place| {
        let from = facts.archive.to_str().expect("text");
        let root = place.root();
        fs::create_dir(root.join("unpacked")).expect("mkdir");
        let done = command(root, &format!("tar -xf {from} -C unpacked"), false)?;
        let seen = io::find(&root.join("unpacked"));
        fs::remove_dir_all(root.join("unpacked")).expect("rm -r");
        Some((done.0, seen))
    }),
    row("write a big file, 1 MB writes", 1.05, |facts, place| {
        let (big, len) = (place.root().join("big"), big_len(facts));
        timed(|| {
            io::write_through(&big, len);
            len
        })
    })
    .changing(SEEN),
    row("read a big file, fresh mount", 1.05, |_, place| {
        place.mount_anew();
        timed(|| io::read_through(&place.root().join("big")))
    }),
    row("read a big file, warm", 1.05, |_, place| {
        timed(|| io::read_through(&place.root().join("big")))
    }),
    row("random 4 KB reads, fresh mount", 1.05, |_, place| {
        place.mount_anew();
        timed(|| io::read_here_and_there(&place.root().join("big"), 20_000))
    }),
    row("random 4 KB reads, warm", 1.05, |_, place| {
        timed(|| io::read_here_and_there(&place.root().join("big"), 20_000))
    }),
    row("mapped read, fresh mount", 1.05, |_, place| {
        place.mount_anew();
        timed(|| io::map(&place.root().join("big"), false))
    }),
    row("mapped read, warm", 1.05, |_, place| timed(|| io::map(&place.root().join("big"), false))),
    row("mapped writes", 1.05, |_, place| {
        let path = place.root().join("mapped");
        io::write_through(&path, MAPPED);
        let done = timed(|| io::map(&path, true));
        fs::remove_file(path).expect("rm");
        fs::remove_file(place.root().join("big")).expect("rm");
        done
    })
    .changing(|_, _| MAPPED + MAPPED / 4096),
    row("4 KB writes x 20,000", 1.2, |_, place| small_writes(place, 4096)).changing(SEEN),
    row("100-byte appends x 20,000", 1.7, |_, place| small_writes(place, 100)).changing(SEEN),
    plain("rename the biggest directory", |facts, place| {
        let (from, to) = (place.root().join(&facts.biggest), place.root().join("moved"));
        let start = Instant::now();
        if let Err(error) = fs::rename(&from, &to) {
            // overlayfs: rename it file by file yourself
            assert_eq!(error.kind(), std::io::ErrorKind::CrossesDevices, "{error}");
            return None;
        }
        let done = Some((start.elapsed().as_secs_f64(), 0));
        fs::rename(to, from).expect("rename");
        done
    }),
    plain("git clone inside", |facts, place| {
        let from = facts.source.parent().expect("a parent").join("inner.git");
        let done = command(place.root(), &format!("git clone -q {} inner", from.display()), false)?;
        let seen = build::count(&place.root().join("inner"));
        fs::remove_dir_all(place.root().join("inner")).expect("rm -r");
        Some((done.0, seen))
    }),
    row("cargo build, 60 modules", 1.15, |_, place| {
        in_folder(place, build::crate_at, "cargo build -q --offline", "target/debug/made")
    }),
    row("make of a C program, 60 files", 1.15, |_, place| {
        in_folder(place, build::program_at, "make -s -j2", "prog")
    }),
    row("npm install, 20 packages", 1.15, |facts, place| {
        let line = facts.npm.as_deref()?;
        let prepare = |dir: &Path| {
            fs::create_dir_all(dir).expect("mkdir");
            fs::write(dir.join("package.json"), "{}").expect("write");
        };
        in_folder(place, prepare, line, "node_modules/made-19/lib/99.js")
    }),
    plain("commit of 1 file", |facts, place| {
        io::edit(place.root(), &[&facts.edited[0]]);
        timed_only(|| place.commit("one"))
    })
    .changing(|_, _| io::EDIT.len() as u64),
    plain("commit of 10,000 new files", |_, place| {
        io::create_many(&place.root().join("many"), 100, 100);
        timed_only(|| place.commit("many"))
    })
    .changing(|_, _| io::bytes_of_many(100, 100)),
];

/// What drop_caches takes, proc_sys_vm(5).
#[derive(Clone, Copy)]
enum Caches {
    /// Names and inodes: what a fresh mount does not have. Blocks of the disk stay.
    Dentries = 2,
    /// The blocks, too.
    All = 3,
}

/// Work in a fresh mount whose native tree the kernel does not know either. None where this is not
/// root.
fn forgotten(
    place: &mut dyn Place,
    caches: Caches,
    work: impl FnOnce(&dyn Place) -> u64,
) -> Option<Outcome> {
    place.mount_anew();
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", (caches as u8).to_string()).ok()?;
    timed(|| work(place))
}

/// The file that is mapped to be written to.
const MAPPED: u64 = 32 << 20;

/// Runs a line of shell in a new folder that `prepare` fills; it must leave `product` there.
fn in_folder(
    place: &dyn Place,
    prepare: impl FnOnce(&Path),
    line: &str,
    product: &str,
) -> Option<Outcome> {
    let dir = place.root().join("built");
    prepare(&dir);
    let (seconds, _) = command(&dir, line, false)?;
    let made = fs::metadata(dir.join(product)).expect("the product");
    fs::remove_dir_all(&dir).expect("rm -r");
    Some((seconds, u64::from(made.len() > 0)))
}

/// Where there is nothing to compare.
fn timed_only(work: impl FnOnce()) -> Option<Outcome> {
    timed(|| {
        work();
        0
    })
}

pub fn timed(work: impl FnOnce() -> u64) -> Option<Outcome> {
    let start = Instant::now();
    let seen = work();
    Some((start.elapsed().as_secs_f64(), seen))
}

fn big_len(facts: &Facts) -> u64 {
    if facts.quick { 64 << 20 } else { 512 << 20 }
}

fn small_writes(place: &dyn Place, len: usize) -> Option<Outcome> {
    let path = place.root().join("written");
    let done = timed(|| io::write_small(&path, len, 20_000));
    fs::remove_file(path).expect("rm");
    done
}

fn tar(place: &dyn Place) -> Option<Outcome> {
    command(place.root(), "tar --sort=name --exclude=./.git -cf - . | cat", false)
}

/// Runs a line of shell; None where its program is not there. What it saw is the sum of the numbers
/// that it printed, or how many bytes it printed.
pub fn command(dir: &Path, line: &str, sum: bool) -> Option<Outcome> {
    let program = line.split(' ').next().expect("a word");
    let mut there = Command::new("sh");
    there.args(["-c", &format!("command -v {program}")]).stdout(Stdio::null());
    if !there.status().is_ok_and(|status| status.success()) {
        return None;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("set -e; {line}")]).current_dir(dir);
    // What cargo tells its children is about us.
    shell
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_INCREMENTAL")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    let start = Instant::now();
    let mut child = shell.stdout(Stdio::piped()).spawn().expect("sh");
    let mut printed = child.stdout.take().expect("a pipe");
    let mut text = Vec::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match std::io::Read::read(&mut printed, &mut buffer).expect("read") {
            0 => break,
            count => {
                bytes += count as u64;
                if sum {
                    text.extend_from_slice(&buffer[..count]);
                }
            }
        }
    }
    let status = child.wait().expect("sh");
    let seconds = start.elapsed().as_secs_f64();
    assert!(status.success(), "{line} in {}: {status}", dir.display());
    let numbers = String::from_utf8_lossy(&text);
    let total = numbers.lines().filter_map(|line| line.trim().parse::<u64>().ok()).sum();
    Some((seconds, if sum { total } else { bytes }))
}
