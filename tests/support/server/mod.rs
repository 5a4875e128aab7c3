//! Remotes: real servers on loopback, on free ports, for one test.

mod lighttpd;
mod nginx;
mod ssh;

use super::child::Background;
use super::{Host, wait_until};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How a remote is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `file://`
    File,
    /// lighttpd and `git http-backend`, no TLS, nobody asked who they are.
    Http,
    /// nginx, fcgiwrap and `git http-backend`, TLS, user and password.
    HttpsBasic,
    /// The same with a token.
    HttpsBearer,
    /// sshd with keys.
    Ssh,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] =
        [Kind::File, Kind::Http, Kind::HttpsBasic, Kind::HttpsBearer, Kind::Ssh];
}

/// A running remote with repositories below its root; ends when dropped.
pub struct Server {
    /// How it is reached.
    pub kind: Kind,
    dir: TempDir,
    port: u16,
    running: Vec<Background>,
}

/// Lifecycle
impl Server {
    /// Starts a remote.
    pub fn start(kind: Kind) -> Server {
        let dir = tempfile::Builder::new().prefix("toft-server-").tempdir().expect("tempdir");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), mode).expect("chmod");
        fs::create_dir(dir.path().join("repos")).expect("mkdir");
        let mut server = Server { kind, dir, port: 0, running: Vec::new() };
        match kind {
            Kind::File => {}
            Kind::Http => lighttpd::prepare(&server),
            Kind::HttpsBasic | Kind::HttpsBearer => nginx::prepare(&server),
            Kind::Ssh => ssh::prepare(&server),
        }
        server.resume();
        server
    }

    /// Ends it; the repositories stay.
    pub fn stop(&mut self) {
        self.running.clear();
    }

    /// Starts it again, on the port that it had.
    pub fn resume(&mut self) {
        for attempt in 0.. {
            if self.port == 0 || attempt > 0 {
                self.port = free_port();
            }
            self.running = match self.kind {
                Kind::File => return,
                Kind::Http => lighttpd::start(self),
                Kind::HttpsBasic | Kind::HttpsBearer => nginx::start(self),
                Kind::Ssh => ssh::start(self),
            };
            if self.answers() {
                return;
            }
            // somebody else may have taken the port meanwhile
            assert!(attempt < 3, "{:?} does not start:\n{}", self.kind, self.log());
        }
    }

    fn answers(&mut self) -> bool {
        let mut answers = false;
        let port = self.port;
        let running = &mut self.running;
        wait_until("the server answers or ends", || {
            let alive = running.iter_mut().all(Background::is_alive);
            answers = alive && TcpStream::connect(("127.0.0.1", port)).is_ok();
            answers || !alive
        });
        answers
    }

    /// What its programs said.
    pub fn log(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.dir.path()).expect("a directory").flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                let said = fs::read(entry.path()).unwrap_or_default();
                text += &format!("{}:\n{}", entry.path().display(), String::from_utf8_lossy(&said));
            }
        }
        text
    }
}

/// Repositories
impl Server {
    /// Where its files are.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The bare repository `name` as a path.
    pub fn repo(&self, name: &str) -> PathBuf {
        self.path("repos").join(name)
    }

    /// Makes an empty bare repository that takes pushes.
    pub fn create(&self, name: &str) -> PathBuf {
        let repo = self.repo(name);
        let host = Host::new();
        let path = repo.to_str().expect("text");
        host.git(self.dir.path(), &["init", "-q", "--bare", "--initial-branch=main", path]);
        // over plain http nobody is known by name, and git wants that said
        host.git(&repo, &["config", "http.receivepack", "true"]);
        repo
    }

    /// The same with one commit on `main` that has a file, an executable, a link and a folder.
    pub fn seeded(&self, name: &str) -> PathBuf {
        let repo = self.create(name);
        let host = Host::new();
        let work = host.folder("seed");
        fs::create_dir(work.join("src")).expect("mkdir");
        fs::write(work.join("README"), "hello\n").expect("write");
        fs::write(work.join("src/main.c"), "int main(void) { return 0; }\n").expect("write");
        fs::write(work.join("run"), "#!/bin/sh\necho hi\n").expect("write");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(work.join("run"), mode).expect("chmod");
        std::os::unix::fs::symlink("src/main.c", work.join("link")).expect("link");
        host.git(&work, &["init", "-q"]);
        host.git(&work, &["add", "-A"]);
        host.git(&work, &["commit", "-q", "-m", "first"]);
        host.git(&work, &["push", "-q", repo.to_str().expect("text"), "HEAD:refs/heads/main"]);
        repo
    }

    /// The URL of the repository `name`.
    pub fn url(&self, name: &str) -> String {
        self.url_at(name, self.port)
    }

    /// The same through another port (see [`super::proxy::Proxy`]).
    pub fn url_at(&self, name: &str, port: u16) -> String {
        let path = self.repo(name);
        let path = path.to_str().expect("text");
        match self.kind {
            Kind::File => format!("file://{path}"),
            Kind::Http => format!("http://127.0.0.1:{port}/{name}"),
            Kind::HttpsBasic | Kind::HttpsBearer => format!("https://127.0.0.1:{port}/{name}"),
            Kind::Ssh => format!("ssh://{}@127.0.0.1:{port}{path}", ssh::user()),
        }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Who may come in
impl Server {
    /// Lets `host` know the server: its certificate or host key, and the ssh key to sign in with.
    pub fn introduce_to(&self, host: &Host) {
        match self.kind {
            Kind::File | Kind::Http => {}
            Kind::HttpsBasic | Kind::HttpsBearer => {
                let certificate = self.path("certificate.pem");
                host.configure("http.sslCAInfo", certificate.to_str().expect("text"));
            }
            Kind::Ssh => ssh::introduce(self, host),
        }
    }

    /// From now on exactly these secrets are taken (`user:password`, or a token).
    pub fn accept(&self, secrets: &[&str]) {
        match self.kind {
            Kind::HttpsBasic => nginx::accept_passwords(self, secrets),
            Kind::HttpsBearer => nginx::accept_tokens(self, secrets),
            _ => panic!("{:?} asks for no secret", self.kind),
        }
    }

    /// A secret that the server takes when it was just started; None where none is asked for.
    pub fn secret(&self) -> Option<&'static str> {
        match self.kind {
            Kind::HttpsBasic => Some(nginx::LOGIN),
            Kind::HttpsBearer => Some(nginx::TOKEN),
            _ => None,
        }
    }

    /// Lets plain git on `host` sign in, by the means that git has itself.
    pub fn sign_in_git(&self, host: &Host) {
        match (self.kind, self.secret()) {
            (Kind::HttpsBasic, Some(login)) => {
                let line = format!("https://{login}@127.0.0.1:{}\n", self.port);
                let file = host.secret("credentials", &line);
                host.configure("credential.helper", &format!("store --file={}", file.display()));
            }
            (Kind::HttpsBearer, Some(token)) => {
                host.configure("http.extraHeader", &format!("Authorization: Bearer {token}"));
            }
            _ => {}
        }
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Where git keeps `git-http-backend`.
fn http_backend() -> PathBuf {
    let output = Command::new(super::GitProgram::Usual.path()).arg("--exec-path").output();
    let output = output.expect("git runs").stdout;
    Path::new(String::from_utf8_lossy(&output).trim()).join("git-http-backend")
}

/// Runs a set-up command to its end.
fn must_run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e} (scripts/test installs it)"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
