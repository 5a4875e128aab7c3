//! Two or three operations that race for the same thing, a few hundred times each: whatever the
//! order, the outcome is one of those that some order gives.

use crate::harness::lower;
use crate::race::{CALLER, Dice, no_node_is_lost, picture};
use crate::view::{State, file};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use toft::overlay::{FileData, Freeze, NodeData};
use toft::types::{Ino, TreeMode};
use toft::workspace::{FsError, OpenMode, PathEdit, RenameMode, SetAttr, Workspace, WriteMode};

const ROUNDS: usize = 100;
const WRITE: OpenMode = OpenMode { write: true, truncate: false, kill_suid: false };
const READ: OpenMode = OpenMode { write: false, truncate: false, kill_suid: false };

/// Does both at once, after a pause that moves with the round.
fn at_once<A: Send, B: Send>(
    round: usize,
    left: impl FnOnce() -> A + Send,
    right: impl FnOnce() -> B + Send,
) -> (A, B) {
    let start = Barrier::new(2);
    let spin = |turns: usize| (0..turns).for_each(|_| std::hint::spin_loop());
    std::thread::scope(|scope| {
        let left = scope.spawn(|| {
            start.wait();
            spin(round % 16 * 200);
            left()
        });
        start.wait();
        spin(round / 16 % 16 * 200);
        let right = right();
        (left.join().unwrap(), right)
    })
}

/// How far the thread beside has come.
#[derive(Default)]
struct Pace {
    turns: AtomicUsize,
    ended: AtomicBool,
}

impl Pace {
    /// Waits until the other thread has begun another turn, so that a busy machine races them, too.
    fn keep(&self) {
        let seen = self.turns.load(Ordering::Acquire);
        while self.turns.load(Ordering::Acquire) == seen && !self.ended.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    }
}

/// Ends the other one's waiting, whatever happened here.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Keeps `other` going in a second thread until `work` is done, which now and then keeps pace.
fn beside(work: impl FnOnce(&Pace), other: impl Fn(usize) + Sync) {
    let (stop, pace) = (AtomicBool::new(false), Pace::default());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ends = Ends(&pace.ended);
            while !stop.load(Ordering::Acquire) {
                other(pace.turns.fetch_add(1, Ordering::AcqRel));
            }
        });
        let _ends = Ends(&stop);
        work(&pace);
    });
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

#[test]
fn of_two_directories_that_move_into_each_other_one_does() {
    let state = State::new(lower());
    let workspace = state.open();
    for round in 0..ROUNDS {
        let (a, b) = (mkdir(&workspace, b"ra"), mkdir(&workspace, b"rb"));
        let rename = |from: &'static [u8], to, name: &'static [u8]| {
            workspace.rename(Ino::ROOT, from, to, name, RenameMode::Replace, None)
        };
        let (left, right) = at_once(round, || rename(b"ra", b, b"x"), || rename(b"rb", a, b"y"));
        assert_ne!(left.is_ok(), right.is_ok(), "round {round}: {left:?} {right:?}");
        assert_eq!(toft::overlay::check(&workspace.overlay().read()), []);
        let (outer, inner, top): (_, &[u8], &[u8]) =
            if left.is_ok() { (b, b"x", b"rb") } else { (a, b"y", b"ra") };
        workspace.rmdir(outer, inner).unwrap();
        workspace.rmdir(Ino::ROOT, top).unwrap();
    }
    no_node_is_lost(&workspace);
}

#[test]
fn an_open_that_races_with_unlink_sees_the_whole_file_or_none() {
    let state = State::new(lower());
    let workspace = state.open();
    for round in 0..ROUNDS {
        // Once a value, once a body.
        let bytes = vec![round as u8; if round % 2 == 0 { 900 } else { 150_000 }];
        put(&workspace, b"gone", &bytes).unwrap();
        let look = || -> Result<Option<Vec<u8>>, FsError> {
            let Some(attr) = workspace.lookup(Ino::ROOT, b"gone")? else { return Ok(None) };
            let seen = bytes_of(&workspace, attr.ino);
            workspace.forget([(attr.ino, 1)]);
            seen.map(Some)
        };
        let (seen, ()) = at_once(round, look, || {
            workspace.unlink(Ino::ROOT, b"gone").unwrap();
            workspace.overlay().sync().unwrap();
        });
        assert!(seen.unwrap().is_none_or(|seen| seen == bytes), "round {round}");
    }
    assert_eq!((workspace.counters().inodes, workspace.counters().handles), (0, 0));
    no_node_is_lost(&workspace);
}

