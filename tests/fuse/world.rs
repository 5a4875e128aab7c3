//! A mount over a small base that has one of everything.

use crate::view::{Given, Lower, State, file};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use toft::fuse::{End, MountOptions, Opens, Session, Transport};
use toft::workspace::Workspace;

pub const SUBMODULE: &str = "1111111111111111111111111111111111111111";
pub const BIG: usize = 3 << 20;

/// The base of every mount here.
pub fn lower() -> &'static Lower {
    static LOWER: OnceLock<Lower> = OnceLock::new();
    LOWER.get_or_init(|| {
        let mut given = vec![
            (b"README".to_vec(), file("hello\n")),
            (b"run.sh".to_vec(), Given::Exec(b"#!/bin/sh\necho ran\n".to_vec())),
            (b"empty".to_vec(), file("")),
            (b"big.bin".to_vec(), file(big())),
            (b"link".to_vec(), Given::Link(b"dir/a".to_vec())),
            (b"dangling".to_vec(), Given::Link(b"no/where".to_vec())),
            (b"dir/a".to_vec(), file("aaa\n")),
            (b"dir/b".to_vec(), file("bbb\n")),
            (b"dir/sub/deep".to_vec(), file("deep\n")),
            (b"dir/sub/deeper/deepest".to_vec(), file("deepest\n")),
            (b"other/x".to_vec(), file("xxx\n")),
            (b"module".to_vec(), Given::Gitlink(SUBMODULE)),
        ];
        for number in 0..500 {
            given.push((format!("many/file-{number:04}").into_bytes(), file(number.to_string())));
        }
        Lower::new(given)
    })
}

/// Bytes that differ everywhere.
pub fn big() -> Vec<u8> {
    (0..BIG as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A mounted workspace; unmounted when dropped.
pub struct World<'a> {
    pub workspace: Arc<Workspace>,
    session: Option<Session>,
    dir: tempfile::TempDir,
    state: State<'a>,
    opens: Opens,
}

impl World<'static> {
    pub fn new() -> Self {
        Self::with(State::new(lower()))
    }
}

impl<'a> World<'a> {
    pub fn with(state: State<'a>) -> Self {
        Self::opened(state, opens())
    }

    /// The same where files are opened in this way.
    pub fn opened(state: State<'a>, opens: Opens) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let workspace = state.open();
        let session = Some(mount(&workspace, dir.path(), opens));
        World { workspace, session, dir, state, opens }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn session(&self) -> &Session {
        self.session.as_ref().unwrap()
    }

    /// Unmounts and mounts again, as after a restart of the daemon.
    pub fn remount(&mut self) {
        self.unmount();
        self.workspace = self.state.open();
        self.session = Some(mount(&self.workspace, self.dir.path(), self.opens));
    }

    fn unmount(&mut self) {
        let Some(session) = self.session.take() else { return };
        // A child that has ended may hold its files for a moment longer.
        for _ in 0..50 {
            match session.unmount(std::thread::panicking()) {
                Err(error) if error.is_busy() => std::thread::sleep(Duration::from_millis(20)),
                done => {
                    done.unwrap();
                    break;
                }
            }
        }
        let end = session.wait_for(Duration::from_secs(20));
        if !std::thread::panicking() {
            assert_eq!(end, Some(End::Unmounted));
            let left = Arc::strong_count(&self.workspace);
            assert_eq!(left, 1, "the session lets go of the workspace");
        }
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// Who opens files in these mounts.
pub fn opens() -> Opens {
    match std::env::var_os("TOFT_TEST_OPENS") {
        Some(how) if how == "told" => Opens::Told,
        Some(how) if how == "passed" => Opens::Passed,
        _ => Opens::Untold,
    }
}

/// How requests come in these mounts; None: as the kernel offers it.
pub fn transport() -> Option<Transport> {
    match std::env::var("TOFT_TEST_TRANSPORT").as_deref() {
        Ok("io-uring") => Some(Transport::IoUring),
        Ok("device") => Some(Transport::Device),
        _ => None,
    }
}

fn mount(workspace: &Arc<Workspace>, dir: &Path, opens: Opens) -> Session {
    let source = "https://host.example/repo,with\\signs#main".to_owned();
    let wanted = transport();
    let options = MountOptions {
        source,
        opens,
        transport: wanted.unwrap_or_default(),
        ..MountOptions::default()
    };
    let session = Session::mount(workspace.clone(), dir, &options).unwrap();
    // What the kernel reads and writes by itself is asked for by the device.
    let wanted = wanted.filter(|_| opens != Opens::Passed);
    assert!(wanted.is_none_or(|wanted| wanted == session.transport()), "{wanted:?}");
    session
}

/// The errno of a call that must fail; 0 when it did not.
pub fn errno<T, E: Into<std::io::Error>>(result: Result<T, E>) -> i32 {
    result.err().map_or(0, |error| error.into().raw_os_error().unwrap_or(-1))
}

/// Opens a file for writing and writes to it. A kernel that opens files by itself learns from the
/// write what we refuse.
pub fn write_to(path: &Path) -> std::io::Result<()> {
    std::io::Write::write_all(&mut std::fs::OpenOptions::new().write(true).open(path)?, b"x")
}

/// Compares errnos by name of the case, all at once.
pub fn check_errnos(table: &[(&str, i32, i32)]) {
    let wrong: Vec<_> = table.iter().filter(|(_, got, wanted)| got != wanted).collect();
    assert!(wrong.is_empty(), "(case, got, wanted): {wrong:#?}");
}

pub fn stat(path: impl AsRef<Path>) -> std::fs::Metadata {
    path.as_ref().symlink_metadata().unwrap()
}

/// Runs a shell command in `dir`; it must succeed. Returns what it printed.
pub fn sh(dir: &Path, command: &str) -> String {
    let output =
        std::process::Command::new("sh").args(["-ec", command]).current_dir(dir).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether everything may be tried here; see `user`.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
