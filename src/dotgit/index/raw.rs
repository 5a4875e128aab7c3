use super::read::{Reader, content_of, extensions, head, mode_of, stat_and_id, verify};
use super::{CacheTree, Entry, STAT_BYTES, flags};
use crate::dotgit::error::IndexError;
use crate::types::HashKind;
use std::cmp::Ordering;
use std::ops::Range;

/// Where the mode stands in an entry.
const MODE: usize = 24;

/// An index file of version 2 or 3 whose entries stay bytes: one is found by its path, and many are
/// copied in one piece ([`super::Writer::copy`]). To take them all apart and to put them together
/// again is most of the work that a large index makes.
pub struct Raw {
    file: Vec<u8>,
    hash: HashKind,
    pub(super) version: u32,
    /// Where each entry begins, and where the last one ends.
    starts: Vec<usize>,
    /// Trees that git need not compute again; None when it knows of none.
    pub cache_tree: Option<CacheTree>,
}

impl Raw {
    /// Looks through an index file; not one of version 4, whose entries depend on each other. The
    /// checksum is not compared where the file is known to be as it was written.
    pub fn read(file: Vec<u8>, hash: HashKind, known: bool) -> Result<Self, IndexError> {
        let content = if known { content_of(&file, hash)? } else { verify(&file, hash)? };
        let mut reader = Reader::new(content);
        let (version, count) = head(&mut reader)?;
        if version == 4 {
            return Err(IndexError::Version(version));
        }
        // No entry is shorter than this, so that a wrong count cannot ask for much memory.
        let mut starts = Vec::with_capacity(count.min(content.len() / 48) + 1);
        starts.push(reader.position());
        let mut previous: Option<(&[u8], u8)> = None;
        for _ in 0..count {
            let (path, bits) = look(reader.rest(), hash, version)?;
            let stage = stage_of(bits);
            if previous.is_some_and(|previous| previous >= (path, stage)) {
                return Err(IndexError::Malformed("entries out of order"));
            }
            previous = Some((path, stage));
            let fixed = fixed_len(hash, bits);
            // 1 to 8 NULs, up to a multiple of eight.
            reader.take((fixed + path.len() + 8) / 8 * 8)?;
            starts.push(reader.position());
        }
        let cache_tree = extensions(&mut reader, hash)?;
        Ok(Self { file, hash, version, starts, cache_tree })
    }

    /// The hash of the repository.
    pub fn hash(&self) -> HashKind {
        self.hash
    }

    /// The entries below the directory `path` (with the slash).
    pub fn below(&self, path: &[u8]) -> Range<usize> {
        let start = self.first(|at| self.path(at).0 < path);
        start..self.first(|at| {
            let (found, _) = self.path(at);
            found < path || found.starts_with(path)
        })
    }

    /// The entry of `path` that is in no conflict, and where it is.
    pub fn find(&self, path: &[u8]) -> Option<(usize, Entry)> {
        let at = self.first(|at| self.path(at).cmp(&(path, 0)) == Ordering::Less);
        if at == self.len() || self.path(at) != (path, 0) {
            return None;
        }
        let bytes = self.bytes(&(at..at + 1));
        let (entry, _) = stat_and_id(&mut Reader::new(bytes), self.hash, self.version).ok()?;
        Some((at, Entry { path: path.to_vec(), ..entry }))
    }

    /// The bytes of these entries.
    pub(super) fn bytes(&self, entries: &Range<usize>) -> &[u8] {
        &self.file[self.starts[entries.start]..self.starts[entries.end]]
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The first entry that is not `before`, of which all others are.
    fn first(&self, before: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if before(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Path and stage of an entry.
    fn path(&self, at: usize) -> (&[u8], u8) {
        let (path, bits) = look(&self.file[self.starts[at]..], self.hash, self.version)
            .expect("it was looked at before");
        (path, stage_of(bits))
    }
}

/// Path and flags of the entry that `bytes` begin with.
fn look(bytes: &[u8], hash: HashKind, version: u32) -> Result<(&[u8], u16), IndexError> {
    let mut reader = Reader::new(bytes);
    reader.take(MODE)?;
    mode_of(reader.u32()?)?;
    reader.take(STAT_BYTES + hash.len_in_bytes() - MODE - 4)?;
    let bits = reader.u16()?;
    if bits & flags::EXTENDED != 0 {
        if version < 3 {
            return Err(IndexError::Malformed("extended flags in version 2"));
        }
        reader.u16()?;
    }
    let told = usize::from(bits & flags::NAME_MASK);
    let path = if told < flags::NAME_MASK.into() {
        let path = reader.take(told)?;
        if reader.take(1)? != [0] || path.contains(&0) {
            return Err(IndexError::Malformed("a path of another length than it says"));
        }
        path
    } else {
        let path = reader.until(0)?;
        if path.len() < told {
            return Err(IndexError::Malformed("a path of another length than it says"));
        }
        path
    };
    Ok((path, bits))
}

/// Bytes of an entry before its path.
fn fixed_len(hash: HashKind, bits: u16) -> usize {
    let extended = if bits & flags::EXTENDED != 0 { 2 } else { 0 };
    STAT_BYTES + hash.len_in_bytes() + 2 + extended
}

fn stage_of(bits: u16) -> u8 {
    (bits >> flags::STAGE_SHIFT & 3) as u8
}
