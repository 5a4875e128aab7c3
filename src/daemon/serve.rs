//! A mounted workspace, from mount to the last seal: the loop that performs what [`Lifecycle`] says.

use super::background;
use super::control::{FlushRequest, Hello, PROTOCOL, Reply, Request, Server, UmountRequest};
use super::engine::{Engine, Then};
use super::failure::{Failure, Kind};
use super::holders;
use super::host::Host;
use super::house::House;
use super::lifecycle::{Action, Event, Lifecycle, Why};
use super::report::{FlushReport, may_leave};
use super::signals;
use super::spawn::Ready;
use crate::fuse::{Access, End, MountFlags, Session};
use crate::registry::{Directories, FlushPolicy};
use crate::sync::RetryLoop;
use crate::sys::{Cancel, allow_many_files, return_memory_early};
use crate::types::WorkspaceId;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// How long clients may take to fetch their last reply.
const LAST_REPLIES: Duration = Duration::from_secs(5);

/// What the front process asks the daemon to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeRequest {
    /// State directory.
    pub state: PathBuf,
    /// Cache directory.
    pub cache: PathBuf,
    /// Runtime directory.
    pub runtime: PathBuf,
    /// Which workspace; it must exist and be free.
    pub workspace: WorkspaceId,
    /// Who may look, as permissions allow.
    pub access: Access,
    /// What else the mount gets.
    pub flags: MountFlags,
}

