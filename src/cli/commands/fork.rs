use crate::cli::args::Global;
use crate::cli::forking::{Fork as Wish, fork};
use crate::cli::mountpoint;
use crate::cli::output;
use crate::cli::target::Target;
use crate::daemon::{Failure, ForkReport, Host};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make a workspace that begins exactly as another one stands
#[derive(Debug, Args)]
#[command(after_help = "\
The fork has the same files, with what is not committed, the same HEAD, index and stash, and shares
what it has not changed: it takes no longer and no more room for a large repository than for a small
one. The other workspace may be mounted and busy. Neither sees what is done in the other one from then
on.

The fork's commits go to a branch of its own, begun at HEAD: the last part of NAME, unless --branch
says otherwise. What the other workspace had not committed becomes part of the fork's first commit;
how much that is, is told here, and toft diff shows it. A fork in which nothing was done commits and
pushes nothing.

Examples:
  toft fork widgets agent-1
  toft mount --workspace w-7f3k2m9x1q      # the id that toft fork told
  toft mount --fork-of widgets agent-2     # both at once
  toft fork widgets elsewhere/try --branch try/faster")]
pub struct Fork {
    /// The workspace to begin as: a folder in its mount, or its id
    #[arg(value_name = "WORKSPACE")]
    of: PathBuf,
    /// The folder where the fork is to be mounted
    #[arg(value_name = "NAME")]
    name: PathBuf,
    /// The branch that its commits go to
    #[arg(short, long, value_name = "BRANCH", conflicts_with = "same_branch")]
    branch: Option<String>,
    /// Commits go to the branch of the other workspace; the two meet at the remote
    #[arg(long)]
    same_branch: bool,
}

impl Fork {
    /// Makes it.
    pub fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let host = Host::open(global.directories())?;
        let of = Target { target: Some(self.of) }.find(&host)?;
        let dir = mountpoint::resolve(&self.name)?;
        let report = fork(
            &host,
            &of,
            Wish { dir, branch: self.branch, same: self.same_branch, house: false },
        )?;
        show(&report, global);
        Ok(ExitCode::SUCCESS)
    }
}

fn show(report: &ForkReport, global: &Global) {
    if global.json {
        return output::json(report);
    }
    if global.quiet {
        return;
    }
    let branch = report.branch.as_deref().map(|name| format!("#{name}")).unwrap_or_default();
    output::line(&format!("forked {} as {}{branch}", report.of, report.workspace));
    match &report.inherited {
        Some(changes) if changes.is_empty() => {}
        Some(changes) => output::line(&format!(
            "it begins with what {} has not committed ({changes}), for its first commit",
            report.of
        )),
        None => output::line(&format!(
            "it begins with what {} has not committed, if anything: toft diff {}",
            report.of, report.workspace
        )),
    }
    output::line(&format!(
        "mount it at {} with: toft mount --workspace {}",
        report.dir, report.workspace
    ));
}
