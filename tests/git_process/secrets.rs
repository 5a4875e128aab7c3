use crate::gitrepo::World;
use crate::http::{Behaviour, Fault, Server};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use toft::git::{Credential, Git, GitError};

fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn served() -> (World, Server, String) {
    let world = World::new();
    world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let url = server.url("remote.git");
    (world, server, url)
}

fn needs(server: &Server, authorization: &str) {
    server.behave(Behaviour { authorization: Some(authorization.to_owned()), fault: None });
}

#[test]
fn a_credential_file_signs_in_both_ways_and_is_read_again_at_each_use() {
    let (world, server, url) = served();
    let path = world.path("credential");
    let credential = Credential::parse(&format!("file:{}", path.display())).unwrap();
    let remote = Git::new(&world.path("none"), Some(credential));
    needs(&server, "Basic bWU6aHVudGVyMg==");
    write_private(&path, "me:hunter2\n");
    remote.ls_remote(&url).unwrap();
    needs(&server, "Bearer art_v1_0123?expires=9");
    let error = remote.ls_remote(&url).unwrap_err();
    assert!(matches!(error, GitError::Credentials(_)), "{error}");
    write_private(&path, "art_v1_0123?expires=9");
    remote.ls_remote(&url).unwrap();
}

#[test]
fn a_variable_signs_in() {
    let (world, server, url) = served();
    // A variable that cargo sets for tests, whatever its value.
    let value = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    needs(&server, &format!("Bearer {value}"));
    let credential = Credential::parse("env:CARGO_MANIFEST_DIR").unwrap();
    Git::new(&world.path("none"), Some(credential)).ls_remote(&url).unwrap();
    let unset = Credential::parse("env:TOFT_TEST_IS_NOT_SET").unwrap();
    let error = Git::new(&world.path("none"), Some(unset)).ls_remote(&url).unwrap_err();
    assert!(matches!(error, GitError::Credentials(_)), "{error}");
}

#[test]
fn a_password_in_the_url_signs_in_and_never_shows() {
    let (world, server, url) = served();
    needs(&server, "Basic bWU6aHVudGVyMg==");
    let remote = Git::new(&world.path("none"), None);
    remote.ls_remote(&url.replace("//", "//me:hunter2@")).unwrap();
    let error = remote.ls_remote(&url.replace("//", "//me:hunter3@")).unwrap_err();
    assert!(matches!(error, GitError::Credentials(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter"), "{error:?}");
}

#[test]
fn no_secret_is_in_the_arguments_of_any_process() {
    let (world, server, url) = served();
    let path = world.path("credential");
    for (text, url) in [
        ("me:cleartext-secret-1", url.clone()),
        ("bearer-secret-2-cleartext", url.clone()),
        ("", url.replace("//", "//me:url-secret-3@")),
    ] {
        write_private(&path, text);
        let credential = (!text.is_empty()).then(|| Credential::File(path.clone()));
        let before = server.requests().len();
        server.fault("/", Fault::Hang);
        let cancel = toft::sys::Cancel::new().unwrap();
        let remote = Git::new(&world.path("none"), credential).cancelled_by(cancel.clone());
        // Nothing is judged before git is ended: a scope waits for its threads.
        let seen = std::thread::scope(|scope| {
            scope.spawn(|| remote.ls_remote(&url).unwrap_err());
            let deadline = Instant::now() + Duration::from_secs(30);
            while server.requests().len() == before && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            let seen = arguments();
            cancel.cancel();
            seen
        });
        assert!(server.requests().len() > before, "git asked nothing");
        assert!(seen.contains("remote-http"), "{seen}");
        assert!(!seen.contains("secret-"), "{seen}");
    }
}

/// The arguments of all processes.
fn arguments() -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if let Ok(bytes) = std::fs::read(entry.path().join("cmdline")) {
            all.push_str(&String::from_utf8_lossy(&bytes).replace('\0', " "));
            all.push('\n');
        }
    }
    all
}

#[test]
fn a_redirect_to_another_host_gets_no_secret() {
    let (world, server, url) = served();
    let elsewhere = Server::start(&world.path(""));
    let target = elsewhere.url("").trim_end_matches('/').to_owned();
    for text in ["me:hunter2", "bearer-token"] {
        server.fault("/", Fault::Redirect(target.clone()));
        elsewhere.behave(Behaviour { authorization: Some("x".to_owned()), fault: None });
        let remote = Git::new(&world.path("none"), Some(Credential::Inline(text.to_owned())));
        remote.ls_remote(&url).unwrap_err();
        let seen = elsewhere.requests().join("\n").to_ascii_lowercase();
        assert!(!seen.contains("authorization"), "{seen}");
    }
}
