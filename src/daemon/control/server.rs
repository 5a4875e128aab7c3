//! The daemon's end of the control socket: one thread accepts, one serves each client.

use super::protocol::{
    Hello, MAX_REQUEST, ProtocolError, Reply, Request, decode, encode, read_line,
};
use super::socket;
use crate::daemon::failure::{Failure, Kind};
use parking_lot::{Condvar, Mutex};
use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Clients served at the same time; more are turned away.
pub const MAX_CLIENTS: usize = 32;
/// A client must have sent its request, or taken its reply, within this.
const CLIENT_DEADLINE: Duration = Duration::from_secs(10);

/// How long nobody is accepted after that has failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Answers one request; may take as long as the work takes.
pub type Handler = dyn Fn(Request) -> Reply + Send + Sync;

/// A listening control socket.
pub struct Server {
    path: PathBuf,
    clients: Arc<Clients>,
}

/// How many clients are being served.
#[derive(Default)]
struct Clients {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Server {
    /// Listens at `path` and answers with `handler` from now on.
    pub fn start(path: &Path, hello: Hello, handler: Arc<Handler>) -> io::Result<Self> {
        let listener = socket::listen(path)?;
        let clients = Arc::new(Clients::default());
        let served = clients.clone();
        std::thread::Builder::new()
            .name("control".into())
            .spawn(move || accept_all(&listener, &hello, &handler, &served))?;
        Ok(Self { path: path.to_owned(), clients })
    }

    /// Takes the socket away and waits, within `deadline`, until every client has its reply.
    pub fn stop(&self, deadline: Duration) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket was gone already");
        }
        let mut count = self.clients.count.lock();
        self.clients.changed.wait_while_for(&mut count, |count| *count > 0, deadline);
    }
}

fn accept_all(
    listener: &UnixListener,
    hello: &Hello,
    handler: &Arc<Handler>,
    clients: &Arc<Clients>,
) {
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                // No descriptor is free, most likely: whoever is served gives one back.
                tracing::warn!(%error, "cannot accept on the control socket");
                clients.changed.wait_for(&mut clients.count.lock(), PAUSE);
                continue;
            }
        };
        let Some(slot) = Slot::take(clients) else { continue };
        let (hello, handler) = (hello.clone(), handler.clone());
        let serve = move || {
            let _slot = slot;
            if let Err(error) = serve(stream, &hello, &*handler) {
                tracing::debug!(%error, "a client of the control socket");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("client".into()).spawn(serve) {
            tracing::warn!(%error, "cannot serve a client of the control socket");
        }
    }
}

fn serve(mut stream: UnixStream, hello: &Hello, handler: &Handler) -> Result<(), ProtocolError> {
    stream.set_read_timeout(Some(CLIENT_DEADLINE))?;
    stream.set_write_timeout(Some(CLIENT_DEADLINE))?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).map_err(io::Error::from)?;
    let me = rustix::process::geteuid();
    if peer.uid != me && !peer.uid.is_root() {
        let what = format!("uid {} may not talk to this daemon", peer.uid.as_raw());
        tracing::warn!("{what}");
        let refused = Reply::Failed(Failure::new(Kind::Permission, what));
        return Ok(stream.write_all(&encode(&refused)?)?);
    }
    stream.write_all(&encode(hello)?)?;
    let reply = match read_line(&mut stream, MAX_REQUEST).and_then(|line| decode(&line)) {
        Ok(request) => handler(request),
        Err(ProtocolError::Closed) => return Ok(()),
        Err(error) => Reply::Failed(
            Failure::new(Kind::Usage, "the daemon cannot use this request").cause(error),
        ),
    };
    Ok(stream.write_all(&encode(&reply)?)?)
}

/// One of the [`MAX_CLIENTS`] places, given back when dropped.
struct Slot(Arc<Clients>);

impl Slot {
    fn take(clients: &Arc<Clients>) -> Option<Self> {
        let mut count = clients.count.lock();
        (*count < MAX_CLIENTS).then(|| {
            *count += 1;
            Self(clients.clone())
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.count.lock() -= 1;
        self.0.changed.notify_all();
    }
}
