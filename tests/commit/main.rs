//! The commit room against real git: the tree of a seal is what `git add -A && git write-tree` makes
//! of the same files.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod damage;
mod generated;
#[path = "../git/git.rs"]
#[allow(dead_code)]
mod git;
mod guards;
mod messages;
mod nested;
#[path = "../git/random.rs"]
mod random;
mod rules;
mod seals;
mod secrets;
mod tracked;
mod world;
