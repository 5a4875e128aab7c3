//! A TCP proxy that is as far away as a server elsewhere: every byte comes late, and none waits for
//! the one before it. To connect takes a round trip, too. It counts the HTTP requests that pass.
//!
//! What a real line also has, and this has not: a limit of its width, and a slow start.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A running proxy; ends when dropped, but for connections that are open.
pub struct FarAway {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: u16,
    round_trip: Duration,
    requests: AtomicU64,
    ended: AtomicBool,
}

/// What the first line of a request ends with.
const VERSION: &[u8] = b" HTTP/1.1\r\n";

impl FarAway {
    /// Starts a proxy before `127.0.0.1:target`.
    pub fn start(target: u16, round_trip: Duration) -> FarAway {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (requests, ended) = (AtomicU64::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { target, round_trip, requests, ended });
        let served = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if served.ended.load(Ordering::SeqCst) {
                    return;
                }
                let served = served.clone();
                std::thread::spawn(move || served.serve(&client));
            }
        });
        FarAway { port, shared }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many requests came so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for FarAway {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // It waits for a client.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Shared {
    fn serve(&self, client: &TcpStream) {
        // The handshake: until it is over, nothing is on its way.
        let open = Instant::now() + self.round_trip;
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
        for stream in [client, &server] {
            stream.set_nodelay(true).expect("a socket option");
        }
        std::thread::scope(|scope| {
            scope.spawn(|| self.carry(client, &server, open, |bytes| self.count(bytes)));
            self.carry(&server, client, open, |_| {});
        });
    }

    /// Moves bytes one way until either side ends.
    fn carry(&self, mut from: &TcpStream, to: &TcpStream, open: Instant, see: impl Fn(&[u8])) {
        std::thread::scope(|scope| {
            let (on_their_way, arriving) = channel();
            scope.spawn(move || deliver(&arriving, to));
            let mut buffer = vec![0; 64 << 10];
            while let Ok(len @ 1..) = from.read(&mut buffer) {
                see(&buffer[..len]);
                let due = Instant::now().max(open) + self.round_trip / 2;
                if on_their_way.send((due, buffer[..len].to_vec())).is_err() {
                    break;
                }
            }
        });
    }

    /// A head comes in one piece: whoever sends one writes it at once.
    fn count(&self, bytes: &[u8]) {
        let heads = bytes.windows(VERSION.len()).filter(|window| *window == VERSION).count();
        self.requests.fetch_add(heads as u64, Ordering::SeqCst);
    }
}

fn deliver(arriving: &Receiver<(Instant, Vec<u8>)>, mut to: &TcpStream) {
    for (due, bytes) in arriving {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
