//! What tests of races stand on, too: the base, and what holds of every workspace.

use crate::view::{Given, Lower, file};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use toft::overlay::{FileData, NodeData};
use toft::types::{FileKind, Ino};
use toft::workspace::{Caller, Workspace};

pub const CALLER: Caller = Caller { uid: 0, gid: 0, pid: 0 };
/// The base has this entry; it passes for `.git` on some systems and is not shown.
pub const HIDDEN: &[u8] = b"GIT~1";

pub fn base() -> Vec<(Vec<u8>, Given)> {
    let big: Vec<u8> = (0..70_000_u32).map(|at| (at >> 3) as u8).collect();
    let mut given = vec![
        (b"README".to_vec(), file("hello\n")),
        (b"big".to_vec(), file(big)),
        (b"empty".to_vec(), file("")),
        (b"run".to_vec(), Given::Exec(b"#!/bin/sh\n".to_vec())),
        (b"link".to_vec(), Given::Link(b"dir/a".to_vec())),
        (b"dir/a".to_vec(), file("a\n")),
        (b"dir/b".to_vec(), file("b\n")),
        (b"dir/dir/a".to_vec(), file("deep\n")),
        (b"dir/dir/c/d".to_vec(), file("deeper\n")),
        (b"other/README".to_vec(), file("hello\n")),
        (b"module".to_vec(), Given::Gitlink("2222222222222222222222222222222222222222")),
        (b"\xff\xfe".to_vec(), file("bytes")),
    ];
    for number in 0..6 {
        given.push((format!("many/{number}").into_bytes(), file(vec![number; 9])));
    }
    given
}

pub fn lower() -> &'static Lower {
    static LOWER: OnceLock<Lower> = OnceLock::new();
    LOWER.get_or_init(|| {
        let hidden = (HIDDEN.to_vec(), file("hostile"));
        Lower::new(base().into_iter().chain([hidden]))
    })
}

/// A small generator of numbers; each thread has its own.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// Everything that can be reached, by path.
pub fn picture(workspace: &Workspace) -> BTreeMap<String, (Ino, FileKind, u32, u32, u64)> {
    let mut all = BTreeMap::new();
    let mut todo = vec![(String::new(), Ino::ROOT)];
    while let Some((path, ino)) = todo.pop() {
        let attr = workspace.getattr(ino).unwrap();
        all.insert(path.clone(), (ino, attr.kind, attr.perm, attr.nlink, attr.size));
        if attr.kind != FileKind::Directory {
            continue;
        }
        for entry in workspace.list(ino).unwrap().iter() {
            let found = workspace.lookup(ino, entry.name.as_bytes()).unwrap().unwrap();
            assert_eq!((found.ino, found.kind), (entry.ino, entry.kind));
            todo.push((format!("{path}/{}", entry.name), entry.ino));
        }
    }
    all
}

pub fn no_node_is_lost(workspace: &Workspace) {
    let index = workspace.overlay().read();
    assert_eq!(toft::overlay::check(&index), []);
    for (ino, node) in index.iter() {
        assert!(node.meta.nlink > 0, "inode {} has no name and nobody holds it", ino.0);
        if let NodeData::Regular(FileData::Body(id)) = node.data {
            workspace.overlay().bodies().stat(id).unwrap();
        }
    }
}
