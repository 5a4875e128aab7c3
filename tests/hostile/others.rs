//! T10: other users of the host.

use super::support::{self, Host, Kind, Server};
use super::work::{mount, text, umount};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;

/// Connects to the socket, asks, and prints what comes.
const ASK: &str = "
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
try:
    s.sendall(b'{\"command\":\"umount\",\"flush\":{\"seal\":true,\"push\":true},\"discard\":true}\\n')
except BrokenPipeError:
    pass
data = b''
while True:
    try:
        got = s.recv(65536)
    except ConnectionResetError:
        break
    if not got:
        break
    data += got
print(data.decode())
";

#[test]
fn another_user_gets_no_answer_from_a_daemon() {
    let test = "another_user_gets_no_answer_from_a_daemon";
    if !support::can_mount(test) {
        return;
    }
    if !support::is_root() {
        return support::skip(test, "needs root, to be another user");
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    let sockets = fs::read_dir(host.path("run")).expect("ls").flatten().map(|entry| entry.path());
    let socket =
        sockets.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "sock"));
    let socket = socket.expect("a control socket");
    let ask = || {
        let mut command = host.command("python3");
        command.args(["-c", ASK, text(&socket)]).uid(65534).gid(65534).current_dir("/");
        host.run(command)
    };
    let run = host.path("run");
    assert_eq!(fs::metadata(&run).expect("stat").mode() & 0o777, 0o700);
    assert!(ask().expect_code(1).stderr.contains("PermissionError"));
    // even where somebody opened the folder and the socket for all
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).expect("chmod");
    let said = ask().expect_code(0).text();
    assert!(said.contains("permission") && !said.contains("\"workspace\""), "{said}");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).expect("chmod");
    // and nothing came of it
    assert_eq!(fs::read(dir.join("README")).expect("read"), b"hello\n");
    umount(&host, &dir, "").expect_code(0);
    for place in ["state", "cache"] {
        for (path, mode) in modes(&host.path(place)) {
            assert_eq!(mode & 0o077 & !0o055, 0, "{path}: {mode:o}");
        }
    }
}

/// The modes of everything below `dir`.
fn modes(dir: &std::path::Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("ls").flatten() {
        let metadata = fs::symlink_metadata(entry.path()).expect("stat");
        if metadata.is_symlink() {
            continue;
        }
        found.push((entry.path().display().to_string(), metadata.mode() & 0o777));
        if metadata.is_dir() {
            found.extend(modes(&entry.path()));
        }
    }
    found
}
