//! Races for names.

use super::{READ, ROUNDS, all_is_given_back, bytes_of, mkdir, put, state};
use crate::ground::{CALLER, lower, no_node_is_lost};
use crate::threads::{at_once, explore, times};
use toft::types::Ino;
use toft::workspace::{FsError, RenameMode};

#[test]
fn of_two_directories_that_move_into_each_other_one_does() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        for round in 0..times(ROUNDS, 1) {
            let (a, b) = (mkdir(&workspace, b"ra"), mkdir(&workspace, b"rb"));
            let rename = |from: &'static [u8], to, name: &'static [u8]| {
                workspace.rename(Ino::ROOT, from, to, name, RenameMode::Replace, None)
            };
            let (left, right) =
                at_once(round, || rename(b"ra", b, b"x"), || rename(b"rb", a, b"y"));
            assert_ne!(left.is_ok(), right.is_ok(), "round {round}: {left:?} {right:?}");
            assert_eq!(toft::overlay::check(&workspace.overlay().read()), []);
            let (outer, inner, top): (_, &[u8], &[u8]) =
                if left.is_ok() { (b, b"x", b"rb") } else { (a, b"y", b"ra") };
            workspace.rmdir(outer, inner).unwrap();
            workspace.rmdir(Ino::ROOT, top).unwrap();
        }
        no_node_is_lost(&workspace);
    });
}

#[test]
fn of_two_renames_of_one_name_one_finds_it() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        let dir = workspace.lookup(Ino::ROOT, b"dir").unwrap().unwrap().ino;
        for round in 0..times(ROUNDS, 1) {
            let rename = |to: &'static [u8]| {
                workspace.rename(dir, b"a", Ino::ROOT, to, RenameMode::Replace, None)
            };
            let (left, right) = at_once(round, || rename(b"left"), || rename(b"right"));
            let (won, lost, name): (_, _, &[u8]) =
                if left.is_ok() { (left, right, b"left") } else { (right, left, b"right") };
            won.unwrap();
            assert!(matches!(lost, Err(FsError::NotFound { .. })), "round {round}: {lost:?}");
            let attr = workspace.attr_at(name).unwrap();
            assert_eq!((attr.nlink, bytes_of(&workspace, attr.ino).unwrap()), (1, b"a\n".to_vec()));
            workspace.rename(Ino::ROOT, name, dir, b"a", RenameMode::NoReplace, None).unwrap();
        }
        workspace.forget([(dir, 1)]);
        all_is_given_back(&workspace);
    });
}

#[test]
fn a_name_that_two_files_are_renamed_onto_is_one_of_them_and_the_old_file_stays_open() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        for round in 0..times(ROUNDS, 1) {
            let old = put(&workspace, b"target", b"old").unwrap();
            put(&workspace, b"one", b"1").unwrap();
            put(&workspace, b"two", b"2").unwrap();
            let fh = workspace.open(old, READ).unwrap();
            let onto = |name: &'static [u8]| {
                workspace.rename(Ino::ROOT, name, Ino::ROOT, b"target", RenameMode::Replace, None)
            };
            let (left, right) = at_once(round, || onto(b"one"), || onto(b"two"));
            left.unwrap();
            right.unwrap();
            workspace.overlay().sync().unwrap();
            let mut buf = [0; 8];
            assert_eq!(workspace.read(fh, &mut buf, 0).unwrap(), 3);
            assert_eq!(&buf[..3], b"old");
            workspace.release(fh);
            let now = bytes_of(&workspace, workspace.attr_at(b"target").unwrap().ino).unwrap();
            assert!(now == b"1" || now == b"2", "{now:?}");
            for name in [&b"one"[..], b"two"] {
                assert!(workspace.lookup(Ino::ROOT, name).unwrap().is_none());
            }
            workspace.unlink(Ino::ROOT, b"target").unwrap();
        }
        all_is_given_back(&workspace);
    });
}

#[test]
fn an_exchange_that_races_with_unlink_moves_both_files_or_none() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        for round in 0..times(ROUNDS, 1) {
            put(&workspace, b"a", b"A").unwrap();
            put(&workspace, b"b", b"B").unwrap();
            let exchange =
                || workspace.rename(Ino::ROOT, b"a", Ino::ROOT, b"b", RenameMode::Exchange, None);
            let unlink = || workspace.unlink(Ino::ROOT, b"a");
            let (exchanged, unlinked) = at_once(round, exchange, unlink);
            unlinked.unwrap();
            assert!(workspace.lookup(Ino::ROOT, b"a").unwrap().is_none());
            let left = bytes_of(&workspace, workspace.attr_at(b"b").unwrap().ino).unwrap();
            assert_eq!(left, if exchanged.is_ok() { b"A" } else { b"B" }, "round {round}");
            workspace.unlink(Ino::ROOT, b"b").unwrap();
        }
        all_is_given_back(&workspace);
    });
}

#[test]
fn a_directory_that_goes_while_a_file_is_made_in_it_is_empty_or_stays() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        for round in 0..times(ROUNDS, 1) {
            let dir = workspace.mkdir(CALLER, Ino::ROOT, b"going", 0o755).unwrap().ino;
            let make = || workspace.create(CALLER, dir, b"file", 0o644);
            let (made, gone) = at_once(round, make, || workspace.rmdir(Ino::ROOT, b"going"));
            assert_ne!(made.is_ok(), gone.is_ok(), "round {round}: {made:?} {gone:?}");
            if let Ok((attr, fh)) = made {
                workspace.release(fh);
                workspace.unlink(dir, b"file").unwrap();
                workspace.forget([(attr.ino, 1)]);
                workspace.rmdir(Ino::ROOT, b"going").unwrap();
            }
            workspace.forget([(dir, 1)]);
        }
        all_is_given_back(&workspace);
    });
}

#[test]
fn a_link_to_a_file_whose_last_name_goes_is_made_whole_or_not_at_all() {
    explore(|| {
        let state = state(lower());
        let workspace = state.open();
        for round in 0..times(ROUNDS, 1) {
            let (attr, fh) = workspace.create(CALLER, Ino::ROOT, b"first", 0o644).unwrap();
            workspace.release(fh);
            let link = || workspace.link(attr.ino, Ino::ROOT, b"second").map(|attr| attr.ino);
            let (linked, unlinked) = at_once(round, link, || workspace.unlink(Ino::ROOT, b"first"));
            unlinked.unwrap();
            match linked {
                Ok(ino) => {
                    assert_eq!(ino, attr.ino);
                    assert_eq!(workspace.attr_at(b"second").unwrap().nlink, 1, "round {round}");
                    workspace.unlink(Ino::ROOT, b"second").unwrap();
                    workspace.forget([(ino, 1)]);
                }
                Err(error) => {
                    assert!(matches!(error, FsError::NotFound { .. }), "round {round}: {error}");
                    assert!(workspace.lookup(Ino::ROOT, b"second").unwrap().is_none());
                }
            }
            workspace.forget([(attr.ino, 1)]);
        }
        all_is_given_back(&workspace);
    });
}
