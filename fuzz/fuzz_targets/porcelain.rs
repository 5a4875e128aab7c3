//! What git prints for programs, as a hostile remote may have shaped it.
#![no_main]

mod types {
    pub use toft::types::*;
}
#[path = "../../src/git/porcelain.rs"]
#[allow(dead_code, reason = "a part of the room")]
mod porcelain;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    porcelain::ls_remote(bytes);
    porcelain::push(bytes);
    porcelain::unborn(&String::from_utf8_lossy(bytes));
});
