//! What `git worktree add` takes for the same: a few are enough, for each is a whole tree.

use super::many::{Each, disk_of, edit, median};
use super::place::{Native, Place, Worktree};
use crate::support::Host;
use std::path::Path;
use std::time::Instant;

pub const COUNT: usize = 5;

pub fn make(host: &Host, repo: &Path, files: &[String]) -> Each {
    let clone = Native::clone(host, repo, "clone").root;
    let before = disk_of(&clone);
    let (mut made, mut edited, mut trees) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..COUNT {
        let begun = Instant::now();
        let tree = Worktree::add(host, &clone, &format!("w{number}"));
        made.push(begun.elapsed());
        edited.push(edit(tree.root(), files, number));
        trees.push(tree);
    }
    // Each also has an index in the clone.
    let indexes = disk_of(&clone) - before;
    let disk = indexes + trees.iter().map(|tree| disk_of(tree.root())).sum::<u64>();
    Each { made: median(&mut made), edited: median(&mut edited), disk: disk / COUNT as u64 }
}
