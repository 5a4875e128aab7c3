//! What a served workspace does beside its loop: flush by policy, sync and trim the journal. (What
//! could not be pushed is retried by `sync::RetryLoop`.)

use super::control::FlushRequest;
use super::engine::{Engine, Then};
use super::failure::Failure;
use super::policy::Scheduler;
use super::report::FlushReport;
use super::serve::spawn;
use crate::sys::Cancel;
use std::sync::Arc;
use std::time::Duration;

/// How often the policy looks at the mount.
const LOOK: Duration = Duration::from_millis(200);
/// How often what is not synced becomes durable by itself.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Starts the threads; they end when `stop` is cancelled, or with the process.
pub fn start(engine: &Arc<Engine>, stop: &Cancel) -> Result<(), Failure> {
    let scheduler = engine.scheduler();
    if scheduler.is_active() {
        let (engine, stop) = (engine.clone(), stop.clone());
        spawn("policy", move || by_policy(&engine, scheduler, &stop))?;
    }
    if engine.is_lazy() {
        let (engine, stop) = (engine.clone(), stop.clone());
        spawn("hydrate", move || engine.hydrate(&stop))?;
    }
    let (engine, stop) = (engine.clone(), stop.clone());
    spawn("housekeeping", move || keep_house(&engine, &stop))
}

fn by_policy(engine: &Engine, mut scheduler: Scheduler, stop: &Cancel) {
    while !stop.wait(LOOK) {
        let activity = engine.activity();
        if !scheduler.step(activity, engine.now()) {
            continue;
        }
        let request = FlushRequest { seal: true, push: true, ..FlushRequest::default() };
        let mut report = FlushReport::new(engine.id(), engine.dir());
        engine.flush(&request, Then::Stay, &mut report);
        let sealed = report.seal.is_some();
        scheduler.flushed(activity, sealed, engine.now());
    }
}

/// Trims and syncs the journal now and then, so that little is replayed and little can be lost with
/// the power.
fn keep_house(engine: &Engine, stop: &Cancel) {
    while !stop.wait(HOUSEKEEPING) {
        engine.keep_house();
    }
}