#[test]
fn a_freeze_holds_one_moment_of_two_files_and_keeps_it() {
    let state = State::new(lower());
    let workspace = state.open();
    let small = put(&workspace, b"first", &[0; 64]).unwrap();
    let large = put(&workspace, b"second", &[0; 140_000]).unwrap();
    let step = |ino: Ino, number: usize| {
        let fh = workspace.open(ino, WRITE).unwrap();
        let number = (number as u64).to_le_bytes();
        workspace.write(fh, &number, 0, WriteMode::default()).unwrap();
        workspace.release(fh);
    };
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let write = |pace: &Pace| {
        for number in 1..=ROUNDS * 10 {
            if number % ROUNDS == 0 {
                pace.keep();
            }
            step(small, number);
            step(large, number);
        }
    };
    beside(write, |turn| {
        let freeze = workspace.overlay().freeze();
        let look = || (frozen_bytes(&freeze, small), frozen_bytes(&freeze, large));
        let before = look();
        let (first, second) = (number(&before.0), number(&before.1));
        assert!(first == second || first == second + 1, "{first} and {second}");
        if turn % 4 == 0 {
            workspace.overlay().compact_above(0).unwrap();
        }
        workspace.overlay().sync().unwrap();
        assert_eq!(look(), before);
    });
}

#[test]
fn a_lookup_while_the_base_moves_sees_the_old_file_or_the_new_one() {
    let old = vec![b'o'; 3000];
    let lower = crate::view::Lower::new([(b"dir/sub/file".to_vec(), file(&old))]);
    let new = vec![b'n'; 5000];
    let oids = [lower.blob(&old), lower.blob(&new)];
    let state = State::new(&lower);
    let workspace = state.open();
    let move_base = |pace: &Pace| {
        for round in 0..ROUNDS {
            if round % 10 == 0 {
                pace.keep();
            }
            let side = |at: usize| Some((TreeMode::Blob, oids[at % 2]));
            let path = b"dir/sub/file".to_vec();
            let edit = PathEdit { path, expected: side(round), new: side(round + 1) };
            let freeze = workspace.overlay().freeze();
            workspace.replace_paths(&freeze, &[edit]).unwrap();
        }
    };
    beside(move_base, |_| {
        let mut held = Vec::new();
        let ino = [&b"dir"[..], b"sub", b"file"].into_iter().fold(Ino::ROOT, |dir, name| {
            let attr = workspace.lookup(dir, name).unwrap().expect("it is there all along");
            held.push((attr.ino, 1));
            attr.ino
        });
        let seen = bytes_of(&workspace, ino).unwrap();
        assert!(seen == old || seen == new, "{} bytes", seen.len());
        workspace.forget(held);
    });
    assert_eq!((workspace.counters().inodes, workspace.counters().handles), (0, 0));
    no_node_is_lost(&workspace);
}

#[test]
fn what_one_looks_up_is_known_while_another_forgets_it() {
    let state = State::new(lower());
    let workspace = state.open();
    let visit = || {
        let dir = workspace.lookup(Ino::ROOT, b"dir").unwrap().unwrap().ino;
        let deep = workspace.lookup(dir, b"dir").unwrap().unwrap().ino;
        let file = workspace.lookup(deep, b"a").unwrap().unwrap().ino;
        // As the kernel may: the parents first.
        workspace.forget([(dir, 1), (deep, 1)]);
        assert_eq!(workspace.getattr(file).unwrap().ino, file);
        assert_eq!(bytes_of(&workspace, file).unwrap(), b"deep\n");
        workspace.forget([(file, 1)]);
    };
    let visits = |pace: &Pace| {
        for round in 0..ROUNDS * 20 {
            if round % ROUNDS == 0 {
                pace.keep();
            }
            visit();
        }
    };
    beside(visits, |_| visit());
    assert_eq!((workspace.counters().inodes, workspace.counters().nodes), (0, 1));
}

