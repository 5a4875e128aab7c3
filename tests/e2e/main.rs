//! The main job on real mounts with real servers: mount, ordinary file I/O, umount, mount
//! elsewhere, compare.
#![allow(clippy::disallowed_methods, reason = "tests start children")]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod codes;
mod damage;
mod dead;
mod disk_full;
mod forbidden;
mod fork;
mod hard;
mod kernel;
mod limits;
mod mount8;
mod mount_options;
mod odd_folders;
mod passthrough;
mod policies;
mod power;
mod power_device;
mod race;
mod refusals;
mod resume;
mod round_trip;
mod secrets;
mod serve;
mod unreachable;
mod wedged;
mod work;
