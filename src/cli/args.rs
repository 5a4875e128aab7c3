//! What can be said on the command line; each command's own arguments stand in its file.

use super::commands::{
    commit, daemon, demo, diff, doctor, flush, fork, fsck, list, log, mount, prefetch, push,
    recover, rm, serve, status, umount, version,
};
use crate::registry::DirectoryOverrides;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0    done: all pushed, or nothing to do (after commit and --no-push: committed)
  1    failed
  2    usage
  69   the remote cannot be reached
  75   the workspace is held by another live mount
  76   committed here, could not be pushed yet: queued, safe
  77   credentials refused
  78   conflict: our commit is kept on a side branch
  79   refused by a commit guard
  124  deadline

Example:
  toft mount https://github.com/acme/widgets
  cd widgets && $EDITOR README.md && git diff && cd ..
  toft umount widgets -m 'Say more'";

/// Mounts a git repo as an ordinary folder; umount is a commit, pushed.
#[derive(Debug, Parser)]
#[command(name = "toft", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Print one JSON document on stdout, errors included
    #[arg(long, global = true)]
    pub json: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Where workspaces are kept [env: TOFT_STATE_DIR]
    #[arg(long, value_name = "PATH", global = true, help_heading = "Directories")]
    pub state_dir: Option<PathBuf>,
    /// Where fetched objects are kept [env: TOFT_CACHE_DIR]
    #[arg(long, value_name = "PATH", global = true, help_heading = "Directories")]
    pub cache_dir: Option<PathBuf>,
    /// Where control sockets are [env: TOFT_RUNTIME_DIR]
    #[arg(long, value_name = "PATH", global = true, help_heading = "Directories")]
    pub runtime_dir: Option<PathBuf>,
}

impl Global {
    /// The directories that were asked for.
    pub fn directories(&self) -> DirectoryOverrides {
        DirectoryOverrides {
            state: self.state_dir.clone(),
            cache: self.cache_dir.clone(),
            runtime: self.runtime_dir.clone(),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Mount(mount::Mount),
    #[command(visible_alias = "unmount")]
    Umount(umount::Umount),
    Fork(fork::Fork),
    Prefetch(prefetch::Prefetch),
    Serve(serve::Serve),
    Flush(flush::Flush),
    Commit(commit::Commit),
    Push(push::Push),
    Status(status::Status),
    #[command(visible_alias = "ls")]
    List(list::List),
    Log(log::Log),
    Diff(diff::Diff),
    Rm(rm::Rm),
    Recover(recover::Recover),
    Fsck(fsck::Fsck),
    Doctor(doctor::Doctor),
    Demo(demo::Demo),
    Version(version::Version),
    #[command(hide = true)]
    Daemon(daemon::Daemon),
}
