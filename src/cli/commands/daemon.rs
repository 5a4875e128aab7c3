use crate::cli::args::Global;
use crate::daemon::serve::{ServeRequest, serve};
use crate::daemon::spawn::{self, Ready};
use crate::daemon::{Failure, Kind};
use clap::Args;
use std::process::ExitCode;

/// Bytes of a request, at most.
const MAX_REQUEST: u64 = 1 << 20;

/// Serve a workspace; started by toft mount, never by hand
#[derive(Debug, Args)]
#[command(after_help = "Reads its request on stdin and answers one JSON line on stdout.\n\n\
                        Example:\n  (started by) toft mount https://github.com/acme/widgets")]
pub struct Daemon {
    /// The workspace, for those who look at the list of processes
    #[arg(long, value_name = "ID")]
    workspace: String,
}

impl Daemon {
    /// Serves until it is unmounted.
    pub fn run(&self, _global: &Global) -> Result<ExitCode, Failure> {
        let outcome = spawn::detach(MAX_REQUEST).and_then(|request| {
            let request: ServeRequest = serde_json::from_slice(&request).map_err(|error| {
                Failure::new(Kind::Usage, "the daemon cannot use this request").cause(error)
            })?;
            serve(&request, spawn::announce)
        });
        match outcome {
            Ok(report) => Ok(crate::cli::flush_output::code(&report)),
            Err(failure) => {
                tracing::error!(kind = %failure.kind.slug(), cause = ?failure.cause, "{failure}");
                // Nobody listens any more when READY was said before.
                let _ = spawn::announce(&Ready::Failed(failure));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}
