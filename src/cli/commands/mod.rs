//! The commands, one a file: its arguments, what it does, what it prints.

pub mod doctor;
pub mod list;
pub mod version;

use super::args::{Cli, Command};
use crate::daemon::Failure;
use std::process::ExitCode;

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Doctor(doctor) => doctor.run(global),
        Command::List(list) => list.run(global),
        Command::Version(version) => version.run(global),
    }
}
