//! A loopback HTTP server for tests: `git http-backend` behind switches for faults.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

/// What the server does with a request.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Refuses with 401 what has not this `Authorization`.
    pub authorization: Option<String>,
    /// Faults, for requests whose path and query contain the text.
    pub fault: Option<(&'static str, Fault)>,
}

#[derive(Clone, Debug)]
pub enum Fault {
    Status(u16),
    Redirect(String),
    Garbage,
    /// Keeps the connection open and says nothing.
    Hang,
    /// Closes the connection; the request has no effect.
    Drop,
    /// The request has its effect, the answer is lost.
    LoseReply,
    /// The answer is that of a request that has its effect, and then it is taken back.
    Lie,
}

pub struct Server {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<String>>,
    changed: Condvar,
    hanging: Mutex<Vec<TcpStream>>,
}

impl Server {
    /// Serves the repositories below `root`.
    pub fn start(root: &Path) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            behaviour: Mutex::default(),
            requests: Mutex::default(),
            changed: Condvar::new(),
            hanging: Mutex::default(),
        });
        let served = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || served.serve(stream));
            }
        });
        Server { address, shared }
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    pub fn fault(&self, on: &'static str, fault: Fault) {
        self.shared.behaviour.lock().unwrap().fault = Some((on, fault));
    }

    pub fn heal(&self) {
        self.shared.behaviour.lock().unwrap().fault = None;
    }

    /// Closes the connections that hang, and lets no other hang.
    pub fn release(&self) {
        self.heal();
        for stream in self.shared.hanging.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Heads of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until a request came whose head contains `text`.
    pub fn wait_for(&self, text: &str) {
        let mut requests = self.shared.requests.lock().unwrap();
        while !requests.iter().any(|request| request.contains(text)) {
            requests = self.shared.changed.wait(requests).unwrap();
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let Some((head, body)) = read_request(&mut stream) else { return };
        let behaviour = self.behaviour.lock().unwrap().clone();
        self.requests.lock().unwrap().push(head.clone());
        self.changed.notify_all();
        let target = head.split(' ').nth(1).unwrap_or("/").to_owned();
        let signed_in = behaviour
            .authorization
            .as_ref()
            .is_none_or(|needed| header(&head, "authorization").as_ref() == Some(needed));
        if !signed_in {
            reply(&mut stream, "401 No", "WWW-Authenticate: Basic realm=\"x\"\r\n", b"");
            return;
        }
        match behaviour.fault.filter(|(on, _)| target.contains(on)).map(|(_, fault)| fault) {
            Some(Fault::Status(code)) => {
                reply(&mut stream, &format!("{code} Fault"), "", b"broken")
            }
            Some(Fault::Redirect(to)) => {
                reply(&mut stream, "302 Found", &format!("Location: {to}{target}\r\n"), b"");
            }
            Some(Fault::Garbage) => {
                reply(&mut stream, "200 OK", "", b"\x1b[31m<html>nonsense</html>")
            }
            Some(Fault::Hang) => {
                // Until the other side has enough, or the server does.
                self.hanging.lock().unwrap().extend(stream.try_clone());
                let _ = stream.read(&mut [0; 1]);
            }
            Some(Fault::Drop) => {}
            Some(Fault::LoseReply) => {
                self.backend(&head, &target, &body);
            }
            Some(Fault::Lie) => {
                let path = target.split(['?']).next().unwrap_or("/");
                let repo = path.trim_start_matches('/').split('/').next().unwrap();
                let before = refs(&self.root.join(repo));
                let (head, body) = self.backend(&head, &target, &body);
                restore(&self.root.join(repo), &before);
                reply(&mut stream, "200 OK", &head, &body);
            }
            None => {
                let (head, body) = self.backend(&head, &target, &body);
                reply(&mut stream, "200 OK", &head, &body);
            }
        }
    }

    /// Runs `git http-backend`; headers (with a `Status:` that becomes nothing) and body.
    fn backend(&self, head: &str, target: &str, body: &[u8]) -> (String, Vec<u8>) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut command = Command::new(super::gitrepo::program());
        for (name, _) in std::env::vars() {
            if name.starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REMOTE_ADDR", "127.0.0.1")
            .env("REQUEST_METHOD", head.split(' ').next().unwrap())
            .env("CONTENT_TYPE", header(head, "content-type").unwrap_or_default())
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", header(head, "content-encoding").unwrap_or_default())
            .env("GIT_PROTOCOL", header(head, "git-protocol").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let sent = body.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&sent));
        let mut said = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
        let _ = writer.join().unwrap();
        child.wait().unwrap();
        let end = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0);
        let head = String::from_utf8_lossy(&said[..end]).into_owned() + "\r\n";
        (head, said[(end + 4).min(said.len())..].to_vec())
    }
}

/// The refs of a bare repository, a line each: object, blank, name.
fn refs(repo: &Path) -> Vec<String> {
    let listed = super::gitrepo::git(repo, &["for-each-ref", "--format=%(objectname) %(refname)"]);
    listed.lines().map(str::to_owned).collect()
}

fn restore(repo: &Path, before: &[String]) {
    for line in refs(repo).iter().filter(|line| !before.contains(line)) {
        let (_, name) = line.split_once(' ').unwrap();
        let old = before.iter().filter_map(|line| line.split_once(' ')).find(|(_, n)| *n == name);
        match old {
            Some((oid, _)) => super::gitrepo::git(repo, &["update-ref", name, oid]),
            None => super::gitrepo::git(repo, &["update-ref", "-d", name]),
        };
    }
}

fn reply(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let status = headers
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .map_or(status.to_owned(), str::to_owned);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Head and body of one request.
fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, &mut bytes)?;
        if bytes[0] == 0x16 {
            // The start of TLS, which is not spoken here.
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end);
    if header(&head, "transfer-encoding").is_some() {
        return Some((head, read_chunks(stream, body)?));
    }
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while body.len() < length {
        more(stream, &mut body)?;
    }
    Some((head, body))
}

fn read_chunks(stream: &mut TcpStream, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = loop {
            match bytes.windows(2).position(|two| two == b"\r\n") {
                Some(at) => break at,
                None => more(stream, &mut bytes)?,
            }
        };
        let size =
            usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?.trim(), 16).ok()?;
        while bytes.len() < end + 2 + size + 2 {
            more(stream, &mut bytes)?;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes.drain(..end + 2 + size + 2);
        if size == 0 {
            return Some(body);
        }
    }
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 8192];
    match stream.read(&mut buffer) {
        Ok(0) | Err(_) => None,
        Ok(len) => {
            bytes.extend_from_slice(&buffer[..len]);
            Some(())
        }
    }
}
