//! One workspace in a house: at rest on the disk, or open because somebody asks for it.

use crate::daemon::engine::{Engine, Opened, is_untouched, make_gitdir, view_config};
use crate::daemon::failure::Failure;
use crate::fuse::{Numbers, Tenant};
use crate::overlay::{Overlay, Recovered};
use crate::registry::{Lease, RegistryError, WorkspaceRecord};
use crate::types::{Ino, Seq, WorkspaceId};
use crate::workspace::{FsError, Lookups, Workspace};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A place for one workspace.
pub(super) struct Room {
    pub id: WorkspaceId,
    pub name: String,
    pub slot: u16,
    numbers: Arc<Numbers>,
    /// Where more was asked for than files; before `state`, and held while one is made.
    engine: Mutex<Option<Arc<Engine>>>,
    state: Mutex<State>,
    /// When it was last asked, in milliseconds of the monotonic clock.
    used: AtomicU64,
}

enum State {
    /// On the disk; the kernel may still know inodes of it.
    Resting(Lookups),
    Here(Here),
    /// Not shown any more, though the kernel may still know inodes of it.
    Gone(Rest),
}

/// What is left of a workspace that went.
enum Rest {
    Lookups(Lookups),
    /// Somebody still works on it.
    Workspace(Arc<Workspace>),
}

/// An open workspace.
struct Here {
    lease: Arc<Lease>,
    workspace: Arc<Workspace>,
    recovered: Recovered,
    /// The last change when it was opened, and how many that process counted.
    opened_at: (Seq, u64),
}

impl Room {
    pub fn new(id: WorkspaceId, name: String, slot: u16) -> Self {
        let (numbers, state) = (Arc::new(Numbers::new(slot)), State::Resting(Lookups::default()));
        let (engine, used) = (Mutex::default(), AtomicU64::new(0));
        Self { id, name, slot, numbers, engine, state: Mutex::new(state), used }
    }

    /// What the kernel calls its root.
    pub fn root(&self) -> Ino {
        self.numbers.outside(Ino::ROOT)
    }

    /// Counts a lookup of its root.
    pub fn count_root(&self) {
        match &mut *self.state.lock() {
            State::Here(here) => here.workspace.count_root(),
            State::Resting(lookups) => lookups.count_root(),
            State::Gone(_) => {}
        }
    }

    /// Takes lookups back; true when the room can be given to another one.
    pub fn forget(&self, number: u64, count: u64) -> bool {
        let ino = self.numbers.inside(number);
        match &mut *self.state.lock() {
            State::Here(here) => here.workspace.forget([(ino, count)]),
            State::Resting(lookups) => lookups.forget(ino, count),
            State::Gone(Rest::Lookups(lookups)) => {
                lookups.forget(ino, count);
                return lookups.is_empty();
            }
            State::Gone(Rest::Workspace(workspace)) => {
                workspace.forget([(ino, count)]);
                return workspace.counters().inodes == 0;
            }
        }
        false
    }

    /// The files, opened when they are not.
    pub fn tenant(&self, house: &Engine, now: Duration) -> Result<Tenant, FsError> {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.used.store(millis, Ordering::Relaxed);
        let mut state = self.state.lock();
        let here = self.open(&mut state, house).map_err(|error| error.for_the_kernel(&self.id))?;
        Ok(Tenant { workspace: here.workspace.clone(), numbers: self.numbers.clone() })
    }

    /// Everything else that can be done with it. No file operation waits for it.
    pub fn engine(&self, house: &Engine) -> Result<Arc<Engine>, Failure> {
        let mut engine = self.engine.lock();
        if let Some(engine) = &*engine {
            return Ok(engine.clone());
        }
        let (lease, opened) = {
            let mut state = self.state.lock();
            let here = self.open(&mut state, house).map_err(Failure::from)?;
            let opened = Opened {
                overlay: here.workspace.overlay().clone(),
                recovered: here.recovered,
                opened_at: here.opened_at.0,
                shown: Some(here.workspace.clone()),
            };
            (here.lease.clone(), opened)
        };
        let record = house.host().registry.load(&self.id)?;
        let made = Engine::over(house.host(), record, lease, opened)?;
        Ok(engine.insert(Arc::new(made)).clone())
    }

    /// Makes the git directory, where there is none yet.
    pub fn make_gitdir(&self, house: &Engine) -> Result<(), Failure> {
        let _no_other = self.engine.lock();
        make_gitdir(house.host(), &house.host().registry.load(&self.id)?)
    }

    /// Whether nothing was ever done in it. Opens it.
    pub fn is_untouched(&self, house: &Engine, record: &WorkspaceRecord) -> Result<bool, Failure> {
        let mut state = self.state.lock();
        let here = self.open(&mut state, house).map_err(Failure::from)?;
        Ok(!here.is_changed() && is_untouched(house.host(), record, here.recovered.last_batch))
    }

