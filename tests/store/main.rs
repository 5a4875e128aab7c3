//! Stores: what is asked of a remote, what is fetched, what is refused.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

#[allow(dead_code, reason = "shared by several tests")]
#[path = "../support/gitrepo.rs"]
mod gitrepo;
#[allow(dead_code, reason = "shared by several tests")]
#[path = "../support/http.rs"]
mod http;

mod broken;
mod choosing;
mod support;
mod warm;

#[test]
fn everything_here_holds_with_the_other_git() {
    gitrepo::again_with_the_other_git();
}
