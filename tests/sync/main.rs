//! The push queue and the one who works it off: crashes, races, refusals, dead remotes.
//! Real git, real repositories, a real (loopback) HTTP server.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

#[path = "../support/gitrepo.rs"]
mod gitrepo;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod http;

mod child;
mod crashdisk;
mod faults;
mod outbox;
mod outbox_crash;
mod phases;
mod pusher;
mod site;
mod writers;

#[test]
fn everything_here_holds_with_the_other_git() {
    gitrepo::again_with_the_other_git();
}
