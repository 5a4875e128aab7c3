use crate::cli::args::Global;
use crate::cli::mounting::{Mounted, Plan};
use crate::cli::options::{HelperRequest, Options, flush_policy, hydrate};
use crate::cli::output::{self, short};
use crate::daemon::{Failure, Kind};
use clap::Args;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

/// Bytes of the mount helper's request, at most.
const MAX_HELPER_REQUEST: u64 = 1 << 20;

/// Mount a git repo as a folder
#[derive(Debug, Args)]
#[command(after_help = "\
SOURCE is anything git clone takes, with #REF behind it for a branch, tag or commit. DIR is made when
it is missing and removed again after umount; without it, the folder that git clone would make.

Mounting the same source and branch at the same folder again goes on with the workspace that was
there, when it holds anything that the remote does not have; otherwise it starts from what the
remote has now. toft list shows all workspaces, --workspace picks one.

Examples:
  toft mount https://github.com/acme/widgets
  toft mount git@github.com:acme/widgets#next ./next --flush-on idle=60
  toft mount https://github.com/torvalds/linux --hydrate lazy --depth 1
  toft mount /srv/git/widgets.git -b main --new-branch fix-auth
  toft mount https://github.com/acme/widgets#v1.2 old --ro
  toft mount --workspace w-7f3k2m9x1q
  toft mount --fork-of widgets agent-1")]
pub struct Mount {
    /// URL, user@host:path, or path of the repository
    #[arg(value_name = "SOURCE", required_unless_present_any = ["workspace", "fork_of", "from_helper"])]
    source: Option<String>,
    /// The folder to mount at
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Branch or tag to mount; the repository's own branch when left out
    #[arg(short, long, value_name = "REF")]
    branch: Option<String>,
    /// Begin this branch here; commits go to it
    #[arg(long, value_name = "NAME")]
    new_branch: Option<String>,
    /// Mount this commit, read-only (or as the start of --new-branch)
    #[arg(long, value_name = "COMMIT")]
    at: Option<String>,
    /// Mount read-only
    #[arg(long)]
    ro: bool,
    /// Go on with this workspace of this host
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Begin exactly as this workspace stands (a folder in its mount, or its id), see toft fork
    #[arg(long, value_name = "WORKSPACE",
        conflicts_with_all = ["workspace", "branch", "at", "ro", "depth"])]
    fork_of: Option<PathBuf>,
    /// When to commit and push: umount, close, idle=SECONDS, interval=SECONDS or manual
    #[arg(long, value_name = "POLICY")]
    flush_on: Option<String>,
    /// Fetch no more than so many commits of history
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    depth: Option<u32>,
    /// When files are fetched: full (all before the mount), lazy (each folder when something in it
    /// is looked at, and up to 64 MB in advance; for big repositories), demand (none in advance)
    #[arg(long, value_name = "WHEN")]
    hydrate: Option<String>,
    /// Where the secret for the remote is: file:PATH or env:VARIABLE (user:password, or a token)
    #[arg(long, value_name = "WHERE")]
    credential: Option<String>,
    /// Mount what is here when the remote does not answer
    #[arg(long)]
    offline: bool,
    /// Stay in the foreground; Ctrl-C commits, pushes and unmounts
    #[arg(short, long)]
    foreground: bool,
    /// Options as mount(8) has them: ro, allow_other, uid=, gid=, branch=, ...
    #[arg(short, value_name = "OPTIONS")]
    options: Vec<String>,
    /// Read the request of mount.toft on stdin
    #[arg(long, hide = true)]
    from_helper: bool,
}

impl Mount {
    /// Whether this process serves the mount itself.
    pub fn foreground(&self) -> bool {
        self.foreground
    }

    /// Mounts.
    pub fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let foreground = self.foreground;
        let plan = if self.from_helper { from_helper()? } else { self.plan()? };
        let mounted = plan.mount(global, foreground, |mounted| show(mounted, global))?;
        Ok(mounted
            .map_or(ExitCode::SUCCESS, |report| crate::cli::flush_output::show(&report, global)))
    }

    /// The flags over `-o`.
    fn plan(self) -> Result<Plan, Failure> {
        let mut options = Options::parse(self.options.iter().map(String::as_str))?;
        options.ro |= self.ro;
        options.offline |= self.offline;
        options.branch = self.branch.or(options.branch);
        options.new_branch = self.new_branch.or(options.new_branch);
        options.at = self.at.or(options.at);
        options.workspace = self.workspace.or(options.workspace);
        options.fork_of = self.fork_of;
        if let Some(policy) = &self.flush_on {
            options.flush_on = Some(flush_policy("--flush-on", policy)?);
        }
        options.depth = self.depth.or(options.depth);
        if let Some(when) = &self.hydrate {
            options.hydrate = Some(hydrate("--hydrate", when)?);
        }
        options.credential = self.credential.or(options.credential);
        let (source, dir) = match (self.source, self.dir) {
            // `toft mount --workspace ID DIR`, `toft mount --fork-of DIR DIR`: the source is known already.
            (Some(dir), None) if options.workspace.is_some() || options.fork_of.is_some() => {
                (None, Some(dir.into()))
            }
            other => other,
        };
        Ok(Plan { source, dir, options, serves: false, checked_dir: None })
    }
}

fn from_helper() -> Result<Plan, Failure> {
    let mut json = Vec::new();
    std::io::stdin()
        .take(MAX_HELPER_REQUEST)
        .read_to_end(&mut json)
        .map_err(Failure::io("cannot read the mount helper's request"))?;
    let request = HelperRequest::parse(&json)?;
    if !request.dir.is_absolute() {
        return Err(Failure::new(Kind::Usage, "the mount helper's folder is not absolute"));
    }
    Ok(Plan {
        source: Some(request.source),
        dir: Some(request.dir),
        options: request.options,
        serves: false,
        checked_dir: Some((request.dir_dev, request.dir_ino)),
    })
}

pub(super) fn show(mounted: &Mounted, global: &Global) {
    if global.json {
        return output::json(mounted);
    }
    if global.quiet {
        return;
    }
    let branch = mounted.branch.as_deref().map(|name| format!("#{name}")).unwrap_or_default();
    let base = mounted.base.as_deref().map_or("empty".to_owned(), |oid| short(oid).to_owned());
    let how = match (mounted.already, mounted.resumed) {
        (true, _) => "already mounted",
        (_, true) => "resumed",
        _ => "mounted",
    };
    let mode = if mounted.read_only { ", read-only" } else { "" };
    if mounted.serves {
        output::line(&format!(
            "workspaces of {}{branch} are served at {} ({base})",
            mounted.url, mounted.dir
        ));
        output::line(&format!("make one with: mkdir {}/NAME; end it with rmdir", mounted.dir));
    } else {
        output::line(&format!(
            "{how} {}{branch} at {} ({}, {base}{mode})",
            mounted.url, mounted.dir, mounted.workspace
        ));
    }
    if mounted.declined {
        output::line(
            "the server cannot leave out the contents of files (uploadpack.allowFilter): all are here",
        );
    }
    if !mounted.already {
        output::line(&format!("end with: toft umount {}", mounted.dir));
    }
}
