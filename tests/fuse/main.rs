//! The file system through the kernel, on real mounts. One file an operation.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod attr;
mod conform;
mod counts;
mod create;
mod damaged;
mod gitfile;
mod gitlink;
#[path = "../support/gitrepo.rs"]
#[allow(dead_code)]
mod gitrepo;
mod io;
mod link;
mod locks;
mod merge;
mod mmap;
mod names;
mod passthrough;
mod read_only;
mod readdir;
mod remove;
mod rename;
mod ring;
mod session;
mod smoke;
mod space;
mod sync;
mod unlinked;
mod user;
#[path = "../support/view.rs"]
#[allow(dead_code)]
mod view;
mod watch;
mod world;
mod xattr;
