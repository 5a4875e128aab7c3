//! What a failure looks like, and what it exits with.

use super::output;
use crate::daemon::{Failure, Kind};
use serde::Serialize;
use std::process::ExitCode;

/// Exit code of each kind of failure: the contract's table (shared by all commands).
pub fn exit_code(kind: Kind) -> u8 {
    match kind {
        Kind::Usage => 2,
        Kind::Unreachable => 69,
        Kind::Held => 75,
        Kind::NotPushed => 76,
        Kind::Credentials => 77,
        Kind::Conflict => 78,
        Kind::Guard | Kind::InProgress => 79,
        Kind::Deadline => 124,
        Kind::NoSuchWorkspace
        | Kind::DirNotEmpty
        | Kind::DirNotADirectory
        | Kind::DirUnusable
        | Kind::AlreadyMounted
        | Kind::Busy
        | Kind::NoFuse
        | Kind::Permission
        | Kind::DiskFull
        | Kind::GitUnusable
        | Kind::NoSuchRepository
        | Kind::NoSuchRef
        | Kind::Corrupt
        | Kind::ReadOnly
        | Kind::DaemonGone
        | Kind::Interrupted
        | Kind::System => 1,
    }
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    schema: &'static str,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(flatten)]
    failure: &'a Failure,
    exit_code: u8,
}

/// Prints a failure and gives its exit code.
pub fn failure(failure: &Failure, json: bool) -> ExitCode {
    let exit_code = exit_code(failure.kind);
    if json {
        let error = ErrorBody { failure, exit_code };
        output::json(&ErrorDocument { schema: "toft.error/1", error });
    } else {
        talk(failure);
    }
    ExitCode::from(exit_code)
}

/// Prints a failure on stderr: what, cause, fix.
pub fn talk(failure: &Failure) {
    output::talk(&format!("error[{}]: {}", failure.kind.slug(), failure.message));
    if let Some(cause) = &failure.cause {
        output::talk(&format!("  cause: {}", indent(cause)));
    }
    if let Some(fix) = &failure.fix {
        output::talk(&format!("  fix:   {}", indent(fix)));
    }
}

fn indent(text: &str) -> String {
    text.replace('\n', "\n         ")
}

/// Prints what clap has to say: help on stdout with 0, errors on stderr with 2.
pub fn usage(error: &clap::Error) -> ExitCode {
    let failed = error.use_stderr();
    let asked_for_json = std::env::args_os().any(|argument| argument == "--json");
    if failed && asked_for_json {
        let text = error.to_string();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        return failure(&Failure::new(Kind::Usage, what).fix("see toft --help"), true);
    }
    // Nobody to tell when even stdout is gone.
    let _ = error.print();
    if failed { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