/// One file and the bytes it must have.
struct Known {
    name: Vec<u8>,
    bytes: Vec<u8>,
}

impl Known {
    /// Alters the file somehow: longer, shorter, elsewhere, anew, or away and back. Mostly such that
    /// it stays a value.
    fn alter(&mut self, workspace: &Workspace, dice: &mut Dice) {
        let ino = workspace.lookup(Ino::ROOT, &self.name).unwrap().unwrap().ino;
        let fh = workspace.open(ino, WRITE).unwrap();
        let data = vec![b'a' + dice.roll(26) as u8; dice.roll(600) + 1];
        let len = self.bytes.len();
        match dice.roll(8) {
            0..=2 if len < 30_000 => {
                let append = WriteMode { append: true, ..WriteMode::default() };
                workspace.write(fh, &data, 0, append).unwrap();
                self.bytes.extend(&data);
            }
            3 | 4 => {
                let size = [0, len / 2, len / 2, len, len + 1, len + 700][dice.roll(6)];
                let set = SetAttr { size: Some(size as u64), ..SetAttr::default() };
                workspace.setattr(CALLER, ino, &set).unwrap();
                self.bytes.resize(size, 0);
            }
            5 | 6 if len < 3000 || dice.roll(8) == 0 => {
                let at = dice.roll(len + 50);
                workspace.write(fh, &data, at as u64, WriteMode::default()).unwrap();
                self.bytes.resize(len.max(at + data.len()), 0);
                self.bytes[at..at + data.len()].copy_from_slice(&data);
            }
            _ => {
                workspace.unlink(Ino::ROOT, &self.name).unwrap();
                put(workspace, &self.name, &data).unwrap();
                self.bytes = data;
            }
        }
        workspace.release(fh);
        workspace.forget([(ino, 1)]);
        assert_eq!(self.seen(workspace), self.bytes, "{:?}", self.name);
    }

    fn seen(&self, workspace: &Workspace) -> Vec<u8> {
        bytes_of(workspace, workspace.attr_at(&self.name).unwrap().ino).unwrap()
    }
}

#[test]
fn values_that_are_altered_while_they_move_stay_what_their_writers_made_them() {
    let seed = std::env::var("TOFT_MODEL_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or(20_261_121);
    println!("TOFT_MODEL_SEED={seed}");
    let state = State::new(lower());
    let workspace = state.open();
    let write = |writer: u64, pace: &Pace| {
        let mut dice = Dice((seed ^ writer).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let known = |number: u64| {
            let name = format!("value-{writer}-{number}").into_bytes();
            put(&workspace, &name, b"begin").unwrap();
            Known { name, bytes: b"begin".to_vec() }
        };
        let mut files: Vec<Known> = (0..6).map(known).collect();
        for round in 0..ROUNDS * 8 {
            if round % 4 == 0 {
                pace.keep();
            }
            let at = dice.roll(files.len());
            files[at].alter(&workspace, &mut dice);
        }
        files
    };
    let files = std::sync::Mutex::new(Vec::new());
    let work = |pace: &Pace| {
        std::thread::scope(|scope| {
            let write = &write;
            let writers: Vec<_> =
                (1..=3).map(|writer| scope.spawn(move || write(writer, pace))).collect();
            for writer in writers {
                files.lock().unwrap().extend(writer.join().unwrap());
            }
        });
    };
    beside(work, |turn| {
        workspace.overlay().compact_above(0).unwrap();
        if turn % 8 != 0 {
            return;
        }
        let freeze = (turn % 16 == 0).then(|| workspace.overlay().freeze());
        workspace.overlay().sync().unwrap();
        let Some(freeze) = freeze else { return };
        for (ino, node) in freeze.index().iter() {
            if matches!(node.data, NodeData::Regular(FileData::Value(_))) {
                frozen_bytes(&freeze, ino);
            }
        }
    });
    let files = files.into_inner().unwrap();
    let as_known = |workspace: &Workspace| {
        for known in &files {
            assert_eq!(known.seen(workspace), known.bytes, "{:?}", known.name);
        }
    };
    as_known(&workspace);
    no_node_is_lost(&workspace);
    let before = picture(&workspace);
    drop(workspace);
    let workspace = state.open();
    assert_eq!(picture(&workspace), before);
    as_known(&workspace);
}
