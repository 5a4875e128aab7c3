use crate::cli::args::Global;
use crate::cli::ask;
use crate::cli::output;
use crate::cli::target::Target;
use crate::daemon::control::{LogRequest, Reply, Request};
use crate::daemon::{Failure, LogReport};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// List the commits of the workspace's branch, and which of them the remote has
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  toft log widgets -n 5")]
pub struct Log {
    #[command(flatten)]
    target: Target,
    /// How many, at most
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    #[serde(flatten)]
    log: &'a LogReport,
}

impl Log {
    /// Prints them, newest first.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let request = Request::Log(LogRequest { limit: self.limit });
        let log = match ask::target(&self.target, &request, global)? {
            Reply::Log(log) => log,
            other => return Err(ask::unexpected(&other)),
        };
        if global.json {
            output::json(&Document { schema: "toft.log/1", log: &log });
            return Ok(ExitCode::SUCCESS);
        }
        for commit in &log.commits {
            let mark = if commit.pushed { ' ' } else { '*' };
            let time = output::time(commit.time_s);
            output::line(&format!(
                "{mark} {} {time} {}",
                output::short(&commit.commit),
                commit.subject
            ));
        }
        if log.commits.iter().any(|commit| !commit.pushed) {
            output::talk("* is not on the remote yet, as far as is known here");
        }
        Ok(ExitCode::SUCCESS)
    }
}
