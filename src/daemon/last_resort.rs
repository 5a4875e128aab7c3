//! Taking a mount away from a daemon that does not answer, whatever it hangs on.
//!
//! What it had acknowledged is in journal and bodies, as after kill -9: whoever opens the workspace
//! next has all of it.

use super::failure::{Failure, Kind};
use super::host::Host;
use super::mountinfo;
use super::presence::{Presence, clear_dead, detach};
use crate::fuse;
use crate::registry::{Holder, WorkspaceRecord};
use crate::sys::Cancel;
use std::time::Duration;

/// How long a killed daemon may take to be gone. The kernel may hold it for as long as the disk
/// that it writes to hangs.
const ENDING: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Frees every call that waits for the mount of `record`, ends its daemon and detaches the mount.
pub fn take_away(host: &Host, record: &WorkspaceRecord) -> Result<(), Failure> {
    let presence = Presence::of(record, &host.registry, &mountinfo::read()?)?;
    if let Some(mount) = &presence.mount {
        // First, so that nobody waits for the end of the daemon, which alone would free them too.
        if let Err(error) = fuse::abort(mount.device) {
            tracing::warn!(%error, "the conversation with the kernel could not be aborted");
        }
    }
    if let Some(holder) = &presence.holder {
        end(host, record, holder).inspect_err(|_| {
            if presence.mount.is_some()
                && let Err(failure) = detach(&record.dir)
            {
                tracing::warn!(%failure, "the mount could not be detached");
            }
        })?;
    }
    clear_dead(host, &record.id)?;
    Ok(())
}

fn end(host: &Host, record: &WorkspaceRecord, holder: &Holder) -> Result<(), Failure> {
    holder.kill().map_err(Failure::io(format!("cannot end the daemon, {holder}")))?;
    let cancel = Cancel::new().map_err(Failure::io("cannot wait"))?;
    let give_up = host.clock.monotonic() + ENDING;
    while host.registry.holder(&record.id)?.is_some() {
        if host.clock.monotonic() > give_up {
            let what = format!("the daemon does not end: the kernel holds {holder}");
            return Err(Failure::new(Kind::Deadline, what)
                .cause(format!(
                    "the disk that it writes to may hang; what was acknowledged is kept, and {} is \
                     not served any more",
                    record.dir.display()
                ))
                .fix("when that process is gone: toft recover"));
        }
        cancel.wait(LOOK);
    }
    Ok(())
}
