//! Many workspaces behind one mount: each is a folder of the root and begins as the house stands.
//!
//! `mkdir` makes one (a fork, `Engine::take_in`), `rmdir` ends one: what it holds becomes a commit and
//! goes to the queue before its name goes; the push follows. The house itself is a workspace that takes
//! no changes. One that nobody asks for rests on the disk ([`room::Room`]); only what the kernel has
//! looked up in it stays in memory.
//! Locks: `rooms` is held to find, never while a room works; a room's own is held while it is opened.

mod room;
mod served;

use super::engine::Engine;
use super::failure::{Failure, Kind};
use crate::fuse::{House as Shown, Notifier, SLOTS, Tenant};
use crate::git::is_branch_name;
use crate::sys::Cancel;
use crate::types::{Attr, Ino, Name};
use crate::workspace::{FsError, Invalidation};
use parking_lot::{Mutex, RwLock};
use room::Room;
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// So many workspaces stay open, should they all be in use; more go to rest as soon as they can.
const OPEN: usize = 128;
/// One that nobody asked for so long goes to rest.
const IDLE: Duration = Duration::from_secs(20);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often what is not synced becomes durable by itself, in looks.
const HOUSEKEEPING: u32 = 5;
/// The slots of the root, and of `.` and `..` in a listing.
const FIRST_SLOT: u16 = 3;

type Done = Box<dyn FnOnce(Result<(), FsError>) + Send>;

/// A house and those who live in it.
pub struct House {
    engine: Arc<Engine>,
    rooms: RwLock<Rooms>,
    notifier: OnceLock<Notifier>,
    leaving: Mutex<Sender<(Arc<Room>, Done)>>,
    /// Ends pushes that run.
    hurry: Cancel,
}

#[derive(Default)]
struct Rooms {
    by_name: HashMap<String, Arc<Room>>,
    by_slot: BTreeMap<u16, Arc<Room>>,
    last_slot: u16,
}

impl Rooms {
    /// A slot that the kernel has nothing of.
    fn free_slot(&mut self) -> Option<u16> {
        let after = (self.last_slot + 1..SLOTS).chain(FIRST_SLOT..=self.last_slot);
        let free = after.filter(|slot| *slot >= FIRST_SLOT);
        let slot = free.into_iter().find(|slot| !self.by_slot.contains_key(slot))?;
        self.last_slot = slot;
        Some(slot)
    }

    fn insert(&mut self, room: Room) -> Arc<Room> {
        let room = Arc::new(room);
        self.by_name.insert(room.name.clone(), room.clone());
        self.by_slot.insert(room.slot, room.clone());
        room
    }
}

impl House {
    /// The house that `engine` is, with those who live in it already.
    pub fn open(engine: Engine) -> Result<Arc<Self>, Failure> {
        let mut rooms = Rooms::default();
        for record in engine.host().registry.list()?.workspaces {
            let name = record.dir.file_name().and_then(|name| name.to_str());
            let (Some(name), true) = (name, record.house.as_ref() == Some(engine.id())) else {
                continue;
            };
            let slot = rooms.free_slot().ok_or_else(full)?;
            rooms.insert(Room::new(record.id, name.to_owned(), slot));
        }
        let (leaving, left) = channel();
        let house = Arc::new(Self {
            engine: Arc::new(engine),
            rooms: RwLock::new(rooms),
            notifier: OnceLock::new(),
            leaving: Mutex::new(leaving),
            hurry: Cancel::new().map_err(Failure::io("cannot wait"))?,
        });
        let served = Arc::downgrade(&house);
        super::serve::spawn("leaving", move || {
            see_off(&left, |room, done| {
                if let Some(house) = served.upgrade() {
                    house.see_off(&room, done);
                }
            });
        })?;
        Ok(house)
    }

    fn room(&self, name: &str) -> Option<Arc<Room>> {
        self.rooms.read().by_name.get(name).cloned()
    }

    fn room_at(&self, slot: u16) -> Option<Arc<Room>> {
        self.rooms.read().by_slot.get(&slot).cloned()
    }

    fn all_rooms(&self) -> Vec<Arc<Room>> {
        self.rooms.read().by_name.values().cloned().collect()
    }

    /// Syncs what was changed, and puts to rest what nobody uses, until `stop` is cancelled.
    fn keep(&self, stop: &Cancel) {
        let mut looks = 0;
        while !stop.wait(LOOK) {
            looks += 1;
            let now = self.engine.now();
            let mut open: Vec<(Duration, Arc<Room>)> = self
                .all_rooms()
                .into_iter()
                .filter_map(|room| Some((room.last_used()?, room)))
                .collect();
            open.sort_by_key(|(used, _)| *used);
            let too_many = open.len().saturating_sub(OPEN);
            for (at, (used, room)) in open.iter().enumerate() {
                let rests = at < too_many || now.saturating_sub(*used) > IDLE;
                if rests || looks % HOUSEKEEPING == 0 {
                    room.keep_house();
                }
                if rests && room.rest() {
                    tracing::debug!(workspace = %room.id, "at rest");
                }
            }
        }
    }

