//! nginx with TLS in front of fcgiwrap and `git http-backend`; Basic or Bearer, checked against
//! files that are read at each request, so that a secret can expire in mid-session.

use super::super::child::Background;
use super::super::wait_until;
use super::{Kind, Server, http_backend, must_run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The login of a fresh server.
pub const LOGIN: &str = "ana:correct-horse";
/// The token of a fresh server.
pub const TOKEN: &str = "token-of-the-first-hour";

pub fn prepare(server: &Server) {
    let (key, certificate) = (server.path("key.pem"), server.path("certificate.pem"));
    must_run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout",
            key.to_str().expect("text"),
            "-out",
            certificate.to_str().expect("text"),
        ],
    );
    let check = server.path("check-bearer");
    let tokens = server.path("tokens");
    let script = format!(
        "#!/bin/sh\n\
         if [ -n \"$HTTP_AUTHORIZATION\" ] && grep -qxF \"$HTTP_AUTHORIZATION\" {tokens}\n\
         then printf 'Status: 204 No Content\\r\\n\\r\\n'\n\
         else printf 'Status: 401 Unauthorized\\r\\nWWW-Authenticate: Bearer realm=\"git\"\\r\\n\\r\\n'\n\
         fi\n",
        tokens = tokens.display()
    );
    fs::write(&check, script).expect("write");
    fs::set_permissions(&check, fs::Permissions::from_mode(0o755)).expect("chmod");
    match server.kind {
        Kind::HttpsBasic => accept_passwords(server, &[LOGIN]),
        _ => accept_tokens(server, &[TOKEN]),
    }
}

/// Writes the password file.
pub fn accept_passwords(server: &Server, logins: &[&str]) {
    let mut lines = String::new();
    for login in logins {
        let (user, password) = login.split_once(':').expect("user:password");
        let hash = Command::new("openssl").args(["passwd", "-apr1", password]).output();
        let hash = hash.expect("openssl runs").stdout;
        lines += &format!("{user}:{}\n", String::from_utf8_lossy(&hash).trim());
    }
    replace(server, "passwords", &lines);
}

/// Writes the file of tokens.
pub fn accept_tokens(server: &Server, tokens: &[&str]) {
    let lines: String = tokens.iter().map(|token| format!("Bearer {token}\n")).collect();
    replace(server, "tokens", &lines);
}

fn replace(server: &Server, name: &str, content: &str) {
    let beside = server.path(&format!("{name}.new"));
    fs::write(&beside, content).expect("write");
    fs::rename(beside, server.path(name)).expect("rename");
}

pub fn start(server: &Server) -> Vec<Background> {
    let socket = server.path("fcgi.sock");
    let _ = fs::remove_file(&socket);
    let mut command = Command::new("fcgiwrap");
    command.args(["-f", "-c", "4", "-s"]).arg(format!("unix:{}", socket.display()));
    command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    let fcgi = Background::start(command, &server.path("fcgiwrap.log"));
    wait_until("fcgiwrap listens", || socket.exists());

    let path = server.path("nginx.conf");
    fs::write(&path, configuration(server)).expect("write");
    let mut command = Command::new("nginx");
    command.arg("-e").arg(server.path("nginx-error.log")).arg("-c").arg(&path);
    vec![fcgi, Background::start(command, &server.path("nginx.log"))]
}

fn configuration(server: &Server) -> String {
    let guard = match server.kind {
        Kind::HttpsBasic => {
            format!("auth_basic git; auth_basic_user_file {};", server.path("passwords").display())
        }
        _ => "auth_request /check-bearer;".to_owned(),
    };
    // the password file must be readable by the workers
    let user = if super::super::is_root() { "user root;" } else { "" };
    format!(
        r#"
daemon off;
{user}
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
  access_log {dir}/nginx-access.log;
  client_max_body_size 0;
  client_body_temp_path {dir}/body;
  fastcgi_temp_path {dir}/fastcgi;
  proxy_temp_path {dir}/proxy;
  scgi_temp_path {dir}/scgi;
  uwsgi_temp_path {dir}/uwsgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {dir}/certificate.pem;
    ssl_certificate_key {dir}/key.pem;
    location = /check-bearer {{
      internal;
      fastcgi_pass unix:{dir}/fcgi.sock;
      fastcgi_pass_request_body off;
      fastcgi_param CONTENT_LENGTH "";
      fastcgi_param SCRIPT_FILENAME {dir}/check-bearer;
      fastcgi_param REQUEST_METHOD GET;
    }}
    location / {{
      {guard}
      fastcgi_pass unix:{dir}/fcgi.sock;
      fastcgi_read_timeout 600;
      fastcgi_param SCRIPT_FILENAME {backend};
      fastcgi_param GIT_PROJECT_ROOT {dir}/repos;
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REMOTE_USER git;
    }}
  }}
}}
"#,
        dir = server.dir.path().display(),
        port = server.port,
        backend = http_backend().display(),
    )
}
