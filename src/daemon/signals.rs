//! SIGTERM and SIGINT end a mount in good order; SIGHUP means nothing to a daemon.

use super::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `on_signal` from a thread of its own for each SIGTERM or SIGINT from now on.
pub fn watch(mut on_signal: impl FnMut(&'static str) + Send + 'static) -> Result<(), Failure> {
    let failed = || Failure::io("cannot watch for signals");
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(failed())?;
    let watch = move || {
        for signal in signals.forever() {
            match signal {
                SIGTERM => on_signal("SIGTERM"),
                SIGINT => on_signal("SIGINT"),
                _ => tracing::debug!(signal, "ignored"),
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).map_err(failed())?;
    Ok(())
}
