use crate::cli::args::Global;
use crate::cli::output;
use crate::cli::target::Target;
use crate::daemon::presence::Presence;
use crate::daemon::{DaemonState, Engine, Failure, Host, Kind, clear_dead, mountinfo};
use crate::registry::WorkspaceRecord;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Remove a workspace from this host
#[derive(Debug, Args)]
#[command(
    after_help = "Refuses while it is mounted, and when it holds work that the remote does not have.\n\n\
                        Example:\n  toft rm w-7f3k2m9x1q"
)]
pub struct Rm {
    #[command(flatten)]
    target: Target,
    /// Remove it although work is lost by that
    #[arg(long)]
    discard: bool,
}

#[derive(Serialize)]
struct Removed {
    schema: &'static str,
    workspace: String,
    discarded: Vec<String>,
}

impl Rm {
    /// Removes it.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Failure> {
        let host = Host::open(global.directories())?;
        let record = self.target.find(&host)?;
        let presence = Presence::of(&record, &host.registry, &mountinfo::read()?)?;
        if presence.state(&record) == DaemonState::Ok {
            let what = format!("{} is in use at {}", record.id, record.dir.display());
            return Err(
                Failure::new(Kind::Held, what).fix(format!("toft umount {} first", record.id))
            );
        }
        let begun = |other: &WorkspaceRecord| other.house.as_ref() == Some(&record.id);
        if host.registry.list()?.workspaces.iter().any(begun) {
            let what =
                format!("{} is what workspaces below {} began as", record.id, record.dir.display());
            return Err(Failure::new(Kind::Held, what)
                .fix(format!("toft serve {0}, then toft umount {0}", record.dir.display())));
        }
        let discarded = self.inspect(&host, &record.id)?;
        clear_dead(&host, &record.id)?;
        host.registry.remove(&record.id)?;
        let removed = Removed { schema: "toft.rm/1", workspace: record.id.to_string(), discarded };
        if global.json {
            output::json(&removed);
        } else if !global.quiet {
            output::line(&format!("removed {}", removed.workspace));
            removed.discarded.iter().for_each(|what| output::line(&format!("  with {what}")));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What it holds that the remote has not; a workspace that cannot be read may hold anything.
    fn inspect(&self, host: &Host, id: &crate::types::WorkspaceId) -> Result<Vec<String>, Failure> {
        let held = match Engine::open(host, id).and_then(|engine| engine.holdings()) {
            Ok(held) => held,
            Err(failure) if self.discard => vec![format!("what could not be read ({failure})")],
            Err(failure) => return Err(failure.fix(format!("toft rm --discard {id}"))),
        };
        if held.is_empty() || self.discard {
            return Ok(held);
        }
        let what = format!("{id} holds work that the remote does not have");
        Err(Failure::new(Kind::NotPushed, what)
            .cause(held.join(", "))
            .fix(format!("toft flush {id} -m MESSAGE, or toft rm --discard {id}")))
    }
}
