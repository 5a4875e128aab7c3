//! The user's git as a child: what it is asked, what it may see, and what its failures mean.
//! Real git, real repositories, a real (loopback) HTTP server.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

#[path = "../support/gitrepo.rs"]
mod gitrepo;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod http;

mod asking;
mod failures;
mod fetching;
mod maintenance;
mod promised;
mod pushing;
mod secrets;

#[test]
fn everything_here_holds_with_the_other_git() {
    gitrepo::again_with_the_other_git();
}
