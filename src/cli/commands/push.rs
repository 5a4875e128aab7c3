use crate::cli::args::Global;
use crate::cli::ask;
use crate::cli::target::Target;
use crate::daemon::Failure;
use crate::daemon::control::FlushRequest;
use clap::Args;
use std::process::ExitCode;

/// Push the commits that are here, without making a new one
#[derive(Debug, Args)]
#[command(after_help = "Tries at once, whatever the queue waits for.\n\n\
                        Example:\n  toft push widgets --timeout 60")]
pub struct Push {
    #[command(flatten)]
    target: Target,
    /// Give up waiting for the remote after so many seconds (exit code 124)
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

impl Push {
    /// Pushes.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let request = FlushRequest { push: true, timeout_s: self.timeout, ..Default::default() };
        ask::flush(&self.target, request, global)
    }
}
