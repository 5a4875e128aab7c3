//! Races with what gives room back and makes things durable.

use super::{ROUNDS, WRITE, all_is_given_back, bytes_of, frozen_bytes, memory, put, state};
use crate::ground::{CALLER, Dice, lower, no_node_is_lost, picture};
use crate::powerdisk::{Luck, PowerDisk};
use crate::threads::{self, Pace, at_once, beside, explore, times};
use crate::view::State;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::sync::Arc;
use toft::overlay::{FileData, NodeData};
use toft::types::Ino;
use toft::workspace::{RenameMode, SetAttr, Workspace, WriteMode};

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
    explore(|| {
        let seed = threads::seed();
        let state = state(lower());
        let workspace = state.open();
        let write = |writer: u64, pace: &Pace| {
            let mut dice = Dice((seed ^ writer).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let known = |number: usize| {
                let name = format!("value-{writer}-{number}").into_bytes();
                put(&workspace, &name, b"begin").unwrap();
                Known { name, bytes: b"begin".to_vec() }
            };
            let mut files: Vec<Known> = (0..times(6, 2)).map(known).collect();
            for round in 0..times(ROUNDS * 8, 3) {
                if round % 4 == 0 {
                    pace.keep();
                }
                let at = dice.roll(files.len());
                files[at].alter(&workspace, &mut dice);
            }
            files
        };
        let mut files = Vec::new();
        let work = |pace: &Pace| {
            threads::scope(|scope| {
                let write = &write;
                let writers = 1..=times(3, 2) as u64;
                let writers: Vec<_> =
                    writers.map(|writer| scope.spawn(move || write(writer, pace))).collect();
                files = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
            });
        };
        beside(work, |turn| {
            workspace.overlay().compact_above(0).unwrap();
            if turn % 8 != 0 {
                return;
            }
            let freeze = (turn % 16 == 8).then(|| workspace.overlay().freeze());
            workspace.overlay().sync().unwrap();
            let Some(freeze) = freeze else { return };
            for (ino, node) in freeze.index().iter() {
                if matches!(node.data, NodeData::Regular(FileData::Value(_))) {
                    frozen_bytes(&freeze, ino);
                }
            }
        });
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
    });
}

#[test]
fn a_value_that_is_written_into_a_segment_that_dies_is_kept() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        for round in 0..times(ROUNDS, 1) {
            put(&workspace, b"dead", &[0; 600]).unwrap();
            workspace.unlink(Ino::ROOT, b"dead").unwrap();
            let bytes = [round as u8 | 1; 200];
            let write = || put(&workspace, b"alive", &bytes).unwrap();
            let reclaim = || {
                workspace.overlay().compact_above(0).unwrap();
                workspace.overlay().sync().unwrap();
            };
            let (ino, ()) = at_once(round, write, reclaim);
            assert_eq!(bytes_of(&workspace, ino).unwrap(), bytes, "round {round}");
            workspace.unlink(Ino::ROOT, b"alive").unwrap();
        }
        all_is_given_back(&workspace);
    });
}

#[test]
fn a_value_that_is_read_while_it_moves_is_whole() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        for round in 0..times(ROUNDS, 1) {
            let bytes = [round as u8 | 1; 200];
            let ino = put(&workspace, b"moving", &bytes).unwrap();
            put(&workspace, b"dead", &[0; 600]).unwrap();
            workspace.unlink(Ino::ROOT, b"dead").unwrap();
            let read =
                || (0..2).for_each(|_| assert_eq!(bytes_of(&workspace, ino).unwrap(), bytes));
            let reclaim = || {
                workspace.overlay().compact_above(0).unwrap();
                workspace.overlay().sync().unwrap();
            };
            at_once(round, read, reclaim);
            workspace.unlink(Ino::ROOT, b"moving").unwrap();
        }
        all_is_given_back(&workspace);
    });
}

#[test]
fn a_journal_that_is_trimmed_while_it_grows_replays_to_the_same() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        let work = |pace: &Pace| {
            for round in 0..times(ROUNDS, 2) {
                pace.keep();
                let [new, kept] =
                    ["new", "kept"].map(|name| format!("{name}-{round}").into_bytes());
                put(&workspace, &new, &[round as u8; 700]).unwrap();
                workspace
                    .rename(Ino::ROOT, &new, Ino::ROOT, &kept, RenameMode::Replace, None)
                    .unwrap();
                if round % 2 == 1 {
                    workspace.unlink(Ino::ROOT, &kept).unwrap();
                }
            }
        };
        beside(work, |turn| {
            workspace.overlay().trim_above(0).unwrap();
            if turn % 2 == 0 {
                workspace.overlay().sync().unwrap();
            }
        });
        no_node_is_lost(&workspace);
        let before = picture(&workspace);
        drop(workspace);
        let workspace = state.open();
        assert_eq!(picture(&workspace), before);
        let bytes = bytes_of(&workspace, workspace.attr_at(b"kept-0").unwrap().ino).unwrap();
        assert_eq!(bytes, [0; 700]);
    });
}

