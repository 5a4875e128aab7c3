//! What a local process sends over the control socket, and what is read back from our own files: it
//! is understood or refused, and what is understood can be worked with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use toft::daemon::control::{Hello, Reply, Request, decode, encode, read_line};
use toft::daemon::mountinfo;
use toft::dotgit::{LastRead, in_progress, tracked};
use toft::registry::Registry;
use toft::sync::{Outbox, PushIntent};
use toft::sys::{OsClock, OsDisk};
use toft::types::{HashKind, Oid, Seq, WorkspaceId};

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind % 8 {
        0 => message::<Request>(bytes),
        1 => message::<Reply>(bytes),
        2 => message::<Hello>(bytes),
        3 => workspace(bytes),
        4 => queue(&[("ledger.json", bytes)]),
        5 => queue(&[("inbox", &with_checksums(bytes))]),
        6 => queue(&[("ledger.json", bytes), ("wal", &with_checksums(bytes)), ("inbox", bytes)]),
        _ => git_directory(bytes),
    }
    mountinfo::parse(bytes);
});

/// A message that is understood is the same when it is sent on.
fn message<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) {
    let Ok(line) = read_line(&mut &*[bytes, b"\n"].concat(), 1 << 16) else { return };
    if let Ok(message) = decode::<T>(&line) {
        let text = encode(&message).expect("a message can be written");
        let again: T = decode(&text).expect("and read again");
        assert_eq!(encode(&again).expect("again"), text);
    }
}

fn disk() -> Arc<OsDisk> {
    Arc::default()
}

/// A record that loads can be changed, and is then the changed one.
fn workspace(bytes: &[u8]) {
    let state = tempfile::tempdir().expect("room");
    let id = WorkspaceId::parse("w-aaaaaaaaaa").expect("an id");
    let dir = state.path().join("workspaces").join(id.as_str());
    fs::create_dir_all(&dir).expect("a directory");
    fs::write(dir.join("workspace.json"), bytes).expect("a record");
    let registry = Registry::open(state.path(), disk()).expect("the list opens");
    let listing = registry.list().expect("the list can be read");
    assert_eq!(listing.workspaces.len() + listing.problems.len(), 1);
    let Ok(record) = registry.load(&id) else { return };
    assert_eq!(record.id, id);
    let changed = registry.update(&id, |record| record.spent = !record.spent).expect("an update");
    assert_eq!(registry.load(&id).expect("it loads"), changed);
    assert_eq!(changed.spent, !record.spent);
}

/// A queue that opens takes another push, and knows it.
fn queue(files: &[(&str, &[u8])]) {
    let dir = tempfile::tempdir().expect("room");
    let lane = dir.path().join("main-0123456789abcdef");
    fs::create_dir(&lane).expect("a lane");
    for (name, bytes) in files {
        fs::write(lane.join(name), bytes).expect("a file of the lane");
    }
    let Ok(outbox) = Outbox::open(dir.path(), disk()) else { return };
    let _ = (outbox.states(), outbox.due(&OsClock::new()));
    let new = Oid::from_bytes_or_panic(&[7; 20]);
    for refname in outbox.refnames() {
        if outbox.enqueue(&PushIntent { refname: refname.clone(), new, seq: Seq(1) }).is_ok() {
            let states = outbox.states().expect("its state can be read");
            let state = states.into_iter().find(|state| state.refname == refname);
            let pending = state.and_then(|state| state.pending);
            assert_eq!(pending.map(|record| record.new), Some(new), "a push was lost");
            let _ = outbox.due(&OsClock::new());
        }
    }
    outbox_again(dir.path());
}

fn outbox_again(dir: &Path) {
    Outbox::open(dir, disk()).expect("what opened once opens again");
}

/// Each line with its checksum, as the queue writes it.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let line =
        |json: &[u8]| [format!("\n{:08x} ", crc32c::crc32c(json)).as_bytes(), json, b"\n"].concat();
    lines.flat_map(line).collect()
}

/// Files that stock git, or whoever wrote into the gitdir, left there.
fn git_directory(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("room");
    let gitdir = dir.path();
    let (name, content) = match bytes.split_first() {
        Some((0, rest)) => ("toft-index", rest),
        Some((1, rest)) => ("sequencer/todo", rest),
        Some((2, rest)) => ("HEAD", rest),
        _ => ("index", bytes),
    };
    fs::create_dir(gitdir.join("sequencer")).expect("a directory");
    fs::write(gitdir.join("index"), b"").expect("a file");
    fs::write(gitdir.join(name), content).expect("a file");
    let last = LastRead::default();
    let _ = (in_progress(gitdir, HashKind::Sha1, &last), tracked(gitdir, HashKind::Sha1, &last));
}
