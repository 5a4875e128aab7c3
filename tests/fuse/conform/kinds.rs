//! The kinds of objects that paths lead to.

use super::stage::{Kind, Thing};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

const fn made(name: &'static str, adapt: fn(&Path)) -> Kind {
    Kind { name, base: &[], adapt, for_root: false }
}

/// One of each.
pub const KINDS: &[Kind] = &[
    Kind::of_base("file", &[("it", Thing::File("some bytes\n"))]),
    Kind::of_base("exec", &[("it", Thing::Exec("#!/bin/sh\nexit 3\n"))]),
    Kind::of_base("empty", &[("it", Thing::File(""))]),
    Kind::of_base("tolink", &[("it", Thing::Link("t"))]),
    Kind::of_base("todir", &[("it", Thing::Link("d")), ("d/x", Thing::File("x\n"))]),
    Kind::of_base("dangling", &[("it", Thing::Link("nowhere"))]),
    Kind::of_base("loop", &[("it", Thing::Link("it"))]),
    Kind::of_base("full", &[("it/x", Thing::File("x\n"))]),
    Kind::of_base("void", &[("it", Thing::Void)]),
    Kind {
        name: "twin",
        base: &[("it", Thing::File("two names\n"))],
        adapt: |stage| fs::hard_link(stage.join("it"), stage.join("other")).unwrap(),
        for_root: false,
    },
    made("fifo", |stage| node(stage, FileType::Fifo, 0)),
    made("socket", |stage| drop(bind(&stage.join("it")).unwrap())),
    Kind {
        name: "device",
        base: &[],
        adapt: |stage| node(stage, FileType::CharacterDevice, rustix::fs::makedev(1, 3)),
        for_root: true,
    },
    made("gone", |_| {}),
];

fn node(stage: &Path, kind: FileType, device: u64) {
    mknodat(CWD, stage.join("it"), kind, Mode::from_raw_mode(0o644), device).unwrap();
}

/// Binds a socket to a path that may be longer than an address: by its directory's descriptor.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    let dir = fs::File::open(path.parent().unwrap())?;
    let name = path.file_name().unwrap().to_str().unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&dir);
    UnixListener::bind(format!("/proc/self/fd/{number}/{name}"))
}

/// What a program at `path` does when it is started.
pub fn execute(path: &Path) -> std::io::Result<String> {
    let status = std::process::Command::new(path).status()?;
    Ok(format!("{:?}", status.code()))
}
