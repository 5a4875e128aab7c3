//! Mounts whose files are fetched when they are looked at: real mounts, and a real git server that
//! counts what it is asked.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

#[path = "../support/gitrepo.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod gitrepo;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod http;
#[path = "../support/mod.rs"]
mod support;

mod advance;
mod counts;
mod git;
mod trouble;
mod ways;
mod world;
