//! Operations that race for the same thing: whatever the order, the outcome is one of those that
//! some order gives. `tests/races` plays the same under a scheduler.

mod files;
mod names;
mod upkeep;

use crate::ground::CALLER;
use crate::threads;
use crate::view::{Lower, State};
use toft::overlay::{FileData, Freeze, NodeData};
use toft::types::Ino;
use toft::workspace::{FsError, OpenMode, Workspace, WriteMode};

const ROUNDS: usize = 100;
const WRITE: OpenMode = OpenMode { write: true, truncate: false, kill_suid: false };
const READ: OpenMode = OpenMode { write: false, truncate: false, kill_suid: false };

fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn state(lower: &Lower) -> State<'_> {
    State::in_dir(lower, memory()).on(threads::disk()).with_open_repo()
}

fn mkdir(workspace: &Workspace, name: &[u8]) -> Ino {
    let ino = workspace.mkdir(CALLER, Ino::ROOT, name, 0o755).unwrap().ino;
    workspace.forget([(ino, 1)]);
    ino
}

fn put(workspace: &Workspace, name: &[u8], bytes: &[u8]) -> Result<Ino, FsError> {
    let (attr, fh) = workspace.create(CALLER, Ino::ROOT, name, 0o644)?;
    let wrote = workspace.write(fh, bytes, 0, WriteMode::default());
    workspace.release(fh);
    workspace.forget([(attr.ino, 1)]);
    wrote.map(|_| attr.ino)
}

fn bytes_of(workspace: &Workspace, ino: Ino) -> Result<Vec<u8>, FsError> {
    let fh = workspace.open(ino, READ)?;
    let mut buf = vec![0; 400_000];
    let read = workspace.read(fh, &mut buf, 0);
    workspace.release(fh);
    buf.truncate(read?);
    Ok(buf)
}

fn frozen_bytes(freeze: &Freeze, ino: Ino) -> Vec<u8> {
    match freeze.node(ino).map(|node| &node.data) {
        Some(NodeData::Regular(FileData::Value(value))) => {
            freeze.value(*value).unwrap().read().unwrap()
        }
        Some(NodeData::Regular(FileData::Body(id))) => {
            let body = freeze.body(*id).unwrap();
            let mut buf = vec![0; usize::try_from(body.stat().unwrap().len).unwrap()];
            body.read_at(&mut buf, 0).unwrap();
            buf
        }
        other => panic!("{other:?}"),
    }
}

/// Nobody holds anything, and nothing is left of what was held.
fn all_is_given_back(workspace: &Workspace) {
    assert_eq!((workspace.counters().inodes, workspace.counters().handles), (0, 0));
    crate::ground::no_node_is_lost(workspace);
}
