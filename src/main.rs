//! The command line program.

fn main() -> std::process::ExitCode {
    toft::cli::main()
}
