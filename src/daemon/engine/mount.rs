//! The kernel's side of an engine.

use super::Engine;
use crate::daemon::failure::{Failure, Kind};
use crate::daemon::mountinfo;
use crate::fuse::{MountOptions, Session};
use crate::git::redact_url;
use crate::registry::{Holder, Status};

impl Engine {
    /// Mounts it at its folder.
    pub fn mount(&self, allow_other: bool) -> Result<Session, Failure> {
        self.require_free_folder()?;
        let options = MountOptions {
            source: self.shown_source(),
            read_only: self.record.view.read_only,
            allow_other,
        };
        let session = Session::mount(self.workspace.clone(), self.dir(), &options)?;
        let _ = self.notifier.set(session.notifier().clone());
        let noted = Holder::current().and_then(|holder| {
            self.host.registry.update(self.id(), |record| {
                record.status = Status::Mounted;
                record.daemon = Some(holder);
                record.spent = false;
            })
        });
        if let Err(error) = noted {
            // Nobody would find it again.
            session.unmount(true)?;
            return Err(error.into());
        }
        Ok(session)
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

    /// What findmnt shows: where it comes from, without secrets.
    fn shown_source(&self) -> String {
        let url = redact_url(&self.record.source.url);
        match (&self.record.branch, self.record.source.at.or(self.record.base)) {
            (Some(branch), _) => format!("{url}#{}", branch.trim_start_matches("refs/heads/")),
            (None, Some(commit)) => format!("{url}#{commit}"),
            (None, None) => url,
        }
    }
}
