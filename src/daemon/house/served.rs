//! A house as the daemon serves it: it is asked, flushed and ended as one, and each workspace in it by
//! itself.

use super::{Done, House, refused};
use crate::daemon::control::{FlushRequest, Reply, Request, UmountRequest};
use crate::daemon::engine::{Engine, Then};
use crate::daemon::failure::{Failure, Kind};
use crate::daemon::house::room::Room;
use crate::daemon::report::{FlushReport, may_leave};
use crate::daemon::serve::{Served, spawn};
use crate::fuse::{Access, MountFlags, Place, Session};
use crate::registry::FlushPolicy;
use crate::sys::Cancel;
use crate::types::WorkspaceId;
use crate::workspace::FsError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often a workspace that is written to while it ends is sealed again.
const SEALS: u32 = 5;
/// How long requests that are under way may take.
const UNDER_WAY: Duration = Duration::from_millis(200);

impl Served for House {
    fn id(&self) -> &WorkspaceId {
        self.engine.id()
    }

    fn mount(self: Arc<Self>, access: Access, flags: MountFlags) -> Result<Session, Failure> {
        let session = self.engine.mount_place(Place::Many(self.clone()), access, flags)?;
        let _ = self.notifier.set(session.notifier().clone());
        Ok(session)
    }

    fn start_background(self: Arc<Self>, stop: &Cancel) -> Result<(), Failure> {
        let stop = stop.clone();
        spawn("housekeeping", move || self.keep(&stop))
    }

    fn flush_policy(&self) -> FlushPolicy {
        FlushPolicy::Umount
    }

    fn leave_remote(&self) {
        self.engine.leave_remote();
    }

    fn changes(&self) -> u64 {
        self.all_rooms().iter().filter_map(|room| room.changes()).sum()
    }

    fn hurry(&self) {
        self.hurry.cancel();
    }

    fn handle(&self, request: &Request) -> Reply {
        match request {
            Request::In(inner) => match self.all_rooms().iter().find(|room| room.id == inner.id) {
                Some(room) => self.ask(room, &inner.request),
                None => {
                    let what = format!("{} is not here any more", inner.id);
                    Reply::Failed(Failure::new(Kind::NoSuchWorkspace, what))
                }
            },
            Request::Flush(flush) => {
                let mut report = FlushReport::new(self.id(), self.engine.dir());
                self.flush(flush, Then::Stay, &mut report);
                Reply::Flush(Box::new(report))
            }
            other => self.engine.handle(other),
        }
    }

    /// Each workspace by itself; what fails in one stops no other.
    fn flush(&self, request: &FlushRequest, _then: Then, report: &mut FlushReport) {
        for room in self.all_rooms() {
            if self.hurry.is_cancelled() && !request.seal {
                break;
            }
            let mut own = FlushReport::new(&room.id, &self.engine.dir().join(&room.name));
            self.flush_room(&room, request, &mut own);
            if let Some(failure) = own.failure {
                let failure = Failure { message: format!("{}: {failure}", room.name), ..failure };
                let worse = report.failure.is_none() || !may_leave(Some(&failure));
                if let Some(other) = match worse {
                    true => report.failure.replace(failure),
                    false => Some(failure),
                } {
                    report.problems.push(other);
                }
            }
        }
    }

    /// What is left of each: removed where nothing is lost by that.
    fn rest(&self, request: &UmountRequest, report: &mut FlushReport) {
        let mut left = 0;
        for room in self.all_rooms() {
            let mut own = FlushReport::new(&room.id, &self.engine.dir().join(&room.name));
            self.put_to_rest(&room, request, &mut own);
            left += usize::from(!own.removed);
            report.kept.extend(own.kept.iter().map(|what| format!("{}: {what}", room.name)));
            report.problems.extend(own.failure);
        }
        self.engine.leave_house(left == 0 && !request.keep, report);
    }
}

impl House {
    /// Answers for one workspace.
    fn ask(&self, room: &Arc<Room>, request: &Request) -> Reply {
        match request {
            Request::Umount(umount) => {
                let mut report = FlushReport::new(&room.id, &self.engine.dir().join(&room.name));
                report.unmounted = Some(false);
                if !umount.discard {
                    self.flush_room(room, &umount.flush, &mut report);
                }
                if umount.discard || may_leave(report.failure.as_ref()) {
                    self.end(room, umount, &mut report);
                    report.unmounted = Some(true);
                }
                Reply::Flush(Box::new(report))
            }
            Request::Flush(flush) => {
                let mut report = FlushReport::new(&room.id, &self.engine.dir().join(&room.name));
                self.flush_room(room, flush, &mut report);
                Reply::Flush(Box::new(report))
            }
            other => match room.engine(&self.engine) {
                Ok(engine) => engine.handle(other),
                Err(failure) => Reply::Failed(failure),
            },
        }
    }

