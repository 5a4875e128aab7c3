use crate::cli::args::Global;
use crate::cli::ask;
use crate::cli::output::{self, count, short};
use crate::cli::target::Target;
use crate::daemon::control::{Client, Reply, Request};
use crate::daemon::presence::{Presence, daemon_is_gone};
use crate::daemon::{DaemonState, DaemonStatus, Engine, Failure, Host, StatusReport, mountinfo};
use crate::registry::WorkspaceRecord;
use clap::Args;
use std::process::ExitCode;
use std::time::Duration;

/// How long a daemon may take to compare the workspace with HEAD.
const DEADLINE: Duration = Duration::from_secs(60);

/// Show how a workspace stands: mount, changes, and how safe they are
#[derive(Debug, Args)]
#[command(
    after_help = "What cannot be found out is shown as unknown (null with --json), never as clean.\n\n\
                        Example:\n  toft status widgets\n  toft status --json | jq .durability"
)]
pub struct Status {
    #[command(flatten)]
    target: Target,
}

impl Status {
    /// Prints it.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let host = Host::open(global.directories())?;
        let record = self.target.find(&host)?;
        let report = gather(&host, &record)?;
        if global.json {
            output::json(&report);
        } else {
            print(&report);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What the kernel says, what the lease says, and what whoever can say it says of the rest.
fn gather(host: &Host, record: &WorkspaceRecord) -> Result<StatusReport, Failure> {
    let presence = Presence::of(record, &host.registry, &mountinfo::read()?)?;
    let (mut report, presence) = match ask::client(host, record) {
        Ok(Some(client)) => (from_daemon(record, client), presence),
        // Nobody, or it ended while we looked.
        Ok(None) => {
            let presence = Presence::of(record, &host.registry, &mountinfo::read()?)?;
            (from_workspace(host, record, &presence), presence)
        }
        Err(failure) => {
            let pid = presence.holder.as_ref().map(|holder| holder.pid).filter(|pid| *pid != 0);
            (unknown(record, DaemonState::Unresponsive, pid, failure), presence)
        }
    };
    report.dir = record.dir.display().to_string();
    report.kernel_mount = presence.mount.is_some();
    report.fstype = presence.mount.map(|mount| mount.fstype);
    Ok(report)
}

fn from_daemon(record: &WorkspaceRecord, client: Client) -> StatusReport {
    let hello = client.hello().clone();
    let (pid, version) = (Some(hello.pid), Some(hello.version));
    match client.call(&ask::addressed(record, &Request::Status), Some(DEADLINE)) {
        Ok(Reply::Status(report)) => {
            let daemon = DaemonStatus { state: DaemonState::Ok, pid, version };
            StatusReport { daemon, ..*report }
        }
        // It is there; what it cannot tell stays unknown.
        Ok(Reply::Failed(failure)) => {
            let daemon = DaemonStatus { state: DaemonState::Ok, pid, version };
            StatusReport { daemon, ..unknown(record, DaemonState::Ok, pid, failure) }
        }
        Ok(other) => unknown(record, DaemonState::Unresponsive, pid, ask::unexpected(&other)),
        Err(error) => unknown(record, DaemonState::Unresponsive, pid, error.into()),
    }
}

fn from_workspace(host: &Host, record: &WorkspaceRecord, presence: &Presence) -> StatusReport {
    let state = presence.state(record);
    let mut report = match Engine::open(host, &record.id).and_then(|engine| engine.status()) {
        Ok(mut report) => {
            report.daemon.state = state;
            report
        }
        Err(failure) => unknown(record, state, None, failure),
    };
    if state == DaemonState::Dead {
        report.problems.push(daemon_is_gone(record));
    }
    report
}

/// All that the record alone can tell.
fn unknown(
    record: &WorkspaceRecord,
    state: DaemonState,
    pid: Option<u32>,
    why: Failure,
) -> StatusReport {
    let mut report = StatusReport::unknown(record);
    report.daemon = DaemonStatus { state, pid, version: None };
    report.problems.push(why);
    report
}

fn print(report: &StatusReport) {
    let branch = report.source.branch.as_deref().unwrap_or("(no branch)");
    let base = report.source.base.as_deref().map_or("an empty repository", short);
    let line = |name: &str, text: String| output::line(&format!("{name:<10}{text}"));
    line("workspace", format!("{}  {} on {branch}@{base}", report.workspace.id, report.source.url));
    line("mount", mount_text(report));
    line("changes", report.changes.as_ref().map_or("unknown".to_owned(), ToString::to_string));
    if let Some(away) = report.away.filter(|away| *away > 0) {
        line("away", format!("{} on the remote only: toft prefetch", count(away, "file")));
    }
    line("durable", durable_text(report));
    if let Some(behind) = report.source.behind.filter(|behind| *behind > 0) {
        line("behind", format!("{} of the remote, as last heard of", count(behind, "commit")));
    }
    if report.outbox.pending > 0 {
        let retry =
            report.outbox.next_retry_s.map_or(String::new(), |s| format!(", next try in {s} s"));
        let error = report.outbox.last_error.as_deref().unwrap_or("not tried yet");
        line("queue", format!("{} waiting{retry}: {error}", count(report.outbox.pending, "push")));
    }
    report.problems.iter().for_each(crate::cli::report::talk);
    next(report).into_iter().for_each(|text| output::line(&format!("Next: {text}")));
}

fn mount_text(report: &StatusReport) -> String {
    let daemon = match report.daemon.state {
        DaemonState::Ok => "served",
        DaemonState::Stopped => "no daemon",
        DaemonState::Dead => "its daemon is gone",
        DaemonState::Unresponsive => "its daemon does not answer",
    };
    let pid = report.daemon.pid.map(|pid| format!(" by pid {pid}")).unwrap_or_default();
    let mounted = if report.kernel_mount { "mounted at" } else { "not mounted; last at" };
    let mode = if report.workspace.read_only { ", read-only" } else { "" };
    format!("{mounted} {} ({daemon}{pid}{mode})", report.dir)
}

fn durable_text(report: &StatusReport) -> String {
    let unsynced = match report.durability.unsynced_bytes {
        None => "unknown what is on disk".to_owned(),
        Some(0) => "all on disk".to_owned(),
        Some(bytes) => format!("{bytes} bytes not synced yet"),
    };
    let pushed = match (report.durability.pushed, report.durability.unpushed_commits) {
        (Some(true), _) => "the remote has everything".to_owned(),
        (Some(false), Some(0)) => "changes not committed".to_owned(),
        (Some(false), Some(commits)) => format!("{} not pushed", count(commits, "commit")),
        _ => "unknown what the remote has".to_owned(),
    };
    format!("{unsynced}; {pushed}")
}

fn next(report: &StatusReport) -> Option<String> {
    let id = &report.workspace.id;
    match report.daemon.state {
        DaemonState::Dead => Some("toft recover".to_owned()),
        DaemonState::Ok if report.durability.pushed == Some(false) => {
            Some(format!("toft umount {} -m '...'   (commits and pushes)", report.dir))
        }
        DaemonState::Stopped if report.durability.pushed == Some(false) => {
            Some(format!("toft flush {id}, or toft mount --workspace {id}"))
        }
        _ => None,
    }
}
