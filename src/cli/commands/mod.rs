//! The commands, one a file: its arguments, what it does, what it prints.

pub mod commit;
pub mod daemon;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod flush;
pub mod fork;
pub mod fsck;
pub mod list;
pub mod log;
pub mod mount;
pub mod prefetch;
pub mod push;
pub mod recover;
pub mod rm;
pub mod serve;
pub mod status;
pub mod umount;
pub mod version;

use super::args::{Cli, Command};
use crate::daemon::Failure;
use std::process::ExitCode;

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Mount(mount) => mount.run(global),
        Command::Umount(umount) => umount.run(global),
        Command::Flush(flush) => flush.run(global),
        Command::Fork(fork) => fork.run(global),
        Command::Prefetch(prefetch) => prefetch.run(global),
        Command::Serve(serve) => serve.run(global),
        Command::Commit(commit) => commit.run(global),
        Command::Push(push) => push.run(global),
        Command::Status(status) => status.run(global),
        Command::List(list) => list.run(global),
        Command::Log(log) => log.run(global),
        Command::Diff(diff) => diff.run(global),
        Command::Rm(rm) => rm.run(global),
        Command::Recover(recover) => recover.run(global),
        Command::Fsck(fsck) => fsck.run(global),
        Command::Demo(demo) => demo.run(global),
        Command::Doctor(doctor) => doctor.run(global),
        Command::Version(version) => version.run(global),
        Command::Daemon(daemon) => daemon.run(global),
    }
}
