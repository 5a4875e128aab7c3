use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use toft::daemon::control::{
    Client, ClientError, FlushRequest, Hello, MAX_REQUEST, PROTOCOL, Reply, Request, Server,
    UmountRequest, decode, encode,
};
use toft::daemon::{DiffReport, Failure, Kind};

fn hello() -> Hello {
    Hello { toft: PROTOCOL, version: "1".into(), pid: 7, workspace: "w-1".into() }
}

fn serve(
    dir: &Path,
    handler: impl Fn(Request) -> Reply + Send + Sync + 'static,
) -> (Server, PathBuf) {
    let path = dir.join("w-1.sock");
    (Server::start(&path, hello(), Arc::new(handler)).unwrap(), path)
}

fn empty(_: Request) -> Reply {
    Reply::Diff(DiffReport::default())
}

fn raw(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = vec![0; 4096];
    let hello = stream.read(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer[..hello]).contains("w-1"));
    // The server may have hung up on an endless line already.
    let _ = stream.write_all(bytes);
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn a_request_gets_its_reply() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, path) = serve(dir.path(), |request| match request {
        Request::Flush(flush) => Reply::Failed(Failure::new(Kind::Guard, flush.message.unwrap())),
        _ => empty(request),
    });
    let client = Client::connect(&path).unwrap();
    assert_eq!(client.hello(), &hello());
    let message = "two\nlines \u{e9}".to_owned();
    let flush = FlushRequest { seal: true, message: Some(message.clone()), ..Default::default() };
    let reply = client.call(&Request::Flush(flush), Some(Duration::from_secs(5))).unwrap();
    assert_eq!(reply, Reply::Failed(Failure::new(Kind::Guard, message)));
}

#[test]
fn a_socket_path_of_any_length_works_and_its_folder_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
    let (_server, path) = serve(&deep, empty);
    assert!(Client::connect(&path).unwrap().call(&Request::Diff, None).is_ok());
}

#[test]
fn nobody_listening_is_told_from_somebody_silent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    assert!(matches!(Client::connect(&path), Err(ClientError::NoDaemon)));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(matches!(Client::connect(&path), Err(ClientError::Silent)));
    drop(listener);
    assert!(matches!(Client::connect(&path), Err(ClientError::NoDaemon)));
}

#[test]
fn a_stopped_server_leaves_no_socket_and_waits_for_replies() {
    let dir = tempfile::tempdir().unwrap();
    let (server, path) = serve(dir.path(), |request| {
        std::thread::sleep(Duration::from_millis(300));
        empty(request)
    });
    let client = Client::connect(&path).unwrap();
    let answered = std::thread::spawn(move || client.call(&Request::Diff, None).is_ok());
    std::thread::sleep(Duration::from_millis(100));
    server.stop(Duration::from_secs(5));
    assert!(!path.exists());
    assert!(answered.join().unwrap());
}

#[test]
fn broken_requests_are_answered_and_harm_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let (_server, path) = serve(dir.path(), move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        empty(request)
    });
    let broken: [&[u8]; 6] = [
        b"\n",
        b"{}\n",
        b"{\"command\":\"format-disk\"}\n",
        b"{\"command\":\"status\"} {\"command\":\"status\"}\n",
        b"\xff\xfe\n",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
    ];
    for bytes in broken {
        assert!(raw(&path, bytes).contains("usage"), "{}", bytes.escape_ascii());
    }
    let endless = vec![b'x'; MAX_REQUEST + 10_000];
    raw(&path, &endless);
    let deep = format!("{}\n", "[".repeat(100_000));
    assert!(raw(&path, deep.as_bytes()).contains("usage"));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert!(Client::connect(&path).unwrap().call(&Request::Diff, None).is_ok());
}

#[test]
fn a_message_survives_its_line() {
    let request = Request::Umount(UmountRequest { keep: true, ..Default::default() });
    let line = encode(&request).unwrap();
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(decode::<Request>(line.trim_ascii_end()).unwrap(), request);
}
