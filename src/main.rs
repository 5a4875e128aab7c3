//! The command line program.

#[cfg(not(feature = "shuttle"))]
fn main() -> std::process::ExitCode {
    toft::cli::main()
}

/// Cargo builds a program beside `tests/races`; its locks would not work.
#[cfg(feature = "shuttle")]
fn main() -> std::process::ExitCode {
    eprintln!("toft: this was built for tests/races; cargo build makes the program");
    std::process::ExitCode::FAILURE
}
