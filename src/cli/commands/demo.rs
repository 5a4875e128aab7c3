use crate::cli::args::Global;
use crate::cli::demo::{Story, tell};
use crate::cli::output;
use crate::daemon::Failure;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Show the whole promise on a repository made for it: no network, no configuration, nothing left
#[derive(Debug, Args)]
#[command(after_help = "\
Makes a repository in a temporary folder, mounts it, edits it by ordinary file I/O, runs git in it,
unmounts, and mounts it again as another host would: everything is compared, and exits with 1 when
anything differs.

Example:
  toft demo")]
pub struct Demo {}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    ok: bool,
    #[serde(flatten)]
    story: Story,
}

impl Demo {
    /// Runs it.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let aloud = !global.json && !global.quiet;
        let story = tell(aloud)?;
        let ok = story.differences.is_empty();
        if global.json {
            output::json(&Document { schema: "toft.demo/1", ok, story });
        } else if ok {
            output::line("\nEverything is the same there. Now yours:");
            output::line("  toft mount YOUR-REPOSITORY folder; edit in it; toft umount folder");
        } else {
            for difference in &story.differences {
                output::talk(&format!("differs: {difference}"));
            }
        }
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
