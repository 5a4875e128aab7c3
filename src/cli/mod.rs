//! argv to exit code.
//!
//! Purpose: the commands, one a file; what they print; what each failure exits with.
//! Must not know: how anything is done; a command asks a daemon, or the `daemon` room.
//! Invariants: stdout is the answer (with `--json` exactly one document, errors included), stderr
//! is talk; every failure says what, why, and what to do; exit codes are those of the contract.

mod args;
mod ask;
mod commands;
mod demo;
mod flush_output;
mod forking;
mod launch;
mod logging;
mod mounting;
mod mountpoint;
mod options;

mod output;
mod report;
mod seal_args;
mod target;

use args::Cli;
use clap::Parser;
use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error),
    };
    logging::start(&cli);
    keep_others_out();
    let json = cli.global.json;
    match commands::run(cli) {
        Ok(code) => code,
        Err(failure) => report::failure(&failure, json),
    }
}

/// Nobody else may write to what we make, whatever the user's umask is: what is found later in a
/// folder that others can write to is not believed.
fn keep_others_out() {
    use rustix::fs::Mode;
    use rustix::process::umask;
    let usual = umask(Mode::RWXG | Mode::RWXO);
    umask(usual | Mode::WGRP | Mode::WOTH);
}
