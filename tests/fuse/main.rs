//! The file system through the kernel, on real mounts. One file an operation.

#[path = "../support/gitrepo.rs"]
#[allow(dead_code)]
mod gitrepo;
mod smoke;
#[path = "../support/view.rs"]
#[allow(dead_code)]
mod view;
mod world;
