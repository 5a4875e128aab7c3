use crate::cli::args::Global;
use crate::cli::output;
use crate::daemon::fuse_access::{self, RingOffer};
use crate::daemon::presence::Presence;
use crate::daemon::{DaemonState, Failure, mountinfo};
use crate::git::Git;
use crate::registry::{Directories, Registry};
use crate::sys::OsDisk;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Check whether this host can run toft, and say how to mend what cannot
#[derive(Debug, Args)]
#[command(after_help = "Exits with 1 when something must be mended first.\n\n\
                        Example:\n  toft doctor")]
pub struct Doctor {}

/// Free space below which work is in danger.
const LOW_SPACE: u64 = 256 << 20;
/// Where mount(8) looks for helpers.
const HELPER_PLACES: [&str; 3] = ["/sbin", "/usr/sbin", "/usr/local/sbin"];

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    ok: bool,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    Warning,
    Error,
}

impl Doctor {
    /// Checks everything; one that fails stops no other.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let mut checks = vec![kernel(), fuse(), ring(), git(), helper(), allow_other()];
        match Directories::of_process(global.directories()) {
            Ok(directories) => {
                checks.extend(places(&directories));
                checks.push(workspaces(&directories));
            }
            Err(error) => checks.push(from_failure("directories", &error.into())),
        }
        let ok = checks.iter().all(|check| check.state != State::Error);
        let report = Report { schema: "toft.doctor/1", ok, checks };
        if global.json {
            output::json(&report);
        } else {
            report.checks.iter().for_each(print);
        }
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn print(check: &Check) {
    let mark = match check.state {
        State::Ok => "ok     ",
        State::Warning => "warning",
        State::Error => "error  ",
    };
    output::line(&format!("{mark}  {:<12}  {}", check.name, check.detail));
    if let Some(fix) = &check.fix {
        output::line(&format!("{:>9}{:<12}  fix: {fix}", "", ""));
    }
}

fn check(name: &'static str, state: State, detail: impl Into<String>) -> Check {
    Check { name, state, detail: detail.into(), fix: None }
}

fn with_fix(mut check: Check, fix: impl Into<String>) -> Check {
    check.fix = Some(fix.into());
    check
}

fn from_failure(name: &'static str, failure: &Failure) -> Check {
    let cause = failure.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    let detail = format!("{}{cause}", failure.message);
    Check { name, state: State::Error, detail, fix: failure.fix.clone() }
}

fn kernel() -> Check {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 4) {
        return check("kernel", State::Ok, release);
    }
    with_fix(
        check("kernel", State::Warning, format!("{release} is untested")),
        "use Linux 5.4 or newer",
    )
}

fn fuse() -> Check {
    match fuse_access::check() {
        Ok(how) => check("fuse", State::Ok, how),
        Err(failure) => from_failure("fuse", &failure),
    }
}

/// Faster, and never needed.
fn ring() -> Check {
    let name = "io_uring";
    match fuse_access::ring() {
        RingOffer::On => check(
            name,
            State::Ok,
            "on for mounts to come, but lazy ones, toft serve and -o passthrough",
        ),
        RingOffer::Missing => check(name, State::Ok, "not in this kernel (Linux 6.14 has it)"),
        RingOffer::Off => with_fix(
            check(name, State::Ok, "off: requests come by /dev/fuse"),
            "optional; for mounts to come: echo Y > /sys/module/fuse/parameters/enable_uring",
        ),
    }
}

fn git() -> Check {
    match Git::version() {
        Ok(version) => check("git", State::Ok, version.to_string()),
        Err(error) => from_failure("git", &error.into()),
    }
}

fn helper() -> Check {
    let found = HELPER_PLACES.iter().map(|place| Path::new(place).join("mount.toft"));
    match found.into_iter().find(|path| path.exists()) {
        Some(path) => check("mount helper", State::Ok, path.display().to_string()),
        None => with_fix(
            check("mount helper", State::Warning, "mount -t toft and fstab lines will not work"),
            "scripts/install links mount.toft into /sbin (toft mount needs no helper)",
        ),
    }
}

fn allow_other() -> Check {
    let name = "allow_other";
    if rustix::process::geteuid().is_root() {
        return check(name, State::Ok, "root may use -o allow_other");
    }
    let text = std::fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    if text.lines().any(|line| line.trim() == "user_allow_other") {
        return check(name, State::Ok, "user_allow_other is set in /etc/fuse.conf");
    }
    with_fix(
        check(name, State::Warning, "only you can see your mounts"),
        "for -o allow_other, root adds the line user_allow_other to /etc/fuse.conf",
    )
}

fn places(directories: &Directories) -> Vec<Check> {
    let state = Registry::open(&directories.state, Arc::new(OsDisk::default()));
    let mut checks = Vec::new();
    if let Err(error) = state {
        checks.push(from_failure("state", &error.into()));
    } else {
        checks.push(space("state", &directories.state));
    }
    checks.push(space("cache", existing(&directories.cache)));
    checks
}

fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

fn space(name: &'static str, dir: &Path) -> Check {
    match rustix::fs::statvfs(dir) {
        Err(error) => check(name, State::Error, format!("{}: {error}", dir.display())),
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let detail = format!("{}, {} MiB free", dir.display(), free >> 20);
            let low = free < LOW_SPACE || (stat.f_files > 0 && stat.f_favail < 1000);
            if low {
                return with_fix(
                    check(name, State::Warning, format!("{detail}: nearly full")),
                    "free some space; writes fail with ENOSPC when there is none",
                );
            }
            check(name, State::Ok, detail)
        }
    }
}

/// Mounts of ours whose daemon is gone.
fn workspaces(directories: &Directories) -> Check {
    let name = "workspaces";
    match dead_mounts(directories) {
        Err(failure) => from_failure(name, &failure),
        Ok((count, dead)) if dead.is_empty() => {
            check(name, State::Ok, format!("{count}, none with a dead daemon"))
        }
        Ok((_, dead)) => {
            let dirs: Vec<_> = dead.iter().map(|dir| dir.display().to_string()).collect();
            let detail = format!("the daemon is gone at {}", dirs.join(", "));
            with_fix(check(name, State::Error, detail), "toft recover")
        }
    }
}

fn dead_mounts(directories: &Directories) -> Result<(usize, Vec<PathBuf>), Failure> {
    let registry = Registry::open(&directories.state, Arc::new(OsDisk::default()))?;
    let mounts = mountinfo::read()?;
    let listing = registry.list()?;
    let mut dead = Vec::new();
    for record in &listing.workspaces {
        let presence = Presence::of(record, &registry, &mounts)?;
        if presence.state(record) == DaemonState::Dead {
            dead.push(record.dir.clone());
        }
    }
    Ok((listing.workspaces.len(), dead))
}
