use crate::cli::args::Global;
use crate::cli::ask;
use crate::cli::seal_args::SealArgs;
use crate::cli::target::Target;
use crate::daemon::Failure;
use clap::Args;
use std::process::ExitCode;

/// Commit what changed and push it, and stay mounted
#[derive(Debug, Args)]
#[command(after_help = "Works on a workspace that is not mounted, too.\n\n\
                        Example:\n  toft flush widgets -m 'Halfway there'")]
pub struct Flush {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    seal: SealArgs,
    /// Give up waiting for the remote after so many seconds (exit code 124)
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

impl Flush {
    /// Seals and pushes.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        ask::flush(&self.target, self.seal.request(true, self.timeout), global)
    }
}
