//! A whole log of segments and snapshots, in any state: it opens or is refused; what was read once
//! is read again, and what is appended then is read too.
#![no_main]

#[path = "parts.rs"]
mod parts;

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::Arc;
use toft::journal::{Journal, Room, decode_frame, encode_frame};
use toft::sys::OsDisk;
use toft::types::Seq;

// Each part is a file: `kind u8 | number u8 | pieces`. A piece is `tag u8 | length u8 | bytes`: by its
// tag a whole frame (of the next number, or of a number of its own) or raw bytes.
fuzz_target!(|input: &[u8]| {
    if let Some((seq, payload, length)) = decode_frame(input) {
        assert_eq!(encode_frame(seq, payload), input[..length]);
    }
    let dir = tempfile::tempdir().expect("room for a log");
    for file in parts::split(input).into_iter().take(16) {
        if let [kind, number, pieces @ ..] = file {
            write(dir.path(), *kind, *number, pieces);
        }
    }
    let Some(first) = replay(dir.path(), None) else { return };
    let mut again = replay(dir.path(), Some(b"one more")).expect("what opened once opens again");
    assert_eq!(again, first, "a second replay says something else");
    again.push(b"one more".to_vec());
    assert_eq!(replay(dir.path(), None), Some(again), "what was appended is not there");
});

fn write(dir: &Path, kind: u8, number: u8, mut pieces: &[u8]) {
    let kind = ["seg", "snap", "seg.tmp", "cut"][usize::from(kind % 4)];
    let mut bytes = b"toftlog\n\x01\0\0\0\0\0\0\0".to_vec();
    let mut next = if kind == "snap" { 1 } else { u64::from(number) };
    while let [tag, length, rest @ ..] = pieces {
        let (piece, rest) = rest.split_at(rest.len().min((*length).into()));
        match tag {
            0..128 if !piece.is_empty() => {
                bytes.extend(encode_frame(Seq(next), piece));
                next += 1;
            }
            128..160 if !piece.is_empty() => bytes.extend(encode_frame(Seq((*tag).into()), piece)),
            // In the place of everything so far, the head included.
            160..168 => bytes = piece.to_vec(),
            168..176 => bytes.truncate(bytes.len().saturating_sub(piece.len())),
            _ => bytes.extend(piece),
        }
        pieces = rest;
    }
    std::fs::write(dir.join(format!("{number:016x}.{kind}")), bytes).expect("a file of the log");
}

/// All records, of those before `append`.
fn replay(dir: &Path, append: Option<&[u8]>) -> Option<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    let take = |_: Seq, payload: &[u8]| {
        records.push(payload.to_vec());
        if payload == b"refused" { Err("not a record of ours") } else { Ok(()) }
    };
    let (journal, _) = Journal::open(dir, Arc::new(OsDisk::default()), take).ok()?;
    if let Some(payload) = append {
        journal.append(payload, Room::Ordinary(0)).expect("the log takes records");
        journal.sync().expect("and keeps them");
    }
    Some(records)
}
