//! Subjects, and trailers as git reads them.

use crate::git::{GITS, command};
use std::io::{Seek, Write};
use toft::commit::{Leaf, PathChange, Trailers, message, subject};
use toft::types::{Oid, TreeMode};

fn leaf(number: u8) -> Leaf {
    Leaf { mode: TreeMode::Blob, oid: Oid::from_bytes_or_panic(&[number; 20]) }
}

fn add(path: &str, number: u8) -> PathChange {
    PathChange::between(path.as_bytes(), None, Some(leaf(number))).unwrap()
}

fn update(path: &str) -> PathChange {
    PathChange::between(path.as_bytes(), Some(leaf(1)), Some(leaf(2))).unwrap()
}

fn delete(path: &str, number: u8) -> PathChange {
    PathChange::between(path.as_bytes(), Some(leaf(number)), None).unwrap()
}

fn trailers() -> Trailers {
    Trailers {
        workspace: "w-abc".to_owned(),
        agent: Some("claude".to_owned()),
        host: Some("box".to_owned()),
    }
}

fn composed(text: &str) -> String {
    String::from_utf8(message(Some(text), &[add("a", 1)], &trailers())).unwrap()
}

#[test]
fn subjects_say_what_changed_and_where() {
    let deep = "a/".repeat(40);
    let table: &[(&[PathChange], &str)] = &[
        (&[add("a.txt", 1)], "Add a.txt"),
        (&[update("src/main.rs")], "Update src/main.rs"),
        (&[delete("old", 1)], "Delete old"),
        (&[delete("old", 1), add("new", 1)], "Rename old to new"),
        (&[add("a", 1), delete("z", 1)], "Rename z to a"),
        (&[delete("old", 1), add("new", 2)], "Change 2 files"),
        (&[add("src/a", 1), add("src/b/c", 2)], "Add 2 files in src"),
        (&[update("src/b/a"), update("src/b/c"), update("src/b/d")], "Update 3 files in src/b"),
        (&[delete("src/a", 1), delete("srcs/b", 2)], "Delete 2 files"),
        (&[update("src/a"), add("src/b", 3)], "Change 2 files in src"),
        (&[add(&format!("{deep}file"), 1)], "Add file"),
        (&[add("caf\u{e9}", 1)], "Add caf\u{e9}"),
        (&[add("a\"b\n", 1)], "Add \"a\\\"b\\012\""),
    ];
    for (changes, expected) in table {
        assert_eq!(subject(changes), *expected);
    }
    let bytes = PathChange::between(b"\xff", None, Some(leaf(1))).unwrap();
    assert_eq!(subject(&[bytes]), "Add \"\\377\"");
    let long = subject(&[add(&"x".repeat(200), 1)]);
    assert_eq!(long.chars().count(), 72);
}

#[test]
fn a_message_of_the_users_is_cleaned_as_git_commit_does() {
    let texts =
        ["  \n\nsubject  \n\n\n\nbody \t\nmore\n\n", "one\r\n\r\ntwo", "#5 is fixed", "a\n\n# b"];
    for git in GITS.iter().filter(|git| std::path::Path::new(git).exists()) {
        for text in texts {
            let dir = tempfile::tempdir().unwrap();
            let run = |args: &[&str]| {
                let output = command(git).current_dir(&dir).args(args).output().unwrap();
                assert!(output.status.success(), "{args:?}");
                String::from_utf8(output.stdout).unwrap()
            };
            run(&["init", "-q"]);
            run(&["commit", "-q", "--allow-empty", "-m", text]);
            let expected = run(&["log", "-1", "--format=%B"]);
            let ours = message(Some(text), &[], &Trailers::default());
            assert_eq!(String::from_utf8(ours).unwrap().trim_end(), expected.trim_end());
        }
    }
}

#[test]
fn an_empty_message_is_none() {
    for text in [None, Some(""), Some(" \n\t\n")] {
        let composed = message(text, &[add("a", 1)], &Trailers::default());
        assert_eq!(composed, b"Add a\n");
    }
}

#[test]
fn git_reads_our_trailers() {
    let texts = [
        "subject",
        "subject\n\nbody",
        "subject\n\nbody\n\nSigned-off-by: A <a@b>",
        "subject\n\nbody: not a trailer block\nbut text",
        "fix: a subject that looks like a trailer",
        "subject\n\nToft-Workspace: w-abc",
        "subject\n\nCo-authored-by: A\n <a@b>",
    ];
    for git in GITS.iter().filter(|git| std::path::Path::new(git).exists()) {
        for text in texts {
            let composed = composed(text);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(composed.as_bytes()).unwrap();
            file.rewind().unwrap();
            let mut parse = command(git);
            let output =
                parse.args(["interpret-trailers", "--parse"]).stdin(file).output().unwrap();
            let read = String::from_utf8(output.stdout).unwrap();
            for line in ["Toft-Workspace: w-abc", "Toft-Agent: claude", "Toft-Host: box"] {
                assert_eq!(read.matches(line).count(), 1, "{line} of {composed:?} in {read:?}");
            }
            for line in ["Signed-off-by", "Co-authored-by"] {
                assert_eq!(text.contains(line), read.contains(line), "{composed:?} {read:?}");
            }
        }
    }
}

#[test]
fn a_value_cannot_start_another_line() {
    let trailers = Trailers {
        workspace: "w-abc".to_owned(),
        agent: Some("evil\nSigned-off-by: you".to_owned()),
        host: Some(" \n".to_owned()),
    };
    let composed = String::from_utf8(message(Some("s\0x"), &[], &trailers)).unwrap();
    assert_eq!(composed, "sx\n\nToft-Workspace: w-abc\nToft-Agent: evilSigned-off-by: you\n");
}
