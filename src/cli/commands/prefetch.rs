use crate::cli::args::Global;
use crate::cli::ask;
use crate::cli::output::{self, count};
use crate::cli::target::Target;
use crate::daemon::control::{PrefetchRequest, Reply, Request};
use crate::daemon::{Failure, PrefetchReport};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Fetch files of a lazy mount before they are looked at
#[derive(Debug, Args)]
#[command(after_help = "\
Patterns are those of git: * stands for anything, slashes included, and a folder for all below it.
They begin at the root of the mount. Without one, everything is fetched. What is here already is not
fetched again. Others who read in the mount meanwhile do not wait for it.

Examples:
  toft prefetch linux 'drivers/gpu' '*.h'
  toft prefetch .                          # everything, to work without the remote")]
pub struct Prefetch {
    /// Folder in the mount, or id of the workspace
    #[arg(value_name = "DIR|ID")]
    target: PathBuf,
    /// Which files
    #[arg(value_name = "GLOB")]
    globs: Vec<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    #[serde(flatten)]
    report: &'a PrefetchReport,
}

impl Prefetch {
    /// Fetches them and tells how many they were.
    pub fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let everything = || vec![".".to_owned()];
        let globs = if self.globs.is_empty() { everything() } else { self.globs };
        let target = Target { target: Some(self.target) };
        let request = Request::Prefetch(PrefetchRequest { globs });
        let report = match ask::target(&target, &request, global)? {
            Reply::Prefetch(report) => report,
            other => return Err(ask::unexpected(&other)),
        };
        if global.json {
            output::json(&Document { schema: "toft.prefetch/1", report: &report });
        } else if !global.quiet {
            let (files, fetched) = (count(report.files, "file"), report.fetched);
            output::line(&format!("{files}: {fetched} fetched, {} bytes", report.bytes));
        }
        Ok(ExitCode::SUCCESS)
    }
}
