//! (being written)

mod change;
mod node;

pub use change::Change;
pub use node::{DirBase, Directory, FileData, Meta, Node, NodeData, Slot};
