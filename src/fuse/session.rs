//! One mount, from mount to unmount.

use super::ask::Adapter;
use super::count::Requests;
use super::device::{Device, Linger, Passages};
use super::mount::{self, Access, MountOptions, Opens, Transport};
use super::ring::{Conversation, Prepared, Ring, RingOffer};
use super::route::Place;
use super::{MountError, Notifier};
use crate::workspace::Workspace;
use fuser::{Config, SessionACL};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const THREADS: usize = 2;
/// How often, and how long each time, a mount may be found busy that nobody uses any more.
const BUSY_TRIES: u32 = 10;
const BUSY_WAIT: Duration = Duration::from_millis(30);

/// How a session came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The kernel unmounted us: nothing more will come.
    Unmounted,
    /// The conversation broke off; the mount point may still be there, dead.
    Broken(String),
}

/// A mounted workspace. Dropping it leaves the mount alone.
pub struct Session {
    dir: PathBuf,
    notifier: Notifier,
    requests: Arc<Requests>,
    transport: Transport,
    ended: Arc<Ended>,
}

#[derive(Default)]
struct Ended {
    end: Mutex<Option<End>>,
    told: Condvar,
}

impl Session {
    /// Mounts `workspace` on `dir` and serves it on threads of its own.
    pub fn mount(
        workspace: Arc<Workspace>,
        dir: &Path,
        options: &MountOptions,
    ) -> Result<Self, MountError> {
        Self::show(Place::One(workspace), dir, options)
    }

    /// The same for what `place` says.
    pub fn show(place: Place, dir: &Path, options: &MountOptions) -> Result<Self, MountError> {
        let dir = dir
            .canonicalize()
            .map_err(|source| MountError::Directory { dir: dir.to_owned(), source })?;
        let fd = mount::mount(&dir, options)?;
        let mut config = Config::default();
        config.n_threads = Some(THREADS);
        // Ordinary users may not be allowed to open the device a second time.
        config.clone_fd = mount::device().is_ok();
        let (stale, told_stale) = mpsc::channel();
        let requests = Arc::new(Requests::default());
        let ring = prepare(options, &place, &fd);
        // Inode numbers of a house are not those of its workspaces.
        let passed = options.opens == Opens::Passed && matches!(place, Place::One(_));
        let adapter = Adapter::new(place, stale, requests.clone(), opens(options))
            .map_err(|error| give_up(&dir, error))?;
        let adapter = Arc::new(adapter);
        let linger = Linger::on(fd.try_clone().map_err(|error| give_up(&dir, error))?);
        let device = Device {
            adapter: adapter.clone(),
            has_ring: ring.is_some(),
            passages: passed.then(Passages::default),
            linger,
        };
        let session = fuser::Session::from_fd(device, fd, acl(options.access), config)
            .map_err(|error| give_up(&dir, error))?;
        let id = mount::device_id(&dir).map_err(|error| give_up(&dir, error))?;
        // The kernel holds requests back until the ring has begun.
        let ring = ring.and_then(|ring| begin(ring, adapter, acl(options.access), id));
        let transport = if ring.is_some() { Transport::IoUring } else { Transport::Device };
        let notifier = Notifier(session.notifier());
        notifier.serve(told_stale).map_err(|error| give_up(&dir, error))?;
        mount::read_ahead(id);
        let ended = Arc::new(Ended::default());
        let (tell, at) = (ended.clone(), dir.clone());
        std::thread::Builder::new()
            .name("toft-fuse".into())
            .spawn(move || {
                let end = how_it_ended(session.run(), &at, id);
                // What is still on its way there is answered nowhere.
                drop(ring);
                tell.set(end);
            })
            .map_err(|error| give_up(&dir, error))?;
        Ok(Self { dir, notifier, requests, transport, ended })
    }

    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// For telling the kernel what changed without it.
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// How many requests the kernel has sent.
    pub fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    /// How requests come.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// How the session ended, if it has.
    pub fn ended(&self) -> Option<End> {
        self.ended.end.lock().clone()
    }

