use crate::cli::args::Global;
use crate::cli::output;
use crate::daemon::presence::Presence;
use crate::daemon::{DaemonState, Failure, Host, mountinfo};
use crate::registry::{Milestone, Status, WorkspaceRecord};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// List the workspaces of this host, mounted or not
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  toft list\n  toft list --json | jq -r '.workspaces[].id'")]
pub struct List {}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    workspaces: Vec<Line>,
    problems: Vec<Failure>,
}

#[derive(Serialize)]
struct Line {
    id: String,
    state: &'static str,
    dir: String,
    url: String,
    branch: Option<String>,
    read_only: bool,
    pid: Option<u32>,
    last_seal: Option<String>,
    last_push: Option<String>,
    last_error: Option<String>,
    /// Whether the last push came after the last commit.
    pushed: bool,
}

impl List {
    /// Prints them, oldest first.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let host = Host::open(global.directories())?;
        let mounts = mountinfo::read()?;
        let listing = host.registry.list()?;
        let mut workspaces = Vec::new();
        for record in &listing.workspaces {
            let presence = Presence::of(record, &host.registry, &mounts)?;
            workspaces.push(line(record, &presence));
        }
        let problems = listing.problems.into_iter().map(|problem| problem.error.into()).collect();
        let report = Report { schema: "toft.list/1", workspaces, problems };
        if global.json {
            output::json(&report);
        } else {
            print(&report);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(record: &WorkspaceRecord, presence: &Presence) -> Line {
    let commit = |milestone: &Option<Milestone>| milestone.map(|done| done.commit.to_string());
    let branch = record.branch.as_deref();
    Line {
        id: record.id.to_string(),
        state: state(record, presence),
        dir: record.dir.display().to_string(),
        url: record.source.url.clone(),
        branch: branch.map(|name| name.trim_start_matches("refs/heads/").to_owned()),
        read_only: record.view.read_only,
        pid: presence.holder.as_ref().map(|holder| holder.pid).filter(|pid| *pid != 0),
        last_seal: commit(&record.last_seal),
        last_push: commit(&record.last_push),
        last_error: record.last_error.clone(),
        pushed: record.last_push.map(|push| push.at_s) >= record.last_seal.map(|seal| seal.at_s),
    }
}

fn state(record: &WorkspaceRecord, presence: &Presence) -> &'static str {
    match (presence.state(record), presence.mount.is_some()) {
        (DaemonState::Ok, _) if record.house.is_some() => "served",
        (DaemonState::Ok | DaemonState::Unresponsive, true) => "mounted",
        // Starting, or flushing after its mount went away.
        (DaemonState::Ok | DaemonState::Unresponsive, false) => "busy",
        (DaemonState::Dead, _) => "dead",
        (DaemonState::Stopped, _) if record.status == Status::Failed => "failed",
        (DaemonState::Stopped, _) => "idle",
    }
}

fn print(report: &Report) {
    for line in &report.workspaces {
        let branch = line.branch.as_deref().map(|name| format!("#{name}")).unwrap_or_default();
        output::line(&format!(
            "{:<13} {:<8} {}  {}{branch}",
            line.id, line.state, line.dir, line.url
        ));
        if let (Some(seal), false) = (&line.last_seal, line.pushed) {
            output::line(&format!("{:14}sealed {}, not pushed", "", output::short(seal)));
        }
        if let Some(error) = &line.last_error {
            output::line(&format!("{:14}{error}", ""));
        }
    }
    for problem in &report.problems {
        crate::cli::report::talk(problem);
    }
    if report.workspaces.iter().any(|line| line.state == "dead") {
        output::talk("Next: toft recover   (seals and pushes what dead daemons left)");
    }
}
