//! What is left when a workspace is not served any more, and whether it may go.

use super::{Engine, Then};
use crate::daemon::control::UmountRequest;
use crate::daemon::failure::Failure;
use crate::daemon::report::FlushReport;
use crate::registry::Status;

impl Engine {
    /// For a workspace that nobody serves any more: flushes, and lets it rest.
    pub fn recover(&self, request: &UmountRequest) -> FlushReport {
        let mut report = FlushReport::new(self.id(), self.dir());
        if !request.discard {
            self.flush(&request.flush, Then::Leave, &mut report);
        }
        self.rest(request, &mut report);
        report
    }

    /// After the last flush: notes that it is idle; removes it, and the folder that was made for
    /// it, where nothing is lost by that or where that was asked for.
    pub fn rest(&self, request: &UmountRequest, report: &mut FlushReport) {
        if let Err(failure) = self.try_rest(request, report) {
            tracing::error!(%failure, "the workspace could not be put to rest");
            report.failure.get_or_insert(failure);
        }
    }

    fn try_rest(&self, request: &UmountRequest, report: &mut FlushReport) -> Result<(), Failure> {
        if self.record.made_dir {
            // Not empty means that somebody else uses it by now.
            let _ = std::fs::remove_dir(self.dir());
        }
        report.kept = self.holdings()?;
        let nothing_left = report.kept.is_empty() && report.failure.is_none();
        if request.discard || (nothing_left && !request.keep) {
            self.host.registry.remove_held(self.id(), &self.lease)?;
            report.removed = true;
            report.discarded = std::mem::take(&mut report.kept);
            return Ok(());
        }
        self.host.registry.update(self.id(), |record| {
            record.status = Status::Idle;
            record.daemon = None;
            record.spent = nothing_left;
        })?;
        Ok(())
    }

    /// The end of a house: it goes when nobody is left who began as it stands.
    pub(in crate::daemon) fn leave_house(&self, empty: bool, report: &mut FlushReport) {
        let request = UmountRequest { keep: !empty, ..UmountRequest::default() };
        let kept = std::mem::take(&mut report.kept);
        self.rest(&request, report);
        report.kept = kept;
    }

    /// Remembers in the record how far a flush came.
    pub(super) fn note(&self, report: &FlushReport) {
        let noted = self.host.registry.update(self.id(), |record| {
            record.last_error = report.failure.as_ref().map(|failure| match &failure.cause {
                Some(cause) => format!("{}: {cause}", failure.message),
                None => failure.message.clone(),
            });
            let milestone = |commit: Option<&String>| {
                let commit = crate::types::Oid::from_hex(commit?.as_bytes()).ok()?;
                let at_s = self.host.clock.now().sec;
                Some(crate::registry::Milestone { commit, at_s })
            };
            let sealed = report.seal.as_ref().and_then(|seal| seal.commit.as_ref());
            record.last_seal = milestone(sealed).or(record.last_seal);
            record.last_push = milestone(report.pushed_tip()).or(record.last_push);
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "the record could not be brought up to date");
        }
    }
}
