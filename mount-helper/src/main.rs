//! The helper that mount(8) and umount(8) run for the types `toft` and `fuse.toft`.
//!
//! Installed as `mount.toft`, `mount.fuse.toft`, `umount.toft` and `umount.fuse.toft` (links to
//! one binary; the name decides). It runs as root at boot, so it does little and can be read in
//! ten minutes: check the words ([`request`], [`mount_words`], both pure), check the folder, drop what
//! was inherited (descriptors, environment, working directory, and root where `setuid=` says so),
//! then run `toft`. It links nothing of toft's; what was asked goes to `toft mount --from-helper`
//! as one JSON object on stdin, never on a command line:
//!
//! ```json
//! {"schema":"toft.mount-request/1","source":"https://...","dir":"/srv/widgets","dir_dev":2049,
//!  "dir_ino":1234,"options":{"branch":"main","depth":1,"ro":true}}
//! ```
//!
//! `dir` has no symbolic link in it; `dir_dev` and `dir_ino` say which folder was checked, so that
//! toft can refuse one that was swapped meanwhile. Keys of `options`: see [`mount_words::KNOWN`].

mod request;
mod run;
mod sys;
mod wire;

use request::Request;
use std::process::ExitCode;

/// Exit codes of mount(8); nothing else may leave this program.
pub mod exit {
    /// Incorrect invocation or permissions.
    pub const USAGE: u8 = 1;
    /// System error (out of memory, cannot fork, toft is not installed).
    pub const SYSTEM: u8 = 2;
    /// A fault of this program.
    pub const INTERNAL: u8 = 4;
    /// Interrupted by the user.
    pub const INTERRUPTED: u8 = 8;
    /// The mount failed.
    pub const FAILURE: u8 = 32;
}

/// What goes wrong: what to say and the code to leave with.
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| eprintln!("mount.toft: internal error: {panic}")));
    let outcome = std::panic::catch_unwind(|| match work() {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("mount.toft: {}", failure.message);
            failure.code
        }
    });
    ExitCode::from(outcome.unwrap_or(exit::INTERNAL))
}

fn work() -> Result<(), Failure> {
    sys::close_inherited().map_err(|error| {
        Failure::new(exit::SYSTEM, format!("cannot close inherited descriptors: {error}"))
    })?;
    let words: Result<Vec<String>, _> = std::env::args_os().map(|arg| arg.into_string()).collect();
    let words = words.map_err(|word| {
        let word = word.display();
        Failure::new(exit::USAGE, format!("'{word}' is not UTF-8 (`toft mount` takes any bytes)"))
    })?;
    let (program, arguments) =
        words.split_first().ok_or_else(|| Failure::new(exit::USAGE, "no program name"))?;
    match request::parse(program, arguments).map_err(|why| Failure::new(exit::USAGE, why))? {
        Request::Help => {
            println!("{}", request::USAGE);
            Ok(())
        }
        Request::Mount(request) => run::mount(&request),
        Request::Unmount(request) => run::unmount(&request),
    }
}
