use crate::cli::args::Global;
use crate::cli::ask;
use crate::cli::output;
use crate::cli::target::Target;
use crate::daemon::control::{Reply, Request};
use crate::daemon::{DiffReport, Failure};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// List the paths that the next commit would change
#[derive(Debug, Args)]
#[command(after_help = "A added, M modified, D deleted; ! cannot be committed.\n\
                        For the lines, use git inside the mount: git diff HEAD\n\n\
                        Example:\n  toft diff widgets")]
pub struct Diff {
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    #[serde(flatten)]
    diff: &'a DiffReport,
}

impl Diff {
    /// Prints them.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let diff = match ask::target(&self.target, &Request::Diff, global)? {
            Reply::Diff(diff) => diff,
            other => return Err(ask::unexpected(&other)),
        };
        if global.json {
            output::json(&Document { schema: "toft.diff/1", diff: &diff });
            return Ok(ExitCode::SUCCESS);
        }
        for path in &diff.paths {
            output::line(&format!("{} {}", path.change, path.path));
        }
        for skipped in &diff.skipped {
            output::line(&format!("! {} ({})", skipped.path, skipped.why));
        }
        if diff.truncated {
            output::talk("(more paths than are listed)");
        }
        Ok(ExitCode::SUCCESS)
    }
}
