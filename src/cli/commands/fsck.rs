use crate::cli::args::Global;
use crate::cli::ask;
use crate::cli::output::{self, count};
use crate::cli::target::Target;
use crate::daemon::control::{Reply, Request};
use crate::daemon::{Failure, FsckReport};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Check that what is kept of a workspace fits together
#[derive(Debug, Args)]
#[command(after_help = "\
Checks the journal against its invariants, that every file's content is there, that git has every
object that the workspace stands on, and that what waits to be pushed exists. Repairs nothing; the
journal of a workspace that nobody serves is replayed first, as a mount does. Exits 1 when something
is wrong. For all objects of the history: git fsck inside the mount.

Example:
  toft fsck widgets")]
pub struct Fsck {
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    #[serde(flatten)]
    fsck: &'a FsckReport,
}

impl Fsck {
    /// Checks and tells.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let fsck = match ask::target(&self.target, &Request::Fsck, global)? {
            Reply::Fsck(fsck) => fsck,
            other => return Err(ask::unexpected(&other)),
        };
        if global.json {
            output::json(&Document { schema: "toft.fsck/1", fsck: &fsck });
        } else {
            fsck.problems.iter().for_each(|problem| output::line(problem));
            if !global.quiet {
                output::line(&format!(
                    "{}, {}, {} of the base, {}: {}",
                    count(fsck.inodes, "inode"),
                    count(fsck.bodies, "changed file"),
                    count(fsck.objects, "object"),
                    count(fsck.queued, "queued push"),
                    match fsck.problems.len() {
                        0 => "sound".to_owned(),
                        problems => count(problems as u64, "problem"),
                    }
                ));
            }
        }
        Ok(ExitCode::from(u8::from(!fsck.problems.is_empty())))
    }
}
