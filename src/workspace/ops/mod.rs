//! The verbs of the file system, one file each.

mod create;
mod io;
mod link;
mod lookup;
mod pass;
mod readdir;
mod remove;
mod rename;
mod setattr;
mod space;
mod statfs;
mod xattr;

pub use io::{OpenMode, WriteMode, Written};
pub use pass::Offer;
pub use readdir::DirEntry;
pub use rename::RenameMode;
pub use setattr::{SetAttr, SetTime};
pub use statfs::FsStat;
pub use xattr::XattrMode;
