//! Asks a workspace: its daemon where one serves it, the workspace itself where none does.

use super::args::Global;
use super::flush_output;
use super::target::Target;
use crate::daemon::control::{
    Client, ClientError, FlushRequest, InRequest, ProtocolError, Reply, Request, UmountRequest,
};
use crate::daemon::presence::{daemon_is_gone, has_dead_mount};
use crate::daemon::{Engine, Failure, FlushReport, Host, Kind, Then, restore};
use crate::registry::WorkspaceRecord;
use crate::sys::Cancel;
use std::borrow::Cow;
use std::process::ExitCode;
use std::time::Duration;

/// How long a daemon that starts or ends is waited for.
const BETWEEN: Duration = Duration::from_secs(30);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);
/// How long an answer that needs no network may take.
const LOCAL: Duration = Duration::from_secs(120);
/// How much longer than its own deadline a flush may take.
const GRACE: Duration = Duration::from_secs(60);

/// Finds the workspace and asks it.
pub fn target(target: &Target, request: &Request, global: &Global) -> Result<Reply, Failure> {
    let host = Host::open(global.directories())?;
    let record = target.find(&host)?;
    workspace(&host, &record, request)
}

/// Asks for a flush and prints what became of it.
pub fn flush(who: &Target, request: FlushRequest, global: &Global) -> Result<ExitCode, Failure> {
    match target(who, &Request::Flush(request), global)? {
        Reply::Flush(report) => Ok(flush_output::show(&report, global)),
        other => Err(unexpected(&other)),
    }
}

/// Asks `record`'s workspace. A failure that it reports is an error here.
pub fn workspace(
    host: &Host,
    record: &WorkspaceRecord,
    request: &Request,
) -> Result<Reply, Failure> {
    let reply = match client(host, record)? {
        Some(client) => call(host, record, client, request)?,
        None => without_daemon(host, record, request)?,
    };
    match reply {
        Reply::Failed(failure) => Err(failure),
        reply => Ok(reply),
    }
}

/// Asks a daemon. With a deadline of the request's own, that is how long it may take; otherwise as
/// long as it takes while the daemon is there.
pub fn call(
    host: &Host,
    record: &WorkspaceRecord,
    client: Client,
    request: &Request,
) -> Result<Reply, Failure> {
    let call = client.call(&addressed(record, request), deadline(request));
    call.map_err(|error| with_fix(host, record, error))
}

/// Asks a daemon that may end meanwhile; None where it ended, or died, without an answer to this.
pub fn call_unless_ended(
    host: &Host,
    record: &WorkspaceRecord,
    client: Client,
    request: &Request,
) -> Result<Option<Reply>, Failure> {
    match client.call(&addressed(record, request), deadline(request)) {
        Ok(Reply::Failed(failure)) if failure.kind == Kind::DaemonGone => Ok(None),
        Err(ClientError::Protocol(ProtocolError::Closed | ProtocolError::Io(_))) => Ok(None),
        Ok(reply) => Ok(Some(reply)),
        Err(error) => Err(with_fix(host, record, error)),
    }
}

/// The workspace itself answers; after a flush it is noted what is left in it.
///
/// A dead mount stays where it is: a program that goes on writing there gets errors, and would write
/// into the bare folder below if it went.
fn without_daemon(
    host: &Host,
    record: &WorkspaceRecord,
    request: &Request,
) -> Result<Reply, Failure> {
    let dead = has_dead_mount(host, record)?;
    if let Request::Flush(_) = request {
        restore(host, &record.id, false)?;
    }
    let engine = Engine::open(host, &record.id)?;
    Ok(match request {
        Request::Flush(flush) if dead => {
            let mut report = FlushReport::new(engine.id(), engine.dir());
            engine.flush(flush, Then::Leave, &mut report);
            report.problems.push(daemon_is_gone(record));
            Reply::Flush(Box::new(report))
        }
        Request::Flush(flush) => {
            let request = UmountRequest { flush: flush.clone(), keep: true, discard: false };
            let mut report = engine.recover(&request);
            report.kept.clear();
            Reply::Flush(Box::new(report))
        }
        other => engine.handle(other),
    })
}

/// The daemon that serves `record`; None when nobody holds the workspace.
pub fn client(host: &Host, record: &WorkspaceRecord) -> Result<Option<Client>, Failure> {
    let cancel = Cancel::new().map_err(Failure::io("cannot wait"))?;
    let give_up = host.clock.monotonic() + BETWEEN;
    let server = record.house.as_ref().unwrap_or(&record.id);
    loop {
        match Client::connect(&host.socket(server)) {
            Ok(client) => return Ok(Some(client)),
            // It may be about to listen, about to let go, or dying.
            Err(ClientError::NoDaemon | ClientError::Protocol(_))
                if host.registry.holder(server)?.is_none() =>
            {
                return Ok(None);
            }
            Err(ClientError::NoDaemon | ClientError::Protocol(_))
                if host.clock.monotonic() < give_up => {}
            Err(error) => {
                return Err(with_fix(host, record, error));
            }
        }
        cancel.wait(LOOK);
    }
}

/// A workspace in a house is asked through the house.
pub fn addressed<'a>(record: &WorkspaceRecord, request: &'a Request) -> Cow<'a, Request> {
    match record.house {
        None => Cow::Borrowed(request),
        Some(_) => Cow::Owned(Request::In(InRequest {
            id: record.id.clone(),
            request: Box::new(request.clone()),
        })),
    }
}

fn with_fix(host: &Host, record: &WorkspaceRecord, error: ClientError) -> Failure {
    let log = host.registry.paths(&record.id).log();
    let fix = match error {
        ClientError::Silent | ClientError::Deadline(_) => format!(
            "wait, or take the mount away from it: toft umount --force {} (nothing acknowledged is \
             lost); {} may tell why",
            record.dir.display(),
            log.display()
        ),
        _ => format!("see toft status, and {}", log.display()),
    };
    Failure::from(error).fix(fix)
}

fn deadline(request: &Request) -> Option<Duration> {
    match request {
        Request::Status | Request::Diff | Request::Log(_) | Request::Fsck | Request::Fork(_) => {
            Some(LOCAL)
        }
        Request::Flush(flush) => {
            flush.timeout_s.map(|seconds| Duration::from_secs(seconds) + GRACE)
        }
        Request::Prefetch(_) => None,
        // It goes on with what needs no remote after its own deadline.
        Request::Umount(_) => None,
        Request::In(inner) => deadline(&inner.request),
    }
}

/// Waits until nobody holds the workspace.
pub fn wait_until_free(host: &Host, record: &WorkspaceRecord) -> Result<(), Failure> {
    let cancel = Cancel::new().map_err(Failure::io("cannot wait"))?;
    let give_up = host.clock.monotonic() + BETWEEN;
    while host.registry.holder(&record.id)?.is_some() {
        if host.clock.monotonic() > give_up {
            return Err(Failure::new(Kind::Held, "the daemon does not let go of the workspace"));
        }
        cancel.wait(LOOK);
    }
    Ok(())
}

/// An answer to another question.
pub fn unexpected(reply: &Reply) -> Failure {
    match reply {
        Reply::Failed(failure) => failure.clone(),
        _ => Failure::new(Kind::DaemonGone, "the daemon answered another question"),
    }
}