    /// The name goes from the root; the kernel is told where it did not ask for that.
    fn take_name(&self, room: &Room, tell: bool) {
        self.rooms.write().by_name.remove(&room.name);
        room.leave();
        let name = Name::new(room.name.as_bytes());
        if let (true, Some(notifier), Ok(name)) = (tell, self.notifier.get(), name) {
            let gone = [Invalidation::Entry(Ino::ROOT, name), Invalidation::Inode(Ino::ROOT)];
            if let Err(error) = notifier.invalidate(&gone) {
                tracing::debug!(%error, "the kernel was not told");
            }
        }
    }
}

fn see_off(left: &Receiver<(Arc<Room>, Done)>, mut each: impl FnMut(Arc<Room>, Done)) {
    left.iter().for_each(|(room, done)| each(room, done));
}

fn full() -> Failure {
    Failure::new(Kind::System, format!("a mount shows no more than {SLOTS} workspaces"))
}

fn not_found(name: &[u8]) -> Result<FsError, FsError> {
    Ok(FsError::NotFound { dir: Ino::ROOT, name: Name::new(name)? })
}

/// A failure that has no errno of its own is told in the log.
fn refused(failure: &Failure, what: &'static str) -> FsError {
    tracing::warn!(cause = ?failure.cause, "{what}: {failure}");
    match failure.kind {
        Kind::DiskFull => FsError::Disk(std::io::Error::from_raw_os_error(libc::ENOSPC)),
        Kind::Guard | Kind::InProgress => FsError::NotPermitted(what),
        Kind::Usage => FsError::Invalid(what),
        Kind::Held | Kind::Busy => FsError::Busy(what),
        _ => FsError::Disk(std::io::Error::other(failure.clone())),
    }
}

impl Shown for House {
    fn tenant(&self, slot: u16) -> Result<Tenant, FsError> {
        if slot == 0 {
            let numbers = Arc::new(crate::fuse::Numbers::new(0));
            return Ok(Tenant { workspace: self.engine.shared_workspace(), numbers });
        }
        let room = self.room_at(slot).ok_or(FsError::Stale(Ino(u64::from(slot))))?;
        room.tenant(&self.engine, self.engine.now())
    }

    fn find(&self, name: &[u8]) -> Result<Option<Attr>, FsError> {
        let Some(room) = std::str::from_utf8(name).ok().and_then(|name| self.room(name)) else {
            return Ok(None);
        };
        let tenant = room.tenant(&self.engine, self.engine.now())?;
        let attr = tenant.workspace.getattr(Ino::ROOT)?;
        tenant.workspace.count_root();
        Ok(Some(Attr { ino: room.root(), ..attr }))
    }

    fn make(&self, name: &[u8]) -> Result<Attr, FsError> {
        let text = std::str::from_utf8(name).map_err(|_| FsError::Invalid("not UTF-8"))?;
        if !is_branch_name(&format!("refs/heads/{text}")) {
            return Err(FsError::Invalid("git takes no branch of that name"));
        }
        let Some(slot) = self.rooms.write().free_slot() else {
            return Err(refused(&full(), "there is no place for another workspace"));
        };
        if self.room(text).is_some() {
            return Err(FsError::Exists { dir: Ino::ROOT, name: Name::new(name)? });
        }
        let made = self.engine.take_in(text);
        let record = made.map_err(|failure| refused(&failure, "no workspace was made"))?;
        let room = self.rooms.write().insert(Room::new(record.id, text.to_owned(), slot));
        room.count_root();
        // It begins as the house stands.
        let attr = self.engine.workspace().getattr(Ino::ROOT)?;
        Ok(Attr { ino: room.root(), ..attr })
    }

    fn retire(&self, name: &[u8], done: Done) {
        let room = std::str::from_utf8(name).ok().and_then(|name| self.room(name));
        let Some(room) = room else {
            return done(Err(not_found(name).unwrap_or_else(|error| error)));
        };
        if let Err(lost) = self.leaving.lock().send((room, done)) {
            (lost.0.1)(Err(FsError::Busy("the daemon is ending")));
        }
    }

    fn list(&self, offset: u64, count: bool, each: &mut dyn FnMut(u64, Ino, &[u8]) -> bool) {
        let dots: [(u64, &[u8]); 2] = [(1, b"."), (2, b"..")];
        for (place, dot) in dots.into_iter().filter(|(place, _)| *place > offset) {
            if !each(place, Ino::ROOT, dot) {
                return;
            }
        }
        let from = u16::try_from(offset).unwrap_or(u16::MAX).max(FIRST_SLOT - 1);
        let rooms = self.rooms.read();
        for (slot, room) in rooms.by_slot.range((from + 1)..) {
            if !rooms.by_name.get(&room.name).is_some_and(|named| Arc::ptr_eq(named, room)) {
                continue;
            }
            if !each(u64::from(*slot), room.root(), room.name.as_bytes()) {
                return;
            }
            if count {
                room.count_root();
            }
        }
    }

    fn forget(&self, slot: u16, number: u64, count: u64) {
        let Some(room) = self.room_at(slot) else { return };
        if room.forget(number, count) {
            self.rooms.write().by_slot.remove(&slot);
        }
    }

    fn shows_gitdir(&self, slot: u16) -> Result<(), FsError> {
        let room = self.room_at(slot).ok_or(FsError::Stale(Ino::GITFILE))?;
        let made = room.make_gitdir(&self.engine);
        made.map_err(|failure| refused(&failure, "no git directory was made"))
    }
}
