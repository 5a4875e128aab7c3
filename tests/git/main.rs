//! The git room against real git.

mod git;
mod read;
mod refs;
mod write;
