//! sshd with keys, all of its own: host key, configuration, known hosts. Works as root and as an
//! ordinary user (who can then only sign in as himself).

use super::super::Host;
use super::super::child::Background;
use super::{Server, must_run};
use std::fs;
use std::process::Command;

/// Who signs in.
pub fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub fn prepare(server: &Server) {
    for name in ["host-key", "user-key"] {
        let path = server.path(name);
        let path = path.to_str().expect("text");
        must_run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path]);
    }
    fs::copy(server.path("user-key.pub"), server.path("authorized_keys")).expect("copy");
    if super::super::is_root() {
        // sshd wants its empty directory when it starts as root
        fs::create_dir_all("/run/sshd").expect("mkdir /run/sshd");
    }
}

pub fn start(server: &Server) -> Vec<Background> {
    let configuration = format!(
        "ListenAddress 127.0.0.1:{port}\n\
         HostKey {dir}/host-key\n\
         AuthorizedKeysFile {dir}/authorized_keys\n\
         PidFile none\n\
         StrictModes no\n\
         UsePAM no\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\n\
         MaxStartups 100\n\
         PrintMotd no\n\
         LogLevel VERBOSE\n",
        port = server.port,
        dir = server.dir.path().display(),
    );
    let path = server.path("sshd_config");
    fs::write(&path, configuration).expect("write");
    // sshd wants its own absolute path
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f"]).arg(&path);
    vec![Background::start(command, &server.path("sshd.log"))]
}

/// Gives `host` the key to sign in with, and makes the server's host key known to it.
pub fn introduce(server: &Server, host: &Host) {
    let key = fs::read_to_string(server.path("user-key")).expect("the key");
    let key = host.secret("ssh-key", &key);
    let public = fs::read_to_string(server.path("host-key.pub")).expect("the host key");
    let known = host.path("home/known_hosts");
    // every port of 127.0.0.1: the server may be behind a proxy
    fs::write(&known, format!("127.0.0.1,[127.0.0.1]:* {public}")).expect("write");
    let configuration = format!(
        "Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
         StrictHostKeyChecking yes\n  BatchMode yes\n  LogLevel ERROR\n",
        key.display(),
        known.display()
    );
    let path = host.path("home/ssh_config");
    fs::write(&path, configuration).expect("write");
    host.configure("core.sshCommand", &format!("ssh -F {}", path.display()));
}
