use crate::cli::args::Global;
use crate::cli::ask;
use crate::cli::seal_args::SealArgs;
use crate::cli::target::Target;
use crate::daemon::Failure;
use clap::Args;
use std::process::ExitCode;

/// Commit what changed, without pushing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  toft commit widgets -m 'Say more'")]
pub struct Commit {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    seal: SealArgs,
}

impl Commit {
    /// Seals.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        ask::flush(&self.target, self.seal.request(false, None), global)
    }
}
