use crate::cli::args::Global;
use crate::cli::{ask, flush_output, output, report};
use crate::daemon::control::{FlushRequest, UmountRequest};
use crate::daemon::{Engine, Failure, FlushReport, Host, Kind, clear_dead, restore};
use crate::registry::{Status, WorkspaceRecord};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Take away dead mounts, and commit and push what their workspaces still hold
#[derive(Debug, Args)]
#[command(
    after_help = "For after a crash, a kill -9 or a power loss; harmless at any other time. Workspaces that are\n\
                        mounted and served are left alone. Exits as the worst of them would.\n\n\
                        Example:\n  toft recover"
)]
pub struct Recover {
    /// Only commit; leave the push to the next time
    #[arg(long)]
    no_push: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    workspaces: Vec<Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    workspace: String,
    dir: String,
    /// `live`, `untouched`, `recovered`, `failed` or `removed` (it was never finished).
    outcome: &'static str,
    /// Whether a dead mount was taken away.
    detached: bool,
    flush: Option<FlushReport>,
    failure: Option<Failure>,
}

impl Recover {
    /// Recovers every workspace that nobody serves; one that fails stops no other.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let host = Host::open(global.directories())?;
        let listing = host.registry.list()?;
        let mut workspaces: Vec<Outcome> =
            listing.workspaces.iter().map(|record| self.recover(&host, record)).collect();
        for problem in listing.problems {
            let failure = Some(problem.error.into());
            let workspace = problem.id.to_string();
            let dir = String::new();
            workspaces.push(Outcome {
                workspace,
                dir,
                outcome: "failed",
                detached: false,
                flush: None,
                failure,
            });
        }
        let worst = workspaces
            .iter()
            .filter_map(Outcome::failure)
            .map(|failure| report::exit_code(failure.kind));
        let code = worst.max_by_key(|code| severity(*code)).unwrap_or(0);
        if global.json {
            output::json(&Document { schema: "toft.recover/1", workspaces });
        } else {
            workspaces.iter().for_each(|outcome| outcome.print(global));
        }
        Ok(ExitCode::from(code))
    }

    fn recover(&self, host: &Host, record: &WorkspaceRecord) -> Outcome {
        let mut outcome = Outcome {
            workspace: record.id.to_string(),
            dir: record.dir.display().to_string(),
            outcome: "failed",
            detached: false,
            flush: None,
            failure: None,
        };
        if let Err(failure) = self.try_recover(host, record, &mut outcome) {
            outcome.failure = Some(failure);
        }
        outcome
    }

    fn try_recover(
        &self,
        host: &Host,
        record: &WorkspaceRecord,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        if is_served(host, record)? {
            outcome.outcome = "live";
            return Ok(());
        }
        outcome.detached = clear_dead(host, &record.id)?;
        if record.status == Status::Creating {
            host.registry.remove(&record.id)?;
            outcome.outcome = "removed";
            return Ok(());
        }
        restore(host, &record.id, false)?;
        let engine = Engine::open(host, &record.id)?;
        let flush = FlushRequest { seal: true, push: !self.no_push, ..Default::default() };
        let flush = engine.recover(&UmountRequest { flush, keep: true, discard: false });
        outcome.outcome = match (&flush.failure, flush.seal.as_ref(), flush.push.as_ref()) {
            (Some(failure), ..) if failure.kind != Kind::NotPushed => "failed",
            (None, Some(seal), Some(crate::daemon::PushReport::Nothing) | None)
                if seal.commit.is_none() && !outcome.detached =>
            {
                "untouched"
            }
            _ => "recovered",
        };
        outcome.flush = Some(flush);
        Ok(())
    }
}

/// Whether somebody answers for it, or is still making it. Holding the lease is not enough: a
/// daemon that was killed holds it until the last of it is gone, and is waited for.
fn is_served(host: &Host, record: &WorkspaceRecord) -> Result<bool, Failure> {
    if record.status == Status::Creating {
        return Ok(host.registry.holder(&record.id)?.is_some());
    }
    Ok(ask::client(host, record)?.is_some())
}

impl Outcome {
    fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().or_else(|| self.flush.as_ref()?.failure.as_ref())
    }

    fn print(&self, global: &Global) {
        if !global.quiet {
            output::line(&format!("{}  {}  {}", self.workspace, self.outcome, self.dir));
            if self.detached {
                output::line("  detached  a mount whose daemon was gone");
            }
            let told = self.flush.iter().filter(|_| self.outcome == "recovered");
            for line in told.flat_map(flush_output::lines) {
                output::line(&format!("  {line}"));
            }
        }
        self.failure().into_iter().for_each(report::talk);
    }
}

/// Which of two exit codes matters more: work that is not safe before work that is.
fn severity(code: u8) -> u8 {
    match code {
        0 => 0,
        76 => 1,
        69 | 124 => 2,
        77 => 3,
        78 => 4,
        79 => 5,
        _ => 6,
    }
}
