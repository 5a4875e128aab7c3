use crate::cli::args::Global;
use crate::cli::output;
use crate::daemon::Failure;
use crate::git::Git;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Print the versions of toft, git and the kernel
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  toft version --json")]
pub struct Version {}

#[derive(Serialize)]
struct Versions {
    schema: &'static str,
    toft: &'static str,
    git: Option<String>,
    kernel: String,
}

impl Version {
    /// Prints them.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let versions = Versions {
            schema: "toft.version/1",
            toft: env!("CARGO_PKG_VERSION"),
            git: Git::version().ok().map(|version| version.to_string()),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        };
        if global.json {
            output::json(&versions);
        } else {
            let git = versions.git.as_deref().unwrap_or("not usable, see toft doctor");
            output::line(&format!("toft {}", versions.toft));
            output::line(&format!("git {git}"));
            output::line(&format!("kernel {}", versions.kernel));
        }
        Ok(ExitCode::SUCCESS)
    }
}
