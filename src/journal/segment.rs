//! Segment files: names, head, and reading one.
//!
//! `<first sequence, 16 hex digits>.seg`; head = `"toftlog\n" | version u32 | flags u32`.
//! A segment with the flag SNAPSHOT starts from nothing: older segments are not needed.

use super::error::JournalError;
use super::frame::decode_frame;
use crate::types::Seq;
use std::path::{Path, PathBuf};

pub(super) const HEAD: usize = 16;
const MAGIC: &[u8; 8] = b"toftlog\n";
const VERSION: u32 = 1;
const SNAPSHOT: u32 = 1;

pub(super) fn head(snapshot: bool) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let flags = if snapshot { SNAPSHOT } else { 0 };
    head[12..].copy_from_slice(&u32::to_le_bytes(flags));
    head
}

pub(super) fn path(dir: &Path, first: Seq) -> PathBuf {
    dir.join(format!("{:016x}.seg", first.0))
}

/// The segments of `dir` in order, by first sequence number. Leftovers (`.tmp`) are removed.
pub(super) fn list(dir: &Path) -> Result<Vec<(Seq, PathBuf)>, JournalError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io(dir))? {
        let path = entry.map_err(JournalError::io(dir))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.ends_with(".tmp") {
            std::fs::remove_file(&path).map_err(JournalError::io(&path))?;
        } else if let Some(stem) = name.strip_suffix(".seg")
            && let Ok(first) = u64::from_str_radix(stem, 16)
        {
            found.push((Seq(first), path));
        }
    }
    found.sort();
    Ok(found)
}

/// What a segment holds.
pub(super) struct Contents {
    pub snapshot: bool,
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
    let mut contents = Contents { snapshot: false, valid_bytes: 0, torn_bytes: total, last: None };
    let Some(snapshot) = read_head(path, bytes)? else { return Ok(contents) };
    contents.snapshot = snapshot;
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

/// Whether the segment is a snapshot; None when the head is not whole.
pub(super) fn read_head(path: &Path, bytes: &[u8]) -> Result<Option<bool>, JournalError> {
    let Some(head) = bytes.get(..HEAD) else { return Ok(None) };
    if &head[..8] != MAGIC {
        return Ok(None);
    }
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let version = number(8);
    if version > VERSION {
        return Err(JournalError::Newer { path: path.to_owned(), version });
    }
    Ok(Some(number(12) & SNAPSHOT != 0))
}