    /// Waits for the end of the session.
    pub fn wait(&self) -> End {
        let mut end = self.ended.end.lock();
        loop {
            if let Some(end) = &*end {
                return end.clone();
            }
            self.ended.told.wait(&mut end);
        }
    }

    /// Waits for the end of the session, but no longer than `timeout`.
    pub fn wait_for(&self, timeout: Duration) -> Option<End> {
        let mut end = self.ended.end.lock();
        self.ended.told.wait_while_for(&mut end, |end| end.is_none(), timeout);
        end.clone()
    }

    /// Unmounts; `lazy` also while the mount is in use. The session then ends by itself.
    ///
    /// A mount that was just used is busy for a moment more: the kernel lets go of a file some time
    /// after close(2) returned. So busy is an answer only when it lasts.
    pub fn unmount(&self, lazy: bool) -> Result<(), MountError> {
        for _ in 0..BUSY_TRIES {
            match mount::unmount(&self.dir, lazy) {
                Err(error) if error.is_busy() => drop(self.wait_for(BUSY_WAIT)),
                result => return result,
            }
        }
        mount::unmount(&self.dir, lazy)
    }
}

/// A ring and its own way to the device, if there shall be one and can be.
fn prepare(options: &MountOptions, place: &Place, fd: &OwnedFd) -> Option<(Prepared, OwnedFd)> {
    // Which file the kernel may have is an answer to the device. And a request that is answered late
    // keeps its entry of the ring until then: few that wait for the remote would hold up all others.
    let device_only = options.transport == Transport::Device
        || options.opens == Opens::Passed
        || place.answers_late();
    if device_only || RingOffer::now() != RingOffer::On {
        return None;
    }
    let prepared = Prepared::new().and_then(|ring| Ok((ring, fd.try_clone()?)));
    prepared.map_err(|error| tracing::debug!(%error, "no ring: the device is used")).ok()
}

/// Begins to serve by the ring, if the kernel agreed to it.
fn begin(
    (ring, fd): (Prepared, OwnedFd),
    adapter: Arc<Adapter>,
    acl: SessionACL,
    id: (u32, u32),
) -> Option<Ring> {
    if !adapter.uses_ring() {
        return None;
    }
    let begun = ring.begin(&Conversation { device: Arc::new(fd), adapter, acl, id });
    begun.map_err(|error| tracing::debug!(%error, "no ring: the device is used")).ok()
}

/// Who asks is seen at the open: the pages that the kernel has are for everybody.
fn opens(options: &MountOptions) -> Opens {
    match options.access {
        Access::RootAndOwner if options.opens == Opens::Untold => Opens::Told,
        Access::RootAndOwner | Access::Owner | Access::All => options.opens,
    }
}

/// Where only the owner may look, the kernel sees to it.
fn acl(access: Access) -> SessionACL {
    match access {
        Access::RootAndOwner => SessionACL::RootAndOwner,
        Access::Owner | Access::All => SessionACL::All,
    }
}

impl Ended {
    fn set(&self, end: End) {
        *self.end.lock() = Some(end);
        self.told.notify_all();
    }
}

/// The error alone does not tell: where a request is under way when the last user lets go of the
/// mount, the kernel answers ECONNABORTED, as after an abort (`fuse_dev_do_read`).
fn how_it_ended(result: io::Result<()>, dir: &Path, id: (u32, u32)) -> End {
    match result {
        Err(error) if mount::device_id(dir).is_ok_and(|now| now == id) => {
            End::Broken(error.to_string())
        }
        Err(error) => {
            tracing::debug!(%error, "the conversation ended with the mount");
            End::Unmounted
        }
        Ok(()) => End::Unmounted,
    }
}

/// Unmounts `dir` without a session, for a mount whose daemon is gone.
pub fn unmount(dir: &Path, lazy: bool) -> Result<(), MountError> {
    mount::unmount(dir, lazy)
}

/// The mount stands but nobody will serve it.
fn give_up(dir: &Path, error: io::Error) -> MountError {
    if let Err(error) = mount::unmount(dir, true) {
        tracing::warn!(%error, "a mount that failed could not be taken away");
    }
    MountError::Handshake(error)
}
