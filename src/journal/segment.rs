//! Files of the log: segments of records, and snapshots that stand for all records up to one.
//!
//! `<first sequence, 16 hex digits>.seg` and `<last sequence that it stands for>.snap`.
//! Head = `"toftlog\n" | version u32 | reserved u32`, then frames. The frames of a snapshot are
//! numbered from 1; it is published whole, by rename.

use super::error::JournalError;
use super::frame::decode_frame;
use crate::types::Seq;
use std::path::{Path, PathBuf};

pub(super) const HEAD: usize = 16;
const MAGIC: &[u8; 8] = b"toftlog\n";
const VERSION: u32 = 1;

pub(super) fn head() -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head
}

pub(super) fn path(dir: &Path, first: Seq) -> PathBuf {
    dir.join(format!("{:016x}.seg", first.0))
}

pub(super) fn snapshot_path(dir: &Path, last: Seq) -> PathBuf {
    dir.join(format!("{:016x}.snap", last.0))
}

/// What stands in the folder, in order. Leftovers (`.tmp`) are removed.
#[derive(Default)]
pub(super) struct Listing {
    pub segments: Vec<(Seq, PathBuf)>,
    pub snapshots: Vec<(Seq, PathBuf)>,
}

/// Lists the folder.
pub(super) fn list(dir: &Path) -> Result<Listing, JournalError> {
    let mut found = Listing::default();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io(dir))? {
        let path = entry.map_err(JournalError::io(dir))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let (stem, kind) = name.split_once('.').unwrap_or((name, ""));
        let number = u64::from_str_radix(stem, 16).map(Seq);
        match (kind, number) {
            (_, _) if kind.ends_with("tmp") => {
                std::fs::remove_file(&path).map_err(JournalError::io(&path))?;
            }
            ("seg", Ok(first)) => found.segments.push((first, path)),
            ("snap", Ok(last)) => found.snapshots.push((last, path)),
            _ => {}
        }
    }
    found.segments.sort();
    found.snapshots.sort();
    Ok(found)
}

/// What a segment holds.
pub(super) struct Contents {
    /// Bytes of head and whole frames; what follows is torn.
    pub valid_bytes: u64,
    pub torn_bytes: u64,
    pub last: Option<Seq>,
}

/// Reads a segment and hands each frame to `apply`. A head that is not whole counts as torn.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    mut apply: impl FnMut(Seq, &[u8]) -> Result<(), &'static str>,
) -> Result<Contents, JournalError> {
    let total = bytes.len() as u64;
    let mut contents = Contents { valid_bytes: 0, torn_bytes: total, last: None };
    if !has_head(path, bytes)? {
        return Ok(contents);
    }
    let mut at = HEAD;
    while let Some((seq, payload, length)) = decode_frame(&bytes[at..]) {
        if contents.last.is_some_and(|last| seq.0 != last.0 + 1) {
            break;
        }
        apply(seq, payload).map_err(|why| JournalError::Corrupt {
            path: path.to_owned(),
            offset: at as u64,
            why,
        })?;
        contents.last = Some(seq);
        at += length;
    }
    contents.valid_bytes = at as u64;
    contents.torn_bytes = total - at as u64;
    Ok(contents)
}

fn has_head(path: &Path, bytes: &[u8]) -> Result<bool, JournalError> {
    let Some(head) = bytes.get(..HEAD).filter(|head| &head[..8] == MAGIC) else {
        return Ok(false);
    };
    let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    if version > VERSION {
        return Err(JournalError::Newer { path: path.to_owned(), version });
    }
    Ok(true)
}
