//! A TCP proxy with faults, to stand between git and a server.

use rustix::net::sockopt::set_socket_linger;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What happens to connections, those that are open included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Bytes pass.
    Forward,
    /// Nobody listens: connection refused.
    Refuse,
    /// Connections are taken, and then nothing happens.
    Hang,
    /// Connections are reset at once.
    Reset,
    /// Connections are reset after so many bytes from the server.
    ResetAfter(u64),
    /// Bytes pass, each piece so many milliseconds late.
    Delay(u64),
}

/// A running proxy; ends when dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    mode: Mutex<Mode>,
    ended: AtomicBool,
    connections: AtomicU64,
    listening: AtomicBool,
}

/// How often a waiting thread looks at the mode.
const TICK: Duration = Duration::from_millis(5);

impl Proxy {
    /// Starts a proxy before `127.0.0.1:target`.
    pub fn start(target: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            mode: Mutex::new(Mode::Forward),
            ended: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            listening: AtomicBool::new(true),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || served.listen(listener, port, target));
        Proxy { port, shared, thread: Some(thread) }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens; returns when it does.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().expect("no panic under the lock") = mode;
        super::wait_until("the proxy changed its mode", || {
            self.shared.listening.load(Ordering::SeqCst) != (mode == Mode::Refuse)
        });
    }

    /// How many connections came so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock().expect("no panic under the lock")
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn listen(self: Arc<Self>, listener: TcpListener, port: u16, target: u16) {
        let mut listener = Some(listener);
        while !self.ended() {
            let refuse = self.mode() == Mode::Refuse;
            if refuse {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind(("127.0.0.1", port)).ok();
            }
            self.listening.store(listener.is_some(), Ordering::SeqCst);
            let Some(open) = &listener else {
                std::thread::sleep(TICK);
                continue;
            };
            open.set_nonblocking(true).expect("a socket option");
            match open.accept() {
                Ok((client, _)) => {
                    self.connections.fetch_add(1, Ordering::SeqCst);
                    client.set_nonblocking(false).expect("a socket option");
                    let served = Arc::clone(&self);
                    std::thread::spawn(move || served.serve(&client, target));
                }
                Err(_) => std::thread::sleep(TICK),
            }
        }
    }

    fn serve(self: Arc<Self>, client: &TcpStream, target: u16) {
        if matches!(self.mode(), Mode::Reset | Mode::Refuse) {
            return reset(client);
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { return reset(client) };
        let cut = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.copy(client, &server, false, &cut));
            self.copy(&server, client, true, &cut);
        });
        if cut.load(Ordering::SeqCst) {
            reset(client);
            reset(&server);
        }
    }

    /// Moves bytes one way until either side ends or the mode says so.
    fn copy(&self, mut from: &TcpStream, mut to: &TcpStream, from_server: bool, cut: &AtomicBool) {
        let mut buffer = vec![0; 16 * 1024];
        let mut moved = 0;
        from.set_read_timeout(Some(TICK)).expect("a socket option");
        loop {
            let mode = self.mode();
            let over = matches!(mode, Mode::ResetAfter(limit) if from_server && moved >= limit);
            if self.ended() || over || matches!(mode, Mode::Reset | Mode::Refuse) {
                cut.store(true, Ordering::SeqCst);
            }
            if cut.load(Ordering::SeqCst) {
                return;
            }
            if mode == Mode::Hang {
                std::thread::sleep(TICK);
                continue;
            }
            let room = match mode {
                Mode::ResetAfter(limit) if from_server => limit.saturating_sub(moved).max(1),
                _ => buffer.len() as u64,
            };
            let room = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
            match from.read(&mut buffer[..room]) {
                Ok(0) => {
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(count) => {
                    if let Mode::Delay(milliseconds) = mode {
                        std::thread::sleep(Duration::from_millis(milliseconds));
                    }
                    if to.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                    moved += count as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// Lets the close that follows reach the other side as a reset.
fn reset(stream: &TcpStream) {
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}
