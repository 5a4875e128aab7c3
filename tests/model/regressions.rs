//! What random operations once found, shrunk, by name.

use crate::harness::run;
use crate::ops::{Op, Pick};
use crate::workspace::Direct;

const DIR: u32 = 0o755;

#[test]
fn a_value_that_is_too_large_is_refused_before_its_namespace() {
    run(Direct::new(), &[Op::SetXattr { file: 0, name: 3, len: 65_001, mode: 0 }]);
}

#[test]
fn a_missing_source_is_told_before_a_target_that_is_too_long() {
    let missing = Pick::Fresh(3);
    let long = Pick::Fresh(11);
    run(Direct::new(), &[Op::Rename { from: 0, name: missing, to: 0, new_name: long, mode: 2 }]);
    run(Direct::new(), &[Op::Unlink { dir: 0, name: long }]);
}

#[test]
fn a_removed_directory_is_told_before_what_cannot_be_linked() {
    let steps = [
        Op::Mkdir { dir: 0, name: Pick::Fresh(0), perm: DIR },
        // The new directory is the second of all.
        Op::OpenDir { slot: 1, dir: 1 },
        Op::Rmdir { dir: 0, name: Pick::Fresh(0) },
        // File 0 is `.git`; directory 1 is the one that is held open.
        Op::Link { file: 0, dir: 1, name: Pick::Fresh(0) },
        Op::Create { dir: 1, name: Pick::Fresh(0), perm: 0o644 },
        Op::Rename { from: 0, name: Pick::Fresh(4), to: 1, new_name: Pick::Fresh(0), mode: 2 },
    ];
    run(Direct::new(), &steps);
}
