//! Values that every room may use: ids, names, attributes, times.
//!
//! Must not know: any other room, I/O, clocks, locks. `Oid` is the one re-export of gix.

mod attr;
mod boot;
mod ids;
mod ino_map;
mod mode;
mod name;
mod time;

pub use attr::{Attr, FileKind};
pub use boot::BootId;
pub use gix::ObjectId as Oid;
pub use gix::hash::Kind as HashKind;
pub use ids::{BodyId, Fh, Ino, Seq, WorkspaceId};
pub use ino_map::{InoHash, InoHasher, InoMap};
pub use mode::TreeMode;
pub use name::{NAME_MAX, Name, NameError};
pub use time::Timespec;
