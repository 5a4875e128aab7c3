//! Answers that need what is on the remote only: given when it is here, by threads of their own, so
//! that those that take requests never wait for the network.

use super::errno::errno;
use super::route::{House, Node, Place, View};
use crate::types::Oid;
use crate::workspace::FsError;
use fuser::Errno;
use parking_lot::Mutex;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

/// How many answer late side by side; what each does is local.
const THREADS: usize = 2;
/// How many contents one operation may find away, one after the other. Few need more than two.
const ROUNDS: u32 = 100;

type Job = Box<dyn FnOnce() + Send>;

/// Asks the workspace, now or later.
#[derive(Clone)]
pub(super) struct Asker {
    place: Place,
    /// None where nothing is ever away.
    late: Option<Sender<Job>>,
}

/// Why a question has no answer.
pub(super) enum Unanswered {
    /// It has this one.
    Errno(Errno),
    /// This has to be here first.
    Away(Oid),
}

impl Unanswered {
    /// For questions that need no content.
    pub fn errno(self) -> Errno {
        match self {
            Self::Errno(errno) => errno,
            Self::Away(oid) => to_errno(&FsError::Away(oid)),
        }
    }
}

impl Asker {
    pub fn new(place: Place) -> io::Result<Self> {
        let late = place.is_lazy().then(start).transpose()?;
        Ok(Self { place, late })
    }

    /// The house, if this is the mount of one.
    pub fn house(&self) -> Option<&dyn House> {
        match &self.place {
            Place::One(_) => None,
            Place::Many(house) => Some(&**house),
        }
    }

    /// Asks once. A panic costs this one request, not the mount.
    pub fn ask<T>(
        &self,
        node: impl Into<Node>,
        question: impl FnMut(&View<'_>) -> Result<T, FsError>,
    ) -> Result<T, Unanswered> {
        let node = node.into();
        match catch_unwind(AssertUnwindSafe(|| self.place.with(node, question))) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(FsError::Away(oid))) => Err(Unanswered::Away(oid)),
            Ok(Err(error)) => Err(Unanswered::Errno(to_errno(&error))),
            Err(_) => {
                tracing::error!("a file operation panicked; answered EIO");
                Err(Unanswered::Errno(Errno::EIO))
            }
        }
    }

    /// Asks, and answers by `respond`: at once, or when what is away is here or does not come.
    pub fn answer<T, R: Send + 'static>(
        &self,
        node: Node,
        reply: R,
        question: impl FnMut(&View<'_>) -> Result<T, FsError> + Send + 'static,
        respond: impl FnOnce(R, Result<T, Errno>) + Send + 'static,
    ) {
        self.again(node, Ok(()), ROUNDS, reply, question, respond);
    }

    /// The same where a first try found that `oid` is away.
    pub fn answer_later<T, R: Send + 'static>(
        &self,
        node: impl Into<Node>,
        oid: Oid,
        reply: R,
        question: impl FnMut(&View<'_>) -> Result<T, FsError> + Send + 'static,
        respond: impl FnOnce(R, Result<T, Errno>) + Send + 'static,
    ) {
        let node = node.into();
        self.wait(node, oid, move |asker, came| {
            asker.again(node, came, ROUNDS, reply, question, respond);
        });
    }

    fn again<T, R: Send + 'static>(
        &self,
        node: Node,
        came: Result<(), Errno>,
        rounds: u32,
        reply: R,
        mut question: impl FnMut(&View<'_>) -> Result<T, FsError> + Send + 'static,
        respond: impl FnOnce(R, Result<T, Errno>) + Send + 'static,
    ) {
        if let Err(errno) = came {
            return respond(reply, Err(errno));
        }
        match self.ask(node, &mut question) {
            Err(Unanswered::Away(oid)) if rounds > 0 => {
                let rounds = rounds - 1;
                self.wait(node, oid, move |asker, came| {
                    asker.again(node, came, rounds, reply, question, respond);
                });
            }
            answer => respond(reply, answer.map_err(Unanswered::errno)),
        }
    }

    /// Runs `then` on a thread of ours once `oid` is here, or does not come.
    fn wait(
        &self,
        node: Node,
        oid: Oid,
        then: impl FnOnce(&Asker, Result<(), Errno>) + Send + 'static,
    ) {
        let asker = self.clone();
        let asked = match self.place.workspace(node) {
            Ok(asked) => asked,
            Err(error) => return then(&asker, Err(to_errno(&error))),
        };
        asked.when_here(oid, move |came| {
            let came = came.map_err(|error| to_errno(&error));
            let jobs = asker.late.clone();
            let job: Job = Box::new(move || then(&asker, came));
            // Without a receiver the mount is gone, and nobody waits for an answer.
            if let Some(jobs) = jobs {
                let _ = jobs.send(job);
            }
        });
    }
}

/// Does what asks no workspace. A panic costs this one request, too.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T, FsError>) -> Result<T, Errno> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| to_errno(&error)),
        Err(_) => {
            tracing::error!("a file operation panicked; answered EIO");
            Err(Errno::EIO)
        }
    }
}

pub(super) fn to_errno(error: &FsError) -> Errno {
    let code = errno(error);
    if code == libc::EIO {
        tracing::error!(%error, "answered EIO");
    }
    Errno::from_i32(code)
}

fn start() -> io::Result<Sender<Job>> {
    let (jobs, inbox) = mpsc::channel();
    let inbox = Arc::new(Mutex::new(inbox));
    for _ in 0..THREADS {
        let inbox = inbox.clone();
        std::thread::Builder::new().name("toft-late".into()).spawn(move || work(&inbox))?;
    }
    Ok(jobs)
}

/// Works until nobody is left who could send.
fn work(inbox: &Mutex<Receiver<Job>>) {
    loop {
        let job = inbox.lock().recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
