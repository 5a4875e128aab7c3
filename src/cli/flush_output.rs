//! Prints what became of a flush, and gives its exit code.

use super::args::Global;
use super::output::{self, count, short};
use super::report;
use crate::daemon::{FlushReport, PushReport, SealReport};
use std::process::ExitCode;

/// Prints the report; the failure in it decides the exit code.
pub fn show(report: &FlushReport, global: &Global) -> ExitCode {
    if global.json {
        output::json(report);
    } else {
        if !global.quiet {
            lines(report).iter().for_each(|text| output::line(text));
        }
        report.problems.iter().chain(&report.failure).for_each(report::talk);
    }
    code(report)
}

/// The exit code.
pub fn code(report: &FlushReport) -> ExitCode {
    match &report.failure {
        Some(failure) => ExitCode::from(report::exit_code(failure.kind)),
        None => ExitCode::SUCCESS,
    }
}

/// What to say of each step.
pub fn lines(report: &FlushReport) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(report.seal.as_ref().and_then(seal_line));
    for skipped in report.seal.iter().flat_map(|seal| &seal.skipped) {
        lines.push(format!("left out  {}: {}", skipped.path, skipped.why));
    }
    lines.extend(report.push.as_ref().and_then(push_line));
    if report.unmounted == Some(true) {
        lines.push(format!("unmounted {}", report.dir));
    }
    if report.removed && !report.discarded.is_empty() {
        let gone = report.discarded.join(", ");
        lines.push(format!("discarded workspace {}, with {gone}", report.workspace));
    } else if report.removed {
        lines.push(format!("removed   workspace {}: the remote has all of it", report.workspace));
    } else if !report.kept.is_empty() {
        let kept = report.kept.join(", ");
        lines.push(format!("kept      workspace {}: {kept}", report.workspace));
    }
    if lines.is_empty() && report.failure.is_none() {
        lines.push("nothing to do: the remote has everything".to_owned());
    }
    lines
}

fn seal_line(seal: &SealReport) -> Option<String> {
    let commit = seal.commit.as_deref()?;
    let paths = count(seal.changes.total(), "path");
    let subject = seal.subject.as_deref().unwrap_or_default();
    Some(format!("sealed    {} {subject} ({paths})", short(commit)))
}

fn push_line(push: &PushReport) -> Option<String> {
    match push {
        PushReport::Nothing | PushReport::Queued { .. } => None,
        PushReport::Pushed { tip, merged: false } => {
            Some(format!("pushed    the remote has {}", short(tip)))
        }
        PushReport::Pushed { tip, merged: true } => Some(format!(
            "pushed    the remote has {}, merged with what it had meanwhile",
            short(tip)
        )),
        PushReport::Conflict { branch, .. } => {
            Some(format!("pushed    the remote keeps our side as {branch}"))
        }
    }
}
