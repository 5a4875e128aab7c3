//! FUSE over io_uring: a request costs one system call of ours, on the CPU where it is made.
//!
//! The kernel has a queue for each CPU, which two threads serve that stay there, each with a ring and
//! entries of memory of its own. The kernel writes a request into an entry; the reply goes back in it,
//! with the command that asks for the next request. What needs no answer, and notifications, stay with
//! the device, and fuser.
//!
//! Once the kernel was told in INIT that there will be a ring it holds all requests back until it has
//! entries of every CPU, or has refused one. So all that can fail is done before: threads, rings and
//! memory. A refusal only means that the device is used.

mod entry;
mod offer;
mod queue;
mod reply;
mod serve;

pub use offer::RingOffer;

use self::queue::Queue;
use self::reply::Desk;
use self::serve::Service;
use super::ask::Adapter;
use fuser::SessionACL;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

/// Threads for each CPU: while one waits for a disk or for git, another answers.
const THREADS: usize = 2;
/// A thread's entries. The kernel does not look whether the thread is at work already, so that a
/// second one would let requests wait for it while another thread has nothing to do.
const ENTRIES: usize = 1;

/// What the queues serve.
#[derive(Clone)]
pub(super) struct Conversation {
    pub device: Arc<OwnedFd>,
    pub adapter: Arc<Adapter>,
    pub acl: SessionACL,
    /// The device number of the mount.
    pub id: (u32, u32),
}

/// Queues that wait for a conversation.
pub(super) struct Prepared(Vec<Waiting>);

struct Waiting {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
    begin: Sender<Conversation>,
    begun: Receiver<io::Result<()>>,
}

/// Queues that serve. They end with the conversation, or when this is dropped.
pub(super) struct Ring(Vec<(Arc<Desk>, JoinHandle<()>)>);

impl Prepared {
    /// For each CPU.
    pub fn new() -> io::Result<Self> {
        let cpus = offer::cpus()?;
        let numbers = (0..cpus).flat_map(|number| [number; THREADS]);
        numbers.map(Waiting::new).collect::<io::Result<_>>().map(Self)
    }

    /// Begins to serve, when the kernel has agreed to it.
    pub fn begin(self, conversation: &Conversation) -> io::Result<Ring> {
        for queue in &self.0 {
            // Where the thread is gone it has said why.
            let _ = queue.begin.send(conversation.clone());
        }
        let gone = |_| io::Error::other("the thread of a queue ended");
        let begun: io::Result<()> = self
            .0
            .iter()
            .try_for_each(|queue| queue.begun.recv().map_err(gone).and_then(|begun| begun));
        let ring = Ring(self.0.into_iter().map(|queue| (queue.desk, queue.thread)).collect());
        begun.map(|()| ring)
    }
}

impl Waiting {
    fn new(number: u16) -> io::Result<Self> {
        let (begin, conversation) = mpsc::channel();
        let (tell_begun, begun) = mpsc::channel();
        let (tell_made, made) = mpsc::channel();
        let thread =
            std::thread::Builder::new().name(format!("toft-ring-{number}")).spawn(move || {
                let mut queue = match Queue::new(number, ENTRIES) {
                    Ok(queue) => queue,
                    Err(error) => return drop(tell_made.send(Err(error))),
                };
                let _ = tell_made.send(Ok(queue.desk().clone()));
                if let Ok(conversation) = conversation.recv() {
                    serve(&mut queue, &conversation, &tell_begun);
                }
            })?;
        let gone = |_| io::Error::other("the thread of a queue ended");
        let desk = made.recv().map_err(gone)??;
        Ok(Self { desk, thread, begin, begun })
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.0.iter().for_each(|(desk, _)| desk.close());
        for (_, thread) in self.0.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a queue panicked");
            }
        }
    }
}

fn serve(queue: &mut Queue, conversation: &Conversation, begun: &Sender<io::Result<()>>) {
    let service = Service { adapter: &conversation.adapter, acl: conversation.acl };
    let served = queue.register(&conversation.device).and_then(|refused| match refused {
        Some(error) => {
            let _ = begun.send(Err(error));
            Ok(())
        }
        None => {
            let _ = begun.send(Ok(()));
            queue.run(&conversation.device, &service)
        }
    });
    if let Err(error) = served {
        // Nobody would answer what the kernel keeps for this queue.
        tracing::error!(%error, "a queue broke; the mount ends");
        if let Err(error) = super::abort(conversation.id) {
            tracing::error!(%error, "the conversation could not be ended");
        }
    }
}
