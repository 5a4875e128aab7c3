//! The git room against real git.

mod base;
mod exclude;
mod filter;
mod git;
mod memory;
mod merge;
mod random;
mod read;
mod refs;
mod write;
