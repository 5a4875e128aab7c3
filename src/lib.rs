//! toft mounts a git repo as a folder.

pub mod base;
pub mod cli;
pub mod commit;
pub mod daemon;
pub mod dotgit;
pub mod fuse;
pub mod git;
pub mod journal;
pub mod overlay;
pub mod registry;
pub mod store;
pub mod sync;
pub mod sys;
pub mod types;
pub mod workspace;
