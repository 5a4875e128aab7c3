//! lighttpd with `git http-backend` as CGI: plain http, no questions asked.

use super::super::child::Background;
use super::{Server, http_backend};
use std::fs;
use std::process::Command;

pub fn prepare(_server: &Server) {}

pub fn start(server: &Server) -> Vec<Background> {
    let repos = server.path("repos");
    let configuration = format!(
        r#"
server.modules = ("mod_alias", "mod_setenv", "mod_cgi")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{repos}"
server.upload-dirs = ("{dir}")
server.stream-request-body = 1
server.stream-response-body = 1
alias.url = ("" => "{backend}")
cgi.assign = ("" => "")
cgi.execute-x-only = "enable"
setenv.set-environment = ("GIT_PROJECT_ROOT" => "{repos}", "GIT_HTTP_EXPORT_ALL" => "1")
"#,
        port = server.port,
        repos = repos.display(),
        dir = server.path("").display(),
        backend = http_backend().display(),
    );
    let path = server.path("lighttpd.conf");
    fs::write(&path, configuration).expect("write");
    let mut command = Command::new("lighttpd");
    command.arg("-D").arg("-f").arg(&path).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin");
    vec![Background::start(command, &server.path("lighttpd.log"))]
}
