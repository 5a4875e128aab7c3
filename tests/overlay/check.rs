//! Each flaw is found, and a sound index has none.

use crate::store::add_file;
use crate::support::{directory, disk, file, meta, name};
use toft::overlay::{Change, FileData, Flaw, Meta, Node, Overlay, Slot, check};
use toft::types::{BodyId, Ino};

/// What `changes` to a sound overlay break.
fn flaws(changes: impl FnOnce(Ino, BodyId) -> Vec<Change>) -> Vec<Flaw> {
    let dir = tempfile::tempdir().unwrap();
    let overlay = Overlay::create(dir.path(), directory(Ino::ROOT), disk()).unwrap();
    let (ino, body) = add_file(&overlay, "one", b"1");
    let mut transaction = overlay.begin();
    transaction.push(Change::PutNode(Ino(90), directory(Ino::ROOT)));
    transaction.push(Change::SetSlot(Ino::ROOT, name("dir"), Some(Slot::Entry(Ino(90)))));
    transaction.commit().unwrap();
    assert_eq!(check(&overlay.read()), []);
    let mut transaction = overlay.begin();
    changes(ino, body).into_iter().for_each(|change| transaction.push(change));
    transaction.commit().unwrap();
    check(&overlay.read())
}

fn entry(dir: Ino, text: &str, ino: u64) -> Change {
    Change::SetSlot(dir, name(text), Some(Slot::Entry(Ino(ino))))
}

#[test]
fn every_flaw_is_found() {
    let root = Ino::ROOT;
    assert_eq!(flaws(|_, _| vec![Change::DropNode(root)]), [Flaw::NoRoot]);
    let dangling = Flaw::Dangling(root, name("x"), Ino(77));
    assert_eq!(flaws(|_, _| vec![entry(root, "x", 77)]), [dangling]);
    let found = flaws(|_, _| vec![entry(root, "again", 90)]);
    assert!(found.contains(&Flaw::TwoNames(Ino(90))), "{found:?}");
    let found = flaws(|_, _| vec![Change::SetParent(Ino(90), Ino(5))]);
    assert_eq!(found, [Flaw::WrongParent(Ino(90), root, Ino(5))]);
    let found = flaws(|ino, _| vec![Change::SetMeta(ino, Meta { nlink: 3, ..meta() })]);
    assert!(matches!(found[..], [Flaw::WrongLinks(_, 1, 3)]), "{found:?}");
    let found = flaws(|_, _| vec![Change::SetSlot(root, name("one"), None)]);
    assert!(matches!(found[..], [Flaw::Unreachable(_)]), "{found:?}");
    let shared = |body| -> Node { file(FileData::Body(body)) };
    let found = flaws(|_, body| vec![Change::PutNode(Ino(91), shared(body)), entry(root, "b", 91)]);
    assert!(matches!(found[..], [Flaw::SharedBody(..)]), "{found:?}");
}

#[test]
fn a_file_that_is_open_and_has_no_name_is_no_flaw() {
    let orphan = |ino, _| {
        let gone = Change::SetSlot(Ino::ROOT, name("one"), None);
        vec![gone, Change::SetMeta(ino, Meta { nlink: 0, ..meta() })]
    };
    assert_eq!(flaws(orphan), []);
}
