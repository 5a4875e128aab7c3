use super::super::error::IndexError;
use super::{CacheTree, Entry, Index, MAGIC, Stat, TREE_EXTENSION, flags};
use crate::git::Hasher;
use crate::types::{HashKind, Oid, TreeMode};

/// Reads an index file. Extensions that are only a help to git are dropped, but for TREE.
pub fn decode(file: &[u8], hash: HashKind) -> Result<Index, IndexError> {
    let content = verify(file, hash)?;
    let mut reader = Reader::new(content);
    let (version, count) = head(&mut reader)?;
    // No entry is shorter than this, so that a wrong count cannot ask for much memory.
    let mut entries = Vec::with_capacity(count.min(content.len() / 48));
    let mut previous: &[u8] = &[];
    for _ in 0..count {
        entries.push(entry(&mut reader, hash, version, previous)?);
        previous = entries.last().map_or(&[], |entry: &Entry| &entry.path);
    }
    if !entries.is_sorted_by(|a, b| (&a.path, a.stage) < (&b.path, b.stage)) {
        return Err(IndexError::Malformed("entries out of order"));
    }
    let cache_tree = extensions(&mut reader, hash)?;
    Ok(Index { hash, entries, cache_tree })
}

/// The version, and how many entries there are.
pub(super) fn head(reader: &mut Reader<'_>) -> Result<(u32, usize), IndexError> {
    if reader.take(4)? != MAGIC {
        return Err(IndexError::Magic);
    }
    let version = reader.u32()?;
    if !(2..=4).contains(&version) {
        return Err(IndexError::Version(version));
    }
    Ok((version, reader.u32()? as usize))
}

/// Cuts off the checksum.
pub(super) fn content_of(file: &[u8], hash: HashKind) -> Result<&[u8], IndexError> {
    let at = file.len().checked_sub(hash.len_in_bytes()).ok_or(IndexError::CutOff)?;
    Ok(&file[..at])
}

/// The same once it is found right; all zero means that git was told to write none
/// (`index.skipHash`).
pub(super) fn verify(file: &[u8], hash: HashKind) -> Result<&[u8], IndexError> {
    let content = content_of(file, hash)?;
    let checksum = &file[content.len()..];
    if checksum.iter().any(|byte| *byte != 0) {
        let mut hasher = Hasher::new(hash);
        hasher.update(content);
        if hasher.finish().is_none_or(|found| found.as_slice() != checksum) {
            return Err(IndexError::Checksum);
        }
    }
    Ok(content)
}

fn entry(
    reader: &mut Reader<'_>,
    hash: HashKind,
    version: u32,
    previous: &[u8],
) -> Result<Entry, IndexError> {
    let start = reader.position();
    let (entry, bits) = stat_and_id(reader, hash, version)?;
    let path = if version == 4 {
        let kept = previous.len().checked_sub(reader.offset_varint()?);
        let kept = kept.ok_or(IndexError::Malformed("a path that shares too much"))?;
        [&previous[..kept], reader.until(0)?].concat()
    } else {
        padded_path(reader, start, bits)?
    };
    Ok(Entry { path, ..entry })
}

/// What stands before the path of an entry, and the flags that tell of its length.
pub(super) fn stat_and_id(
    reader: &mut Reader<'_>,
    hash: HashKind,
    version: u32,
) -> Result<(Entry, u16), IndexError> {
    let mut stat = [0; 10];
    for word in &mut stat {
        *word = reader.u32()?;
    }
    let oid = reader.oid(hash)?;
    let bits = reader.u16()?;
    let more = if bits & flags::EXTENDED != 0 { reader.u16()? } else { 0 };
    if version < 3 && bits & flags::EXTENDED != 0 {
        return Err(IndexError::Malformed("extended flags in version 2"));
    }
    let [ctime, ctime_ns, mtime, mtime_ns, dev, ino, mode, uid, gid, size] = stat;
    let entry = Entry {
        path: Vec::new(),
        mode: mode_of(mode)?,
        oid,
        stage: (bits >> flags::STAGE_SHIFT & 3) as u8,
        assume_valid: bits & flags::ASSUME_VALID != 0,
        skip_worktree: more & flags::SKIP_WORKTREE != 0,
        intent_to_add: more & flags::INTENT_TO_ADD != 0,
        stat: Stat { ctime: (ctime, ctime_ns), mtime: (mtime, mtime_ns), dev, ino, uid, gid, size },
    };
    Ok((entry, bits))
}

/// A path of versions 2 and 3: it ends in 1 to 8 NULs, so that the entry is a multiple of eight.
fn padded_path(reader: &mut Reader<'_>, start: usize, bits: u16) -> Result<Vec<u8>, IndexError> {
    let path = reader.until(0)?.to_vec();
    if path.len().min(flags::NAME_MASK.into()) != usize::from(bits & flags::NAME_MASK) {
        return Err(IndexError::Malformed("a path of another length than it says"));
    }
    let length = reader.position() - start;
    reader.take(length.next_multiple_of(8) - length)?;
    Ok(path)
}

pub(super) fn mode_of(mode: u32) -> Result<TreeMode, IndexError> {
    match TreeMode::from_octal(mode) {
        Some(TreeMode::Tree) => Err(IndexError::Unsupported("sdir".to_owned())),
        Some(mode) => Ok(mode),
        None => Err(IndexError::Malformed("an entry with a strange mode")),
    }
}

/// The cache tree. A name that starts in lower case marks what must be understood.
pub(super) fn extensions(
    reader: &mut Reader<'_>,
    hash: HashKind,
) -> Result<Option<CacheTree>, IndexError> {
    let mut cache_tree = None;
    while !reader.is_empty() {
        let name = reader.take(4)?;
        let length = reader.u32()? as usize;
        let data = reader.take(length)?;
        if name == TREE_EXTENSION {
            cache_tree = Some(CacheTree::decode(data, hash)?);
        } else if !name[0].is_ascii_uppercase() {
            return Err(IndexError::Unsupported(name.escape_ascii().to_string()));
        }
    }
    Ok(cache_tree)
}

/// Takes bytes from the front.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], IndexError> {
        let (taken, _) = self.bytes[self.at..].split_at_checked(count).ok_or(IndexError::CutOff)?;
        self.at += count;
        Ok(taken)
    }

    /// Bytes up to `end`, which is taken too.
    pub(super) fn until(&mut self, end: u8) -> Result<&'a [u8], IndexError> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == end).ok_or(IndexError::CutOff)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    pub(super) fn u32(&mut self) -> Result<u32, IndexError> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    pub(super) fn u16(&mut self) -> Result<u16, IndexError> {
        let bytes = self.take(2)?;
        Ok(u16::from(bytes[0]) << 8 | u16::from(bytes[1]))
    }

    pub(super) fn oid(&mut self, hash: HashKind) -> Result<Oid, IndexError> {
        Ok(Oid::from_bytes_or_panic(self.take(hash.len_in_bytes())?))
    }

    /// The variable-width number of pack offsets.
    fn offset_varint(&mut self) -> Result<usize, IndexError> {
        let mut byte = self.take(1)?[0];
        let mut value = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.take(1)?[0];
            let next = value.checked_add(1).and_then(|value| value.checked_mul(128));
            value = next.ok_or(IndexError::CutOff)? + usize::from(byte & 0x7f);
        }
        Ok(value)
    }
}
