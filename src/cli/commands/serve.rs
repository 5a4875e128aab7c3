use super::mount::show;
use crate::cli::args::Global;
use crate::cli::mounting::Plan;
use crate::cli::options::Options;
use crate::cli::target::Target;
use crate::daemon::{Failure, Host};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Serve many workspaces as folders below one mount
#[derive(Debug, Args)]
#[command(after_help = "\
One daemon and one mount for any number of workspaces. mkdir ROOT/NAME makes one, which begins exactly
as the template stands (as toft fork makes it) and commits to the branch NAME. rmdir ROOT/NAME ends
it, whatever files are in it: they become a commit, which is pushed; when they cannot, rmdir fails and
the workspace stays. A workspace in which nothing was done leaves nothing. toft status, diff, log,
commit, flush and umount take ROOT/NAME as any other folder.

The template is a workspace, which goes on as it was, or anything toft mount takes. It is looked at
once: serving the same ROOT again goes on with the workspaces that are there, and needs none.

Examples:
  toft serve /srv/agents --template https://github.com/acme/widgets
  mkdir /srv/agents/fix-17 && echo done > /srv/agents/fix-17/notes
  rmdir /srv/agents/fix-17
  toft umount /srv/agents")]
pub struct Serve {
    /// The folder to mount at
    #[arg(value_name = "ROOT")]
    root: PathBuf,
    /// What workspaces begin as: a workspace (a folder in its mount, or its id), URL or path
    #[arg(long, value_name = "WORKSPACE|SOURCE")]
    template: Option<PathBuf>,
    /// Branch or tag of SOURCE; the repository's own branch when left out
    #[arg(short, long, value_name = "REF")]
    branch: Option<String>,
    /// Where the secret for the remote is: file:PATH or env:VARIABLE (user:password, or a token)
    #[arg(long, value_name = "WHERE")]
    credential: Option<String>,
    /// Stay in the foreground; Ctrl-C commits, pushes and unmounts
    #[arg(short, long)]
    foreground: bool,
    /// Options as mount(8) has them: allow_other, uid=, gid=, ...
    #[arg(short, value_name = "OPTIONS")]
    options: Vec<String>,
}

impl Serve {
    /// Whether this process serves the mount itself.
    pub fn foreground(&self) -> bool {
        self.foreground
    }

    /// Mounts.
    pub fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let mut options = Options::parse(self.options.iter().map(String::as_str))?;
        options.branch = self.branch.or(options.branch);
        options.credential = self.credential.or(options.credential);
        let mut source = None;
        if let Some(template) = self.template {
            let host = Host::open(global.directories().or(options.directories()))?;
            let named = Target { target: Some(template.clone()) };
            match named.find(&host) {
                Ok(_) => options.fork_of = Some(template),
                Err(_) => source = Some(template.to_string_lossy().into_owned()),
            }
        }
        let dir = Some(self.root);
        let plan = Plan { source, dir, options, serves: true, checked_dir: None };
        let served = plan.mount(global, self.foreground, |mounted| show(mounted, global))?;
        Ok(served
            .map_or(ExitCode::SUCCESS, |report| crate::cli::flush_output::show(&report, global)))
    }
}