#[test]
fn no_two_files_get_one_body_while_bodies_are_made_ahead() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        // Those that were made ahead when it was opened.
        for _ in 0..4 {
            put(&workspace, b"spent", &[0; 140_000]).unwrap();
            workspace.unlink(Ino::ROOT, b"spent").unwrap();
        }
        let files = times(ROUNDS / 2, 2);
        let name = |side: u8, round: usize| format!("{side}-{round}").into_bytes();
        let bytes = |side: u8, round: usize| vec![side ^ round as u8; 140_000 + round];
        let fill = |side: u8, pace: &Pace| {
            for round in 0..files {
                pace.keep();
                put(&workspace, &name(side, round), &bytes(side, round)).unwrap();
                if round % 3 == 2 {
                    workspace.unlink(Ino::ROOT, &name(side, round)).unwrap();
                }
            }
        };
        beside(
            |pace| {
                at_once(0, || fill(1, pace), || fill(128, pace));
            },
            |_| workspace.overlay().keep_house().unwrap(),
        );
        no_node_is_lost(&workspace);
        for (side, round) in
            [1, 128].into_iter().flat_map(|side| (0..files).map(move |r| (side, r)))
        {
            let found = workspace.attr_at(&name(side, round));
            if round % 3 != 2 {
                let seen = bytes_of(&workspace, found.unwrap().ino).unwrap();
                assert!(seen == bytes(side, round), "{side} {round}");
            }
        }
    });
}

#[test]
fn what_was_synced_outlives_the_power_whatever_went_on_beside() {
    explore(|| {
        let state = State::in_dir(lower(), memory());
        let power = Arc::new(PowerDisk::new(state.path(), 1));
        let state = state.on(threads::stepping(power.clone())).with_open_repo();
        let workspace = state.open();
        let write = |name: String, bytes: Vec<u8>| {
            let (attr, fh) = workspace.create(CALLER, Ino::ROOT, name.as_bytes(), 0o644).unwrap();
            let mode = WriteMode { sync: true, ..WriteMode::default() };
            workspace.write(fh, &bytes, 0, mode).unwrap();
            workspace.release(fh);
            workspace.forget([(attr.ino, 1)]);
            (name, bytes, power.len())
        };
        let some = |side: u8, len: usize, pace: &Pace| -> Vec<_> {
            let rounds = 0..times(4, 1);
            let one = |round| {
                pace.keep();
                write(format!("{side}-{round}"), vec![side ^ round as u8; len])
            };
            rounds.map(one).collect()
        };
        let mut synced = Vec::new();
        beside(
            |pace| {
                let (left, right) = at_once(0, || some(1, 700, pace), || some(128, 140_000, pace));
                synced = [left, right].concat();
            },
            |turn| match turn % 2 {
                0 => workspace.overlay().trim_above(0).unwrap(),
                _ => workspace.overlay().compact_above(0).unwrap(),
            },
        );
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        for chance in [0, 50] {
            for (name, bytes, upto) in &synced {
                let dir = memory();
                power.image(*upto, Luck { names: chance, bytes: chance }, &mut rng, dir.path());
                let disk = Arc::new(PowerDisk::new(dir.path(), 2));
                let config = state.config.clone();
                let state = State::existing(lower(), dir, config, disk).with_open_repo();
                let workspace = state.open();
                no_node_is_lost(&workspace);
                let at = format!("after {upto} events, {chance} %");
                let seen = bytes_of(&workspace, workspace.attr_at(name.as_bytes()).unwrap().ino);
                assert!(seen.unwrap() == *bytes, "{name} {at}");
                // What is believed of the others is whole, too.
                for (other, bytes, _) in synced.iter().filter(|(_, bytes, _)| bytes.len() == 700) {
                    let Ok(attr) = workspace.attr_at(other.as_bytes()) else { continue };
                    let seen = bytes_of(&workspace, attr.ino).unwrap();
                    assert!(seen.is_empty() || seen == *bytes, "{other} {at}");
                }
            }
        }
    });
}
