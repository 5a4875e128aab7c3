//! The file system through the kernel, on real mounts. One file an operation.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panic and run programs"
)]

#[path = "../support/gitrepo.rs"]
#[allow(dead_code)]
mod gitrepo;
mod smoke;
#[path = "../support/view.rs"]
#[allow(dead_code)]
mod view;
mod world;