impl ServeRequest {
    fn directories(&self) -> Directories {
        Directories {
            state: self.state.clone(),
            cache: self.cache.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

/// What a daemon serves: a workspace, or a house of them.
pub(super) trait Served: Send + Sync {
    /// Who answers.
    fn id(&self) -> &WorkspaceId;
    /// Mounts it at its folder.
    fn mount(self: Arc<Self>, access: Access, flags: MountFlags) -> Result<Session, Failure>;
    /// Starts what works beside the loop, until `stop` is cancelled.
    fn start_background(self: Arc<Self>, stop: &Cancel) -> Result<(), Failure>;
    /// Pushes that failed are tried again, until the result is dropped.
    fn retry_pushes(&self) -> Result<Option<RetryLoop>, Failure> {
        Ok(None)
    }
    /// When it flushes by itself.
    fn flush_policy(&self) -> FlushPolicy;
    /// Nothing more is asked of the remote.
    fn leave_remote(&self);
    /// Grows with every change.
    fn changes(&self) -> u64;
    /// Ends a push that runs.
    fn hurry(&self);
    /// Answers what needs no mount.
    fn handle(&self, request: &Request) -> Reply;
    /// Takes everything acked so far as far as `request` says.
    fn flush(&self, request: &FlushRequest, then: Then, report: &mut FlushReport);
    /// After the last flush.
    fn rest(&self, request: &UmountRequest, report: &mut FlushReport);
}

impl Served for Engine {
    fn id(&self) -> &WorkspaceId {
        self.id()
    }
    fn mount(self: Arc<Self>, access: Access, flags: MountFlags) -> Result<Session, Failure> {
        Engine::mount(&self, access, flags)
    }
    fn start_background(self: Arc<Self>, stop: &Cancel) -> Result<(), Failure> {
        background::start(&self, stop)
    }
    fn retry_pushes(&self) -> Result<Option<RetryLoop>, Failure> {
        self.retry_pushes().map(Some)
    }
    fn flush_policy(&self) -> FlushPolicy {
        self.flush_policy()
    }
    fn leave_remote(&self) {
        self.leave_remote();
    }
    fn changes(&self) -> u64 {
        self.changes()
    }
    fn hurry(&self) {
        self.hurry();
    }
    fn handle(&self, request: &Request) -> Reply {
        self.handle(request)
    }
    fn flush(&self, request: &FlushRequest, then: Then, report: &mut FlushReport) {
        self.flush(request, then, report);
    }
    fn rest(&self, request: &UmountRequest, report: &mut FlushReport) {
        self.rest(request, report);
    }
}

/// What reaches the loop.
enum Message {
    /// Somebody asks for the end, and waits for the report.
    Umount(UmountRequest, Sender<FlushReport>),
    /// A signal does.
    Signal,
    /// The kernel has let go.
    Ended(End),
}

/// Serves the workspace until it is unmounted; `ready` is told once the kernel shows it.
pub fn serve(
    request: &ServeRequest,
    ready: impl FnOnce(&Ready) -> Result<(), Failure>,
) -> Result<FlushReport, Failure> {
    return_memory_early();
    if let Err(error) = allow_many_files() {
        tracing::warn!(%error, "few files can be open at once");
    }
    let host = Host::at(request.directories())?;
    let engine = Engine::open(&host, &request.workspace)?;
    let engine: Arc<dyn Served> =
        if engine.record().serves { House::open(engine)? } else { Arc::new(engine) };
    let session = Arc::new(engine.clone().mount(request.access, request.flags)?);
    let (messages, inbox) = mpsc::channel();
    let stop = Cancel::new().map_err(Failure::io("cannot wait"))?;
    let started = watch(&host, &engine, &session, &messages, &stop)
        .and_then(|server| ready(&Ready::Mounted { pid: std::process::id() }).map(|()| server));
    let server = started.inspect_err(|_| {
        // Nobody would know of it.
        let _ = session.unmount(true);
    })?;
    tracing::info!(workspace = %request.workspace, dir = %session.dir().display(), "mounted");
    let retries = engine.retry_pushes()?;
    let mut service = Service::new(engine, session);
    let report = service.run(&inbox);
    stop.cancel();
    service.engine.leave_remote();
    drop(retries);
    service.hear_late(inbox);
    service.tell(&report);
    server.stop(LAST_REPLIES);
    Ok(report)
}

/// Starts everything that sends messages, or works beside the loop.
fn watch(
    host: &Host,
    engine: &Arc<dyn Served>,
    session: &Arc<Session>,
    messages: &Sender<Message>,
    stop: &Cancel,
) -> Result<Server, Failure> {
    let on_signal = messages.clone();
    let (signalled, hurried) = (engine.clone(), std::sync::atomic::AtomicBool::new(false));
    signals::watch(move |name| {
        tracing::info!(signal = name, "unmounting");
        if hurried.swap(true, std::sync::atomic::Ordering::Relaxed) {
            // Asked twice: what the remote does not take at once stays queued.
            signalled.hurry();
        }
        let _ = on_signal.send(Message::Signal);
    })?;
    let (ended, on_end) = (session.clone(), messages.clone());
    spawn("session", move || {
        let _ = on_end.send(Message::Ended(ended.wait()));
    })?;
    engine.clone().start_background(stop)?;
    let hello = Hello {
        toft: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        workspace: engine.id().to_string(),
    };
    let (answering, on_umount) = (engine.clone(), parking_lot::Mutex::new(messages.clone()));
    let handler = move |request| match request {
        Request::Umount(umount) => end(&on_umount.lock().clone(), umount),
        other => answering.handle(&other),
    };
    let socket = host.socket(engine.id());
    Server::start(&socket, hello, Arc::new(handler))
        .map_err(Failure::io(format!("cannot listen at {}", socket.display())))
}

/// Hands an unmount to the loop and waits for its outcome.
fn end(messages: &Sender<Message>, umount: UmountRequest) -> Reply {
    let (waiter, outcome) = mpsc::channel();
    let sent = messages.send(Message::Umount(umount, waiter));
    match sent.ok().and_then(|()| outcome.recv().ok()) {
        Some(report) => Reply::Flush(Box::new(report)),
        None => Reply::Failed(Failure::new(Kind::DaemonGone, "the daemon is ending already")),
    }
}

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map(drop).map_err(Failure::io("cannot start a thread"))
}

/// The loop's own state.
struct Service {
    engine: Arc<dyn Served>,
    session: Arc<Session>,
    state: Lifecycle,
    request: UmountRequest,
    waiters: Vec<Sender<FlushReport>>,
    report: FlushReport,
    /// Changes that the last flush was told to take.
    flushed: Option<u64>,
}

impl Service {
    fn new(engine: Arc<dyn Served>, session: Arc<Session>) -> Self {
        let report = FlushReport::new(engine.id(), session.dir());
        let (state, waiters) = (Lifecycle::Serving, Vec::new());
        Self { engine, session, state, request: by_itself(true), waiters, report, flushed: None }
    }

    /// Runs until the workspace is at rest.
    fn run(&mut self, inbox: &Receiver<Message>) -> FlushReport {
        while self.state != Lifecycle::Done {
            // Senders live as long as the session thread, which sends the last message.
            let Ok(message) = inbox.recv() else { break };
            let event = match message {
                Message::Umount(request, waiter) => {
                    self.waiters.push(waiter);
                    self.request = request;
                    Event::End(Why::Asked)
                }
                Message::Signal => {
                    self.request = by_itself(self.engine.flush_policy() != FlushPolicy::Manual);
                    Event::End(Why::Signal)
                }
                Message::Ended(end) => {
                    tracing::info!(?end, "the kernel let go");
                    self.ended(&end)
                }
            };
            self.perform(event);
        }
        self.report.clone()
    }

    fn ended(&mut self, end: &End) -> Event {
        if let End::Broken(_) = end {
            // The mount point is still there, dead.
            let _ = self.session.unmount(true);
        }
        match self.state {
            Lifecycle::Leaving(_) => Event::Unmounted,
            _ => {
                self.request = by_itself(self.engine.flush_policy() != FlushPolicy::Manual);
                Event::End(Why::Gone)
            }
        }
    }

    /// Takes one event and does what follows from it, until there is something to wait for.
    fn perform(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next {
            next = match self.state.step(event) {
                Action::Flush => Some(self.flush()),
                Action::Unmount => self.unmount(),
                Action::Detach => self.detach(),
                Action::Stay => {
                    let report = self.report.clone();
                    self.tell(&report);
                    None
                }
                Action::Finish => Some(self.finish()),
                Action::Wait | Action::Exit => None,
            };
        }
    }

    fn flush(&mut self) -> Event {
        self.report = FlushReport::new(self.engine.id(), self.session.dir());
        self.report.unmounted = Some(false);
        self.flushed = None;
        if !self.request.discard {
            let before = self.engine.changes();
            self.engine.flush(&self.request.flush, Then::Leave, &mut self.report);
            self.flushed = Some(before);
        }
        Event::Flushed { safe: may_leave(self.report.failure.as_ref()) }
    }

    fn unmount(&mut self) -> Option<Event> {
        match self.session.unmount(false) {
            Ok(()) => None,
            Err(error) if error.is_busy() => {
                self.report.failure = Some(busy(&self.session));
                Some(Event::Busy)
            }
            Err(error) => {
                self.report.failure = Some(error.into());
                Some(Event::Busy)
            }
        }
    }

    /// Processes that still use it will get errors; what they had acknowledged is kept.
    fn detach(&mut self) -> Option<Event> {
        for holder in holders::find(self.session.dir()) {
            tracing::warn!(%holder, "the mount is taken away from");
        }
        self.report.failure = None;
        if let Err(error) = self.session.unmount(true) {
            tracing::error!(%error, "cannot detach the mount");
            return Some(Event::Unmounted);
        }
        // The session ends when the last user lets go, which may be never.
        match self.session.wait_for(Duration::from_secs(2)) {
            Some(_) => None,
            None => Some(Event::Unmounted),
        }
    }

    /// Nothing can be written any more: takes what came since the flush, and lets go.
    fn finish(&mut self) -> Event {
        self.report.unmounted = Some(true);
        let changed = self.flushed != Some(self.engine.changes());
        if changed && !self.request.discard {
            let first = self.report.clone();
            self.engine.flush(&self.request.flush, Then::Leave, &mut self.report);
            self.report.add_earlier(first);
        }
        self.engine.rest(&self.request, &mut self.report);
        Event::Finished
    }

    /// Who asked after the end gets the same report; who asks from now on is told so.
    fn hear_late(&mut self, inbox: Receiver<Message>) {
        self.waiters.extend(inbox.try_iter().filter_map(|message| match message {
            Message::Umount(_, waiter) => Some(waiter),
            Message::Signal | Message::Ended(_) => None,
        }));
    }

    fn tell(&mut self, report: &FlushReport) {
        for waiter in self.waiters.drain(..) {
            // Whoever waited may have given up.
            let _ = waiter.send(report.clone());
        }
    }
}

/// What is asked for when nobody asks: keep the workspace, and flush it where the policy says so.
fn by_itself(flush: bool) -> UmountRequest {
    let mut request = UmountRequest { keep: true, ..UmountRequest::default() };
    (request.flush.seal, request.flush.push) = (flush, flush);
    request
}

fn busy(session: &Session) -> Failure {
    let dir = session.dir().display();
    let holders: Vec<_> = holders::find(session.dir()).iter().map(ToString::to_string).collect();
    let cause = match holders.as_slice() {
        [] => "a process of another user, or of another mount namespace, uses it".to_owned(),
        some => some.join("\n"),
    };
    Failure::new(Kind::Busy, format!("{dir} is in use; it stays mounted, nothing is lost"))
        .cause(cause)
        .fix("leave the folder or end these processes, then umount again")
}