    /// What others pushed meanwhile is not brought into the files: they are read through the house.
    fn flush_room(&self, room: &Room, request: &FlushRequest, report: &mut FlushReport) {
        let flushed = self.engine.host().registry.load(&room.id).map_err(Failure::from);
        let flushed = flushed.and_then(|record| {
            if request.message.is_none() && room.is_untouched(&self.engine, &record)? {
                return Ok(());
            }
            room.engine(&self.engine)?.flush(request, Then::Leave, report);
            Ok(())
        });
        if let Err(failure) = flushed {
            report.failure = Some(failure);
        }
    }

    /// With the house: where anything is left of it, it comes back with the house.
    fn put_to_rest(&self, room: &Room, request: &UmountRequest, report: &mut FlushReport) {
        let registry = &self.engine.host().registry;
        let untouched = registry
            .load(&room.id)
            .map_err(Failure::from)
            .and_then(|record| room.is_untouched(&self.engine, &record));
        match untouched {
            Ok(true) if request.keep => {}
            Ok(true) => {
                room.leave();
                report.removed = self.remove_untouched(room, report);
            }
            Ok(false) => match room.engine(&self.engine) {
                Ok(engine) => engine.rest(request, report),
                Err(failure) => report.failure = Some(failure),
            },
            Err(failure) => report.failure = Some(failure),
        }
    }

    /// Takes a workspace out of the house after its last flush.
    fn end(&self, room: &Room, request: &UmountRequest, report: &mut FlushReport) {
        match self.take_out(room) {
            Ok(Some(engine)) => {
                self.take_name(room, true);
                engine.rest(request, report);
            }
            Ok(None) => {
                self.take_name(room, true);
                report.removed = self.remove_untouched(room, report);
            }
            Err(failure) => drop(report.failure.get_or_insert(failure)),
        }
    }

    /// Its engine, where it is more than what the house is. It is nobody's from now on.
    fn take_out(&self, room: &Room) -> Result<Option<Arc<Engine>>, Failure> {
        let registry = &self.engine.host().registry;
        let record = registry.load(&room.id)?;
        if room.is_untouched(&self.engine, &record)? {
            return Ok(None);
        }
        let engine = room.engine(&self.engine)?;
        registry.update(&room.id, |record| record.house = None)?;
        Ok(Some(engine))
    }

    fn remove_untouched(&self, room: &Room, report: &mut FlushReport) -> bool {
        match self.engine.host().registry.remove(&room.id) {
            Ok(()) => true,
            Err(error) => {
                report.failure = Some(error.into());
                false
            }
        }
    }

    /// `rmdir`: what the workspace holds becomes a commit, then its name goes, then it is pushed.
    pub(super) fn see_off(&self, room: &Arc<Room>, done: Done) {
        let seal = FlushRequest { seal: true, ..FlushRequest::default() };
        for _ in 0..SEALS {
            let before = room.changes();
            let mut report = FlushReport::new(&room.id, Path::new(&room.name));
            self.flush_room(room, &seal, &mut report);
            if let Some(failure) = report.failure {
                return done(Err(refused(&failure, "the workspace cannot be ended")));
            }
            // What was written since would be on no commit.
            if before.is_some() && room.changes() != before {
                continue;
            }
            return match self.take_out(room) {
                Ok(engine) => self.let_go(room, engine, done),
                Err(failure) => done(Err(refused(&failure, "the workspace cannot be ended"))),
            };
        }
        done(Err(FsError::Busy("the workspace is written to")));
    }

    fn let_go(&self, room: &Arc<Room>, engine: Option<Arc<Engine>>, done: Done) {
        self.take_name(room, false);
        done(Ok(()));
        let mut report = FlushReport::new(&room.id, Path::new(&room.name));
        let Some(engine) = engine else {
            self.remove_untouched(room, &mut report);
            return;
        };
        // Whoever was in the middle of a request is let through.
        self.hurry.wait(UNDER_WAY);
        let all = FlushRequest { seal: true, push: true, ..FlushRequest::default() };
        engine.flush(&all, Then::Leave, &mut report);
        let request = UmountRequest { flush: all, ..UmountRequest::default() };
        engine.rest(&request, &mut report);
        if let Some(failure) = report.failure {
            tracing::warn!(workspace = %room.id, "it ended here, and stays in toft list: {failure}");
        }
    }
}
