//! Starts the daemon behind a mount, and looks whether the mount answers.

use super::ask;
use crate::daemon::control::{Request, UmountRequest};
use crate::daemon::serve::ServeRequest;
use crate::daemon::spawn::{self, Ready};
use crate::daemon::{Failure, Host, Kind};
use crate::registry::WorkspaceRecord;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// How long the daemon may take to open the workspace and to mount it.
const READY: Duration = Duration::from_secs(120);
/// How long the first look through the kernel may take.
const LOOK: Duration = Duration::from_secs(20);

/// Starts the daemon; returns when the mount answers through the kernel.
pub fn start(
    host: &Host,
    request: &ServeRequest,
    record: &WorkspaceRecord,
) -> Result<u32, Failure> {
    let json = serde_json::to_vec(request)
        .map_err(|error| Failure::new(Kind::System, "cannot start the daemon").cause(error))?;
    let log = host.registry.paths(&record.id).log();
    match spawn::start(&["daemon", "--workspace", record.id.as_str()], &json, &log, READY)? {
        Ready::Mounted { pid } => match look(&record.dir) {
            Ok(()) => Ok(pid),
            Err(failure) => {
                take_away(host, record);
                Err(failure)
            }
        },
        Ready::Failed(failure) => Err(failure),
    }
}

/// Ends a mount that does not answer. Its workspace stays, with all that is in it.
fn take_away(host: &Host, record: &WorkspaceRecord) {
    let request = UmountRequest { keep: true, ..UmountRequest::default() };
    let ended = ask::client(host, record).and_then(|client| {
        client
            .map(|c| c.call(&Request::Umount(request), Some(LOOK)))
            .transpose()
            .map_err(Failure::from)
    });
    if let Err(failure) = ended {
        tracing::warn!(%failure, "the mount that does not answer is still there");
    }
}

/// One stat through the kernel: the root of the mount has inode 1.
fn look(dir: &Path) -> Result<(), Failure> {
    let (sender, seen) = mpsc::channel();
    let path = dir.to_owned();
    // On a thread of its own: a mount that does not answer would keep us for ever.
    let look = move || {
        let _ = sender.send(std::fs::metadata(&path));
    };
    std::thread::Builder::new().spawn(look).map_err(Failure::io("cannot start a thread"))?;
    let what = || format!("{} does not answer through the kernel", dir.display());
    match seen.recv_timeout(LOOK) {
        Ok(Ok(meta)) if meta.ino() == 1 => Ok(()),
        Ok(Ok(_)) => {
            let fix = "the daemon may run in another mount namespace; toft umount it there";
            Err(Failure::new(Kind::System, format!("{} does not show the mount", dir.display()))
                .fix(fix))
        }
        Ok(Err(error)) => Err(Failure::io(what())(error)),
        Err(_) => Err(Failure::new(Kind::Deadline, what()).fix("toft status, then toft recover")),
    }
}
