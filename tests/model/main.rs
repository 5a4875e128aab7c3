//! The merged view against a pure reference model: random operations, each errno and every file
//! compared; first without a kernel, then on a real mount.
//!
//! `TOFT_MODEL_CASES` and `TOFT_MODEL_SEED` make it longer or other; the seed of a failure is printed.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panic and run programs"
)]

mod faultdisk;
mod faults;
mod forks;
mod generators;
#[path = "../support/gitrepo.rs"]
#[allow(dead_code)]
mod gitrepo;
mod ground;
mod harness;
mod mounted;
mod ops;
mod pairs;
mod power;
mod power_made;
mod power_order;
mod power_seals;
mod powerdisk;
mod race;
mod reference;
mod regressions;
mod sealing;
mod threads;
#[path = "../support/view.rs"]
#[allow(dead_code)]
mod view;
mod workspace;

use harness::{explore, run};

/// Four times 250 cases of about 100 operations, side by side.
const CASES: u32 = 250;

#[test]
fn random_operations_first_quarter() {
    explore(1, CASES, workspace::Direct::new);
}

#[test]
fn random_operations_second_quarter() {
    explore(2, CASES, workspace::Direct::new);
}

#[test]
fn random_operations_third_quarter() {
    explore(3, CASES, workspace::Direct::new);
}

#[test]
fn random_operations_fourth_quarter() {
    explore(4, CASES, workspace::Direct::new);
}

#[test]
fn random_operations_on_either_side_of_forks_do_not_show_on_the_other() {
    explore(6, 50, forks::Forking::new);
}

#[test]
fn random_operations_on_a_real_mount() {
    explore(5, 40, mounted::Mounted::new);
}

#[test]
fn the_model_sees_a_file_that_is_wrong() {
    let steps = [ops::Op::Create { dir: 0, name: ops::Pick::Fresh(0), perm: 0o644 }];
    let failed = std::panic::catch_unwind(|| run(workspace::Direct::broken(), &steps));
    assert!(failed.is_err());
}
