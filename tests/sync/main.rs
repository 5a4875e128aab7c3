//! The push queue and the one who works it off: crashes, races, refusals, dead remotes.
//! Real git, real repositories, a real (loopback) HTTP server.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod crashdisk;
mod outbox;
mod outbox_crash;
