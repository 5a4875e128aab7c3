//! Answers that need what is on the remote only: given when it is here, by threads of their own, so
//! that those that take requests never wait for the network.

use super::errno::errno;
use crate::types::Oid;
use crate::workspace::{FsError, Workspace};
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
    workspace: Arc<Workspace>,
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
    pub fn new(workspace: Arc<Workspace>) -> io::Result<Self> {
        let late = workspace.is_lazy().then(start).transpose()?;
        Ok(Self { workspace, late })
    }

    /// Asks once. A panic costs this one request, not the mount.
    pub fn ask<T>(
        &self,
        question: impl FnMut(&Workspace) -> Result<T, FsError>,
    ) -> Result<T, Unanswered> {
        match catch_unwind(AssertUnwindSafe(|| self.workspace.with_room(question))) {
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
        reply: R,
        question: impl FnMut(&Workspace) -> Result<T, FsError> + Send + 'static,
        respond: impl FnOnce(R, Result<T, Errno>) + Send + 'static,
    ) {
        self.again(Ok(()), ROUNDS, reply, question, respond);
    }

    /// The same where a first try found that `oid` is away.
    pub fn answer_later<T, R: Send + 'static>(
        &self,
        oid: Oid,
        reply: R,
        question: impl FnMut(&Workspace) -> Result<T, FsError> + Send + 'static,
        respond: impl FnOnce(R, Result<T, Errno>) + Send + 'static,
    ) {
        self.wait(oid, move |asker, came| asker.again(came, ROUNDS, reply, question, respond));
    }

    fn again<T, R: Send + 'static>(
        &self,
        came: Result<(), Errno>,
        rounds: u32,
        reply: R,
        mut question: impl FnMut(&Workspace) -> Result<T, FsError> + Send + 'static,
        respond: impl FnOnce(R, Result<T, Errno>) + Send + 'static,
    ) {
        if let Err(errno) = came {
            return respond(reply, Err(errno));
        }
        match self.ask(&mut question) {
            Err(Unanswered::Away(oid)) if rounds > 0 => {
                let rounds = rounds - 1;
                self.wait(oid, move |asker, came| {
                    asker.again(came, rounds, reply, question, respond);
                });
            }
            answer => respond(reply, answer.map_err(Unanswered::errno)),
        }
    }

    /// Runs `then` on a thread of ours once `oid` is here, or does not come.
    fn wait(&self, oid: Oid, then: impl FnOnce(&Asker, Result<(), Errno>) + Send + 'static) {
        let asker = self.clone();
        self.workspace.when_here(oid, move |came| {
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

fn to_errno(error: &FsError) -> Errno {
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