    /// How often anything was changed since it was opened; None while it rests.
    pub fn changes(&self) -> Option<u64> {
        match &*self.state.lock() {
            State::Here(here) => Some(here.workspace.overlay().changes()),
            State::Resting(_) | State::Gone(_) => None,
        }
    }

    fn open<'a>(&self, state: &'a mut State, house: &Engine) -> Result<&'a mut Here, OpenError> {
        if let State::Resting(lookups) = state {
            let here = open(&self.id, house, lookups)?;
            *state = State::Here(here);
        }
        match state {
            State::Here(here) => Ok(here),
            State::Resting(_) | State::Gone(_) => Err(OpenError::Gone),
        }
    }

    /// Makes durable what was changed and is not yet.
    pub fn keep_house(&self) {
        let workspace = match &*self.state.lock() {
            State::Here(here) if here.is_unsynced() => here.workspace.clone(),
            _ => return,
        };
        if let Err(error) = workspace.overlay().keep_house() {
            tracing::error!(workspace = %self.id, %error, "it could not be synced");
        }
    }

    /// When it was last asked; None while it rests.
    pub fn last_used(&self) -> Option<Duration> {
        let here = matches!(&*self.state.lock(), State::Here(_));
        here.then(|| Duration::from_millis(self.used.load(Ordering::Relaxed)))
    }

    /// Closes it, unless somebody is at it or has something open. What the kernel knows of it stays
    /// true: numbers are kept, the rest is on the disk.
    pub fn rest(&self) -> bool {
        let Some(mut engine) = self.engine.try_lock() else { return false };
        let mut state = self.state.lock();
        let State::Here(here) = &*state else { return false };
        let engines = engine.as_ref().map_or(0, Arc::strong_count);
        let in_use = Arc::strong_count(&here.workspace) > 1 + engines;
        if engines > 1 || in_use || here.is_unsynced() || !here.workspace.can_rest() {
            return false;
        }
        *engine = None;
        let here = std::mem::replace(&mut *state, State::Resting(Lookups::default()));
        if let State::Here(Here { workspace, .. }) = here {
            let lookups = Arc::into_inner(workspace).map(Workspace::rest);
            let lookups = lookups.expect("nobody else has it, and who asks waits for the lock");
            self.numbers.retain(|ino| lookups.knows(ino));
            *state = State::Resting(lookups);
        }
        true
    }

    /// Ends it: nobody is answered from now on. Who has its engine goes on with that.
    pub fn leave(&self) {
        *self.engine.lock() = None;
        let mut state = self.state.lock();
        let rest = match std::mem::replace(&mut *state, State::Resting(Lookups::default())) {
            State::Here(here) => Rest::Workspace(here.workspace),
            State::Resting(lookups) => Rest::Lookups(lookups),
            State::Gone(rest) => rest,
        };
        *state = State::Gone(rest);
    }
}

impl Here {
    fn is_changed(&self) -> bool {
        self.workspace.overlay().changes() != self.opened_at.1
    }

    fn is_unsynced(&self) -> bool {
        self.is_changed() && self.workspace.overlay().unsynced_bytes() > 0
    }
}

fn open(id: &WorkspaceId, house: &Engine, lookups: &mut Lookups) -> Result<Here, OpenError> {
    let host = house.host();
    let paths = host.registry.paths(id);
    let lease = Arc::new(Lease::acquire(&paths)?);
    let (overlay, recovered) = Overlay::open(paths.root(), host.disk.clone())?;
    // As the house shows, but for what is the workspace's own.
    let mut config = view_config(house.record(), &paths);
    config.read_only = false;
    let (base, clock) = (house.base().clone(), host.clock.clone());
    let opened_at = (overlay.seq(), overlay.changes());
    let lookups = std::mem::take(lookups);
    let workspace = Workspace::resumed(Arc::new(overlay), base, clock, config, lookups);
    Ok(Here { lease, workspace: Arc::new(workspace), recovered, opened_at })
}

/// Why a workspace is not here.
pub(super) enum OpenError {
    Gone,
    Registry(RegistryError),
    Overlay(crate::overlay::OverlayError),
}

impl From<RegistryError> for OpenError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<crate::overlay::OverlayError> for OpenError {
    fn from(error: crate::overlay::OverlayError) -> Self {
        Self::Overlay(error)
    }
}

impl OpenError {
    fn for_the_kernel(self, id: &WorkspaceId) -> FsError {
        match self {
            Self::Gone => FsError::Stale(Ino::ROOT),
            Self::Registry(RegistryError::Held(_)) => FsError::Busy("another toft has it"),
            Self::Registry(error) => {
                tracing::error!(workspace = %id, %error, "it cannot be opened");
                FsError::Disk(std::io::Error::other(error))
            }
            Self::Overlay(error) => FsError::from(error),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Gone => {
                Self::new(crate::daemon::Kind::NoSuchWorkspace, "it is not here any more")
            }
            OpenError::Registry(error) => error.into(),
            OpenError::Overlay(error) => error.into(),
        }
    }
}
