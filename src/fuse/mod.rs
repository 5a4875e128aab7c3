//! The kernel's side: the only room that names `fuser`.
//!
//! Purpose: mount, decode a request, call one method of the workspace, reply; tell the kernel what
//! to forget; unmount.
//! Must not know: the overlay, the base, git.
//! Invariants: a request is answered once; the kernel may keep all it has seen for ever, because
//! every change comes through it or is followed by an invalidation ([`Notifier`]), which is never
//! sent from a request thread.
//! Acknowledged writes are with the workspace when the call returns: no writeback cache.
//! Requests come by the device (`device`) or by a ring (`ring`, `wire`), for the same operations
//! (`adapter`), which do not know by which (`answers`).
//! A crash leaves: a dead mount point (ENOTCONN), which a lazy unmount removes.

mod abort;
mod adapter;
mod answers;
mod ask;
mod convert;
mod count;
mod device;
mod errno;
mod error;
mod kernel;
mod late;
mod mount;
mod notify;
mod reply;
mod ring;
mod route;
mod session;
mod transfer;
mod view;
mod wire;

pub use abort::abort;
pub use count::Requests;
pub use errno::errno;
pub use error::MountError;
pub use mount::{Access, MountFlags, MountOptions, Opens, Transport};
pub use notify::Notifier;
pub use ring::RingOffer;
pub use route::{House, Numbers, Place, SLOTS, Tenant};
pub use session::{End, Session, unmount};
