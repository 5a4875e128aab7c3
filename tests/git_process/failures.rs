use crate::gitrepo::World;
use crate::http::{Behaviour, Fault, Server};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};
use toft::git::{FetchOptions, Git, GitError};
use toft::sys::Cancel;

fn kind<T>(result: Result<T, GitError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(GitError::Unreachable(_)) => "unreachable",
        Err(GitError::Credentials(_)) => "credentials",
        Err(GitError::NoSuchRepository(_)) => "no repository",
        Err(GitError::NoSuchBranch(_)) => "no branch",
        Err(GitError::Refused(_)) => "refused",
        Err(GitError::Timeout { .. }) => "timeout",
        Err(GitError::Cancelled { .. }) => "cancelled",
        Err(error) => panic!("no kind for {error:?}"),
    }
}

fn ask(url: &str) -> &'static str {
    kind(Git::new("/nonexistent".as_ref(), None).ls_remote(url))
}

#[test]
fn a_source_that_is_no_repository_is_told_from_one_that_does_not_answer() {
    let world = World::new();
    std::fs::create_dir(world.path("plain")).unwrap();
    assert_eq!(ask("/nonexistent/repo"), "no repository");
    assert_eq!(ask("file:///nonexistent/repo"), "no repository");
    assert_eq!(ask(&world.path("plain").display().to_string()), "no repository");
    assert_eq!(ask("http://does-not-exist.invalid/x"), "unreachable");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(ask(&format!("http://{closed}/x")), "unreachable");
    assert_eq!(ask(&format!("git://{closed}/x")), "unreachable");
    assert_eq!(ask("ssh://git@does-not-exist.invalid/x"), "unreachable");
    assert_eq!(ask("git@does-not-exist.invalid:x"), "unreachable");
}

#[test]
fn answers_of_a_web_server_have_their_kinds() {
    let world = World::new();
    world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let url = server.url("remote.git");
    assert_eq!(ask(&url), "ok");
    for (fault, expected) in [
        (Fault::Status(401), "credentials"),
        (Fault::Status(403), "credentials"),
        (Fault::Status(404), "no repository"),
        (Fault::Status(500), "unreachable"),
        (Fault::Status(503), "unreachable"),
        (Fault::Status(429), "unreachable"),
        (Fault::Garbage, "no repository"),
        (Fault::Drop, "unreachable"),
    ] {
        let shown = format!("{fault:?}");
        server.fault("/", fault);
        assert_eq!(ask(&url), expected, "{shown}");
    }
    server.heal();
    assert_eq!(ask(&server.url("absent.git")), "no repository");
    assert_eq!(ask(&url.replace("http:", "https:")), "unreachable", "TLS");
    server.behave(Behaviour { authorization: Some("Basic x".to_owned()), fault: None });
    assert_eq!(ask(&url), "credentials");
}

#[test]
fn a_remote_that_hangs_is_left_in_time_and_leaves_no_process() {
    let world = World::new();
    let server = Server::start(&world.path(""));
    server.fault("/", Fault::Hang);
    let url = server.url("hanging-remote.git");
    let remote = Git::new(&world.path(""), None).timeout(Some(Duration::from_millis(600)));
    let start = Instant::now();
    let error = remote.ls_remote(&url).unwrap_err();
    assert!(matches!(&error, GitError::Timeout { seconds: 1, .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_gone(&url);
}

#[test]
fn a_request_to_stop_ends_a_child_at_once() {
    let world = World::new();
    let server = Server::start(&world.path(""));
    server.fault("/", Fault::Hang);
    let url = server.url("stopped-remote.git");
    let cancel = Cancel::new().unwrap();
    let remote = Git::new(&world.path(""), None).cancelled_by(cancel.clone());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| kind(remote.ls_remote(&url)));
        server.wait_for("stopped-remote.git");
        let start = Instant::now();
        cancel.cancel();
        assert_eq!(asking.join().unwrap(), "cancelled");
        assert!(start.elapsed() < Duration::from_secs(2));
    });
    assert_gone(&url);
}

/// git and its git-remote-http were killed; the second may take a moment to be gone.
fn assert_gone(url: &str) {
    let start = Instant::now();
    while processes_with(url) > 0 {
        assert!(start.elapsed() < Duration::from_secs(1), "a process was left");
        std::thread::yield_now();
    }
}

/// Processes that have `text` in their arguments.
fn processes_with(text: &str) -> usize {
    let arguments = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        std::fs::read(entry.path().join("cmdline")).ok()
    });
    arguments.filter(|bytes| String::from_utf8_lossy(bytes).contains(text)).count()
}

#[test]
fn a_background_process_that_keeps_the_pipes_open_holds_nobody_up() {
    // The user says how ssh is run, here by the environment of a second run of this test.
    if let Ok(url) = std::env::var("TOFT_TEST_URL") {
        assert_eq!(Git::new(Path::new("/"), None).ls_remote(&url).unwrap().refs.len(), 1);
        return;
    }
    let world = World::new();
    world.seeded("remote.git");
    let ssh = world.path("ssh");
    std::fs::write(&ssh, "#!/bin/sh\nsleep 20 &\nfor last; do :; done\neval \"$last\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&ssh, mode).unwrap();
    let start = Instant::now();
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["failures::a_background_process_that_keeps_the_pipes_open_holds_nobody_up"]);
    again.arg("--exact").env("GIT_SSH_COMMAND", &ssh);
    again.env("TOFT_TEST_URL", format!("ssh://host{}", world.path("remote.git").display()));
    // Not its output, of which the process in the background holds the end open.
    let quiet = std::process::Stdio::null;
    assert!(again.stdout(quiet()).stderr(quiet()).status().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_url_cannot_run_a_command() {
    let world = World::new();
    let canary = world.path("canary");
    for url in [
        format!("ext::touch {}", canary.display()),
        format!("--upload-pack=touch {}", canary.display()),
        format!("ssh://-oProxyCommand=touch {}/x", canary.display()),
    ] {
        let error = Git::new(&world.path(""), None).ls_remote(&url).unwrap_err();
        assert!(!canary.exists(), "{url}: {error}");
    }
    assert_eq!(ask("ext::true"), "refused");
}

#[test]
fn a_branch_that_is_missing_is_said_to_be_missing() {
    let world = World::new();
    let (url, _) = world.seeded("remote.git");
    let remote = Git::new(&world.gitdir("w.git"), None);
    let spec = "refs/heads/gone:refs/x".to_owned();
    assert_eq!(kind(remote.fetch(&url, &[spec], &FetchOptions::default())), "no branch");
}
