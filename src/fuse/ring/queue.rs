//! A thread's share in the queue of one CPU: its entries, and its ring.

use super::entry::Entry;
use super::reply::{Body, Desk, Done, Reply};
use super::serve::Service;
use crate::fuse::wire::Header;
use fuser::Errno;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a completion is about, where it is no entry.
const BELL: u64 = u64::MAX;

pub(super) struct Queue {
    /// Before the entries: it goes first.
    ring: IoUring<squeue::Entry128>,
    entries: Vec<Entry>,
    desk: Arc<Desk>,
    /// Which CPU's.
    number: u16,
    /// How many entries the kernel has.
    lent: usize,
    /// Whether it has refused one: it will take none any more.
    is_over: bool,
}

impl Queue {
    /// Of the calling thread, which from now on runs on that CPU.
    pub fn new(number: u16, entries: usize) -> io::Result<Self> {
        // The kernel sends each request to the queue of the CPU it is made on, where an answer is
        // nearest.
        if let Err(error) = crate::sys::stay_at(number) {
            tracing::debug!(%error, number, "a queue is served from elsewhere");
        }
        // Room for all entries and the bell.
        let size = (entries + 1).next_power_of_two() as u32;
        let ring = IoUring::<squeue::Entry128>::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(size)?;
        let entries = (0..entries).map(|_| Entry::new()).collect::<io::Result<_>>()?;
        let desk = Arc::new(Desk::new()?);
        Ok(Self { ring, entries, desk, number, lent: 0, is_over: false })
    }

    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Lends the kernel all entries. It begins to use them when it has some of every CPU.
    ///
    /// Returns why it refuses one, if it does: then it goes on over the device.
    pub fn register(&mut self, device: &OwnedFd) -> io::Result<Option<io::Error>> {
        for at in 0..self.entries.len() {
            let command = self.entries[at].register(device.as_fd(), self.number);
            self.submit(command.user_data(at as u64))?;
            self.lent += 1;
        }
        self.await_bell()?;
        self.ring.submit()?;
        // What it refuses is told at once; what else there is comes again.
        let refused = |result: i32| (result < 0).then(|| io::Error::from_raw_os_error(-result));
        Ok(self.ring.completion().find_map(|done| refused(done.result())))
    }

    /// Serves until the conversation ends or the desk is closed.
    pub fn run(&mut self, device: &OwnedFd, service: &Service<'_>) -> io::Result<()> {
        while !(self.is_over && self.lent == 0 || self.desk.is_closed()) {
            // Who waits for an answer gets it before the next one is served.
            let wanted = usize::from(self.ring.completion().is_empty());
            match self.ring.submit_and_wait(wanted) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                turned => turned?,
            };
            let completion = self.ring.completion().next();
            if let Some(completion) = completion {
                self.complete(&completion, service)?;
            }
            while let Some(done) = self.desk.take() {
                self.commit(device.as_fd(), done)?;
            }
        }
        Ok(())
    }

    fn complete(&mut self, completion: &cqueue::Entry, service: &Service<'_>) -> io::Result<()> {
        if completion.user_data() == BELL {
            self.desk.silence();
            return self.await_bell();
        }
        self.lent -= 1;
        if completion.result() < 0 {
            self.is_over = true;
            return Ok(());
        }
        let at = completion.user_data() as usize;
        let reply = Reply::new(self.desk.clone(), at);
        let entry = &mut self.entries[at];
        let Ok(header) = Header::decode(entry.header()) else {
            reply.send(Err(Errno::EIO));
            return Ok(());
        };
        let serve = AssertUnwindSafe(|| service.serve(&header, entry, reply));
        if catch_unwind(serve).is_err() {
            tracing::error!("a file operation panicked; answered EIO");
        }
        Ok(())
    }

    /// Hands the reply in an entry to the kernel, and with it the entry.
    fn commit(&mut self, device: BorrowedFd<'_>, done: Done) -> io::Result<()> {
        let entry = &mut self.entries[done.entry];
        let reply = match done.answer {
            Ok(Body::InPlace(size)) => Ok(size),
            Ok(Body::Bytes(bytes)) => match entry.room().get_mut(..bytes.len()) {
                Some(room) => {
                    room.copy_from_slice(&bytes);
                    Ok(bytes.len())
                }
                None => Err(libc::EIO),
            },
            Err(errno) => Err(errno.code()),
        };
        let commit_id = entry.commit_id();
        entry.seal(reply);
        let command = entry.commit(device, self.number, commit_id);
        self.submit(command.user_data(done.entry as u64))?;
        self.lent += 1;
        Ok(())
    }

    fn await_bell(&mut self) -> io::Result<()> {
        let bell = types::Fd(self.desk.bell().as_raw_fd());
        let poll = opcode::PollAdd::new(bell, libc::POLLIN as u32).build();
        self.submit(squeue::Entry128::from(poll).user_data(BELL))
    }

    #[expect(unsafe_code, reason = "commands point to memory")]
    fn submit(&mut self, command: squeue::Entry128) -> io::Result<()> {
        // SAFETY: what a command points to are an entry's memory and its vectors, which outlive the
        // ring; the entry is left alone until the command has completed.
        let pushed = unsafe { self.ring.submission().push(&command) };
        pushed.map_err(|_| io::Error::other("a queue that has room for all its entries is full"))
    }
}
