//! Races for the bytes of files.

use super::{ROUNDS, WRITE, all_is_given_back, bytes_of, frozen_bytes, put, state};
use crate::ground::lower;
use crate::threads::{Pace, at_once, beside, explore, times};
use crate::view::{Lower, file};
use std::sync::OnceLock;
use toft::types::{Ino, Oid, TreeMode};
use toft::workspace::{FsError, PathEdit, Workspace, WriteMode};

#[test]
fn an_open_that_races_with_unlink_sees_the_whole_file_or_none() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        for round in 0..times(ROUNDS, 2) {
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
        all_is_given_back(&workspace);
    });
}

#[test]
fn a_freeze_holds_one_moment_of_two_files_and_keeps_it() {
    explore(|| {
        let state = state(lower());
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
            for number in 1..=times(ROUNDS * 10, 3) {
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
    });
}

/// A base whose file `dir/sub/file` moves between two contents.
fn moving() -> &'static (Lower, [Oid; 2]) {
    static MOVING: OnceLock<(Lower, [Oid; 2])> = OnceLock::new();
    MOVING.get_or_init(|| {
        let (old, new) = (vec![b'o'; 3000], vec![b'n'; 5000]);
        let lower = Lower::new([(MOVED.to_vec(), file(&old))]);
        let oids = [lower.blob(&old), lower.blob(&new)];
        (lower, oids)
    })
}

const MOVED: &[u8] = b"dir/sub/file";

/// Looks the file up, name by name; what was looked up is to be forgotten.
fn walk(workspace: &Workspace) -> (Ino, Vec<(Ino, u64)>) {
    let mut held = Vec::new();
    let names = MOVED.split(|byte| *byte == b'/');
    let ino = names.fold(Ino::ROOT, |dir, name| {
        let attr = workspace.lookup(dir, name).unwrap().expect("it is there all along");
        held.push((attr.ino, 1));
        attr.ino
    });
    (ino, held)
}

#[test]
fn a_lookup_while_the_base_moves_sees_the_old_file_or_the_new_one() {
    explore(|| {
        let (lower, oids) = moving();
        let (old, new) = (vec![b'o'; 3000], vec![b'n'; 5000]);
        let state = state(lower);
        let workspace = state.open();
        let move_base = |pace: &Pace| {
            for round in 0..times(ROUNDS, 3) {
                if round % 10 == 0 {
                    pace.keep();
                }
                let side = |at: usize| Some((TreeMode::Blob, oids[at % 2]));
                let path = MOVED.to_vec();
                let edit = PathEdit { path, expected: side(round), new: side(round + 1) };
                let freeze = workspace.overlay().freeze();
                workspace.replace_paths(&freeze, &[edit]).unwrap();
            }
        };
        beside(move_base, |_| {
            let (ino, held) = walk(&workspace);
            let seen = bytes_of(&workspace, ino).unwrap();
            assert!(seen == old || seen == new, "{} bytes", seen.len());
            workspace.forget(held);
        });
        all_is_given_back(&workspace);
    });
}

#[test]
fn what_one_looks_up_is_known_while_another_forgets_it() {
    explore(|| {
        let state = state(lower());
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
            for round in 0..times(ROUNDS * 20, 2) {
                if round % ROUNDS == 0 {
                    pace.keep();
                }
                visit();
            }
        };
        beside(visits, |_| visit());
        assert_eq!((workspace.counters().inodes, workspace.counters().nodes), (0, 1));
    });
}

/// What a file is before the race.
#[derive(Clone, Copy, Debug)]
enum Before {
    Base,
    Value,
    Body,
}

const KINDS: [Before; 3] = [Before::Base, Before::Value, Before::Body];

/// Makes the file `ino`, whose bytes are `bytes`, what it shall be; returns its bytes then.
fn prepare(workspace: &Workspace, ino: Ino, bytes: &[u8], before: Before) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let more = match before {
        Before::Base => return bytes,
        Before::Value => vec![b'v'; 100],
        Before::Body => vec![b'b'; 150_000],
    };
    let fh = workspace.open(ino, WRITE).unwrap();
    workspace.write(fh, &more, bytes.len() as u64, WriteMode::default()).unwrap();
    workspace.release(fh);
    bytes.extend(more);
    bytes
}

#[test]
fn a_merge_that_races_with_a_write_takes_nothing_back() {
    explore(|| {
        let (lower, [old, new]) = moving();
        for round in 0..times(60, 3) {
            let state = state(lower);
            let workspace = state.open();
            let (ino, held) = walk(&workspace);
            let sealed = prepare(&workspace, ino, &[b'o'; 3000], KINDS[round % 3]);
            let fh = workspace.open(ino, WRITE).unwrap();
            // Of what was altered the sealer made some blob.
            let freeze = workspace.overlay().freeze();
            let blob = |oid: &Oid| Some((TreeMode::Blob, *oid));
            let edit = PathEdit { path: MOVED.to_vec(), expected: blob(old), new: blob(new) };
            let merge = || workspace.replace_paths(&freeze, &[edit]);
            let write = || workspace.write(fh, b"W", 0, WriteMode::default());
            let (merged, written) = at_once(round / 3, merge, write);
            written.unwrap();
            let mut expected = if merged.is_ok() { vec![b'n'; 5000] } else { sealed };
            expected[0] = b'W';
            let refused = matches!(merged, Err(FsError::Changed { .. }));
            assert!(merged.is_ok() || refused, "{merged:?}");
            assert!(bytes_of(&workspace, ino).unwrap() == expected, "{:?}", KINDS[round % 3]);
            drop(freeze);
            workspace.release(fh);
            workspace.forget(held);
            all_is_given_back(&workspace);
        }
    });
}

#[test]
fn what_two_append_at_once_is_there_whole_and_once() {
    explore(|| {
        for round in 0..times(120, 6) {
            let state = state(lower());
            let workspace = state.open();
            let ino = workspace.lookup(Ino::ROOT, b"README").unwrap().unwrap().ino;
            let bytes = prepare(&workspace, ino, b"hello\n", KINDS[round % 3]);
            let freeze = (round / 3 % 2 == 1).then(|| workspace.overlay().freeze());
            let append = |word: &'static [u8]| {
                let fh = workspace.open(ino, WRITE).unwrap();
                let mode = WriteMode { append: true, ..WriteMode::default() };
                let written = workspace.write(fh, word, 0, mode).unwrap();
                workspace.release(fh);
                assert_eq!(written.count, word.len());
                written.at
            };
            let (left, right) = at_once(round / 6, || append(b"left"), || append(b"right"));
            let words = if left < right { b"leftright" } else { b"rightleft" };
            let mut expected = bytes.clone();
            expected.extend(words);
            assert!(bytes_of(&workspace, ino).unwrap() == expected, "round {round}");
            if let Some(freeze) = freeze.filter(|_| round % 3 > 0) {
                assert!(frozen_bytes(&freeze, ino) == bytes, "round {round}");
            }
            workspace.forget([(ino, 1)]);
            all_is_given_back(&workspace);
        }
    });
}
