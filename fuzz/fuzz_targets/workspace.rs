//! Whole workspace operations against the model of tests/model: the input is decoded into
//! operations, which are done to both.
#![no_main]
#![allow(dead_code, reason = "parts of the tests")]

#[path = "../../tests/model/generators.rs"]
mod generators;
#[path = "../../tests/support/gitrepo.rs"]
mod gitrepo;
#[path = "../../tests/model/ground.rs"]
mod ground;
#[path = "../../tests/model/harness.rs"]
mod harness;
#[path = "../../tests/model/ops.rs"]
mod ops;
#[path = "../../tests/model/powerdisk.rs"]
mod powerdisk;
#[path = "../../tests/model/reference.rs"]
mod reference;
#[path = "../../tests/support/view.rs"]
mod view;
#[path = "../../tests/model/workspace.rs"]
mod workspace;

use libfuzzer_sys::fuzz_target;
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::OnceCell;

/// Bytes that an operation is made from: what is changed there changes no other operation.
const OP_BYTES: usize = 4;
/// More would only be slow.
const OPS_MAX: usize = 80;

fuzz_target!(|input: &[u8]| {
    let ops: Vec<_> = input.chunks(OP_BYTES).take(OPS_MAX).map(decode).collect();
    let dir = tempfile::tempdir().expect("room");
    let state = view::State::in_dir(harness::lower(), dir);
    harness::run(workspace::Direct::over(state), &ops);
});

fn decode(bytes: &[u8]) -> ops::Op {
    thread_local! {
        static OP: OnceCell<BoxedStrategy<ops::Op>> = const { OnceCell::new() };
    }
    OP.with(|op| {
        let mut seed = [0; 32];
        seed[..bytes.len()].copy_from_slice(bytes);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let op = op.get_or_init(|| generators::op().boxed());
        op.new_tree(&mut runner).expect("no operation is refused").current()
    })
}
