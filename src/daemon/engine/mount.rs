//! The kernel's side of an engine.

use super::Engine;
use crate::daemon::failure::{Failure, Kind};
use crate::daemon::mountinfo;
use crate::daemon::presence::shown_source;
use crate::fuse::{Access, MountFlags, MountOptions, Opens, Place, Session, Transport};
use crate::registry::{FlushPolicy, Holder, Status};

impl Engine {
    /// Mounts it at its folder.
    pub fn mount(&self, access: Access, flags: MountFlags) -> Result<Session, Failure> {
        self.mount_place(Place::One(self.workspace.clone()), access, flags)
    }

    /// Mounts at its folder what `place` says.
    pub(in crate::daemon) fn mount_place(
        &self,
        place: Place,
        access: Access,
        flags: MountFlags,
    ) -> Result<Session, Failure> {
        self.require_free_folder()?;
        let options = MountOptions {
            source: shown_source(&self.record),
            read_only: self.record.view.read_only && !self.record.serves,
            access,
            flags,
            opens: match self.flush_policy() {
                _ if flags.passthrough => Opens::Passed,
                FlushPolicy::Close => Opens::Told,
                _ => Opens::Untold,
            },
            transport: Transport::default(),
        };
        let holder = Holder::current()?;
        // Noted before: a mount that nobody would find again must not be left by a crash.
        self.host.registry.update(self.id(), |record| {
            record.status = Status::Mounted;
            record.daemon = Some(holder);
            record.spent = false;
        })?;
        match Session::show(place, self.dir(), &options) {
            Ok(session) => {
                let _ = self.notifier.set(session.notifier().clone());
                let _ = self.requests.set(session.requests().clone());
                let _ = self.transport.set(session.transport());
                Ok(session)
            }
            Err(error) => {
                self.host.registry.update(self.id(), |record| record.status = Status::Idle)?;
                Err(error.into())
            }
        }
    }

    /// The folder was checked before; somebody may have been faster.
    fn require_free_folder(&self) -> Result<(), Failure> {
        let mounts = mountinfo::read()?;
        match mountinfo::ours_at(&mounts, self.dir()) {
            None => Ok(()),
            Some(_) => {
                let what = format!("another workspace was mounted at {}", self.dir().display());
                Err(Failure::new(Kind::AlreadyMounted, what).fix("choose another folder"))
            }
        }
    }
}
