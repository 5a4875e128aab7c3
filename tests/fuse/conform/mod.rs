//! Conformance by comparison: what a local disk answers and leaves behind, a mount must answer and
//! leave behind.
//!
//! A [`matrix::Matrix`] is a table of calls (rows) on kinds of objects (columns); each cell names
//! the errno. Every cell runs on the local disk, as the oracle, and in mounts where the object comes
//! from the base, was touched, was made there, or was moved; then all that can be seen of it must be
//! the same (kinds, modes, owners, links, times that moved, content), and the same again after a
//! remount. Where there is no local disk of a kind that we know, the mounts are compared with the
//! table and with each other.

mod at_path;
mod calls;
mod handles;
mod kinds;
mod matrix;
mod oracle;
mod permissions;
pub mod raw;
mod renames;
mod snapshot;
mod stage;
mod walk;
mod watching;

use matrix::Matrix;

/// Each is run by a test of its own.
const TABLES: &[&Matrix] = &[
    &at_path::PATHS,
    &renames::RENAMES,
    &permissions::PERMISSIONS,
    &handles::HANDLES,
    &watching::WATCHING,
];

#[test]
fn the_tables_hold_thousands_of_assertions() {
    let mut sum = 0;
    for table in TABLES {
        println!("{}: {} outcomes asserted", table.name, table.assertions());
        sum += table.assertions();
    }
    println!("random walks: {} answers compared", walk::ASSERTIONS);
    sum += walk::ASSERTIONS;
    println!("{sum} in all");
    assert!(sum >= 1500, "{sum}");
}
