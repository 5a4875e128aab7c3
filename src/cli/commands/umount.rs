use crate::cli::args::Global;
use crate::cli::seal_args::SealArgs;
use crate::cli::target::Target;
use crate::cli::{ask, flush_output};
use crate::daemon::control::{Reply, Request, UmountRequest};
use crate::daemon::last_resort::take_away;
use crate::daemon::presence::{Presence, daemon_is_gone, detach, has_dead_mount};
use crate::daemon::{
    Engine, Failure, FlushReport, Host, Kind, Then, may_leave, mountinfo, restore,
};
use crate::registry::WorkspaceRecord;
use crate::types::WorkspaceId;
use clap::Args;
use std::process::ExitCode;

/// Commit what changed, push it, and unmount
#[derive(Debug, Args)]
#[command(after_help = "\
The order is: commit (a guard may refuse: still mounted, 79), push (what cannot be pushed now is
queued: 76), unmount (busy: says who, still mounted). A workspace of which the remote has everything
is removed from this host afterwards; ignored files, a stash or other branches keep it (see toft list).
With --force calls into the mount that hang fail at once. What was acknowledged is lost by nothing of
this.

Examples:
  toft umount widgets -m 'Say more'
  cd widgets; toft umount .            # from inside: leave the folder first, or it is busy
  toft umount w-7f3k2m9x1q --no-push
  toft umount widgets --force          # its daemon does not answer any more")]
pub struct Umount {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    seal: SealArgs,
    /// Commit, but leave the push to the queue
    #[arg(long)]
    no_push: bool,
    /// Keep the workspace on this host, even when the remote has all of it
    #[arg(long)]
    keep: bool,
    /// Throw away what is not on the remote, and the workspace: no commit, no push
    #[arg(long, conflicts_with_all = ["message", "allow", "keep", "no_push"])]
    discard: bool,
    /// Do not ask the daemon: end it, take the mount away from whoever uses it, then commit and push
    #[arg(long)]
    force: bool,
    /// Wait no longer than so many seconds for the remote (124: queued), then unmount all the same
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

impl Umount {
    /// Unmounts.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let host = Host::open(global.directories())?;
        let record = self.target.find(&host)?;
        // Called from inside, we would be the one who keeps it busy.
        std::env::set_current_dir("/").map_err(Failure::io("cannot leave the folder"))?;
        if let (true, Some(house)) = (self.force, &record.house) {
            let what = format!("the daemon of {house} serves others beside this one");
            let fix = format!("toft umount --force {house}");
            return Err(Failure::new(Kind::Usage, what).fix(fix));
        }
        if self.force {
            take_away(&host, &record)?;
        }
        let report = match self.by_daemon(&host, &record)? {
            Some(report) => report,
            None => self.without_daemon(&host, &record.id)?,
        };
        Ok(flush_output::show(&report, global))
    }

    /// None where no daemon serves it, or one that ended without doing what it was asked.
    fn by_daemon(
        &self,
        host: &Host,
        record: &WorkspaceRecord,
    ) -> Result<Option<FlushReport>, Failure> {
        let Some(client) = ask::client(host, record)? else { return Ok(None) };
        let request = Request::Umount(self.request());
        match ask::call_unless_ended(host, record, client, &request)? {
            Some(reply) => self.after(host, record, reply).map(Some),
            None => ask::wait_until_free(host, record).map(|()| None),
        }
    }

    fn request(&self) -> UmountRequest {
        let mut flush = self.seal.request(!self.no_push, self.timeout);
        flush.seal = !self.discard;
        flush.push &= !self.discard;
        UmountRequest { flush, keep: self.keep, discard: self.discard }
    }

    /// Believes the kernel, not the reply.
    fn after(
        &self,
        host: &Host,
        record: &WorkspaceRecord,
        reply: Reply,
    ) -> Result<FlushReport, Failure> {
        let report = match reply {
            Reply::Flush(report) => *report,
            other => return Err(ask::unexpected(&other)),
        };
        if report.unmounted == Some(true) {
            ask::wait_until_free(host, record)?;
            let mounts = mountinfo::read()?;
            if mountinfo::ours_at(&mounts, &record.dir).is_some() {
                let what = format!("{} is still mounted", record.dir.display());
                return Err(Failure::new(Kind::Busy, what).fix("try again"));
            }
        }
        Ok(report)
    }

    /// The daemon is gone: flushes the workspace, and takes the dead mount away where a live one
    /// would go too.
    fn without_daemon(&self, host: &Host, id: &WorkspaceId) -> Result<FlushReport, Failure> {
        // As the daemon left it, if there is anything left of it.
        let record = &host.registry.load(id)?;
        let presence = Presence::of(record, &host.registry, &mountinfo::read()?)?;
        if presence.mount.is_none() && !self.discard && !self.force {
            let what = format!("{} is not mounted", record.id);
            return Err(Failure::new(Kind::NoSuchWorkspace, what)
                .fix(format!("toft flush {0}, or toft rm {0}", record.id)));
        }
        let dead = has_dead_mount(host, record)?;
        if !self.discard {
            restore(host, &record.id, false)?;
        }
        let engine = Engine::open(host, &record.id)?;
        let request = self.request();
        let mut report = FlushReport::new(engine.id(), engine.dir());
        if !self.discard {
            engine.flush(&request.flush, Then::Leave, &mut report);
        }
        if dead && !may_leave(report.failure.as_ref()) {
            report.unmounted = Some(false);
            report.problems.push(daemon_is_gone(record));
            return Ok(report);
        }
        if dead {
            detach(&record.dir)?;
            report.unmounted = Some(true);
        }
        engine.rest(&request, &mut report);
        Ok(report)
    }
}
