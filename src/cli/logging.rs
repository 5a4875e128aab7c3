//! The log: stderr, which is a file for a daemon in the background. `TOFT_LOG` sets what is in it.

use super::args::{Cli, Command};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts it: a daemon tells what it does, a command only what went wrong.
pub fn start(cli: &Cli) {
    let serves = match &cli.command {
        Command::Daemon(_) => true,
        Command::Mount(mount) => mount.foreground(),
        Command::Serve(serve) => serve.foreground(),
        _ => false,
    };
    let usual = if serves { "info" } else { "error" };
    let filter = std::env::var("TOFT_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(usual)))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // It would be told on stderr, where the log goes: on a full disk that panics.
        .log_internal_errors(false)
        .init();
}
