use super::{CacheTree, Entry, Index, MAGIC, Raw, Stat, TREE_EXTENSION, flags};
use crate::git::Hasher;
use crate::types::{HashKind, Oid};
use std::borrow::Cow;
use std::ops::Range;

/// `DIRC`, version, number of entries.
const HEAD: usize = 12;

/// The bytes of an index file.
pub fn encode(index: &Index) -> Vec<u8> {
    let mut writer = Writer::new(index.hash);
    index.entries.iter().for_each(|entry| writer.push(entry));
    let written = writer.finish(index.cache_tree.as_ref());
    let checksum = written.checksum();
    let mut pieces = written.pieces.into_iter().map(Cow::into_owned);
    let mut bytes = pieces.next().unwrap_or_default();
    pieces.for_each(|piece| bytes.extend(piece));
    bytes.extend_from_slice(checksum.as_slice());
    bytes
}

/// An index file that is being made, entry by entry in their order: version 2, or 3 where an entry
/// needs it.
pub struct Writer<'a> {
    hash: HashKind,
    /// The first one begins with room for the head.
    pieces: Vec<Cow<'a, [u8]>>,
    /// Entries that the last piece was copied from, if it was.
    copied: Option<Range<usize>>,
    count: u32,
    extended: bool,
}

/// An index file but for its checksum. What was copied lies where it was.
pub struct Written<'a> {
    hash: HashKind,
    /// One behind the other.
    pub pieces: Vec<Cow<'a, [u8]>>,
}

impl<'a> Writer<'a> {
    /// One without entries.
    pub fn new(hash: HashKind) -> Self {
        let pieces = vec![Cow::Owned(vec![0; HEAD])];
        Self { hash, pieces, copied: None, count: 0, extended: false }
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: &Entry) {
        push_entry(self.own(), entry);
        self.extended |= needs_extended_flags(entry);
        self.count += 1;
    }

    /// Adds entries as they stand in another file, always the same.
    pub fn copy(&mut self, from: &'a Raw, entries: Range<usize>) {
        self.count += u32::try_from(entries.len()).expect("prefill and git both stop before");
        self.extended |= from.version == 3;
        let joined = match self.copied.take().filter(|copied| copied.end == entries.start) {
            Some(copied) => {
                self.pieces.pop();
                copied.start..entries.end
            }
            None => entries,
        };
        self.pieces.push(Cow::Borrowed(from.bytes(&joined)));
        self.copied = Some(joined);
    }

    /// Ends the file.
    pub fn finish(mut self, cache_tree: Option<&CacheTree>) -> Written<'a> {
        if let Some(tree) = cache_tree {
            push_cache_tree(self.own(), tree);
        }
        let version: u32 = if self.extended { 3 } else { 2 };
        let numbers = [version, self.count].map(u32::to_be_bytes).concat();
        self.pieces[0].to_mut()[..HEAD].copy_from_slice(&[MAGIC.as_slice(), &numbers].concat());
        Written { hash: self.hash, pieces: self.pieces }
    }

    /// A piece to add to.
    fn own(&mut self) -> &mut Vec<u8> {
        if self.copied.take().is_some() {
            self.pieces.push(Cow::Owned(Vec::new()));
        }
        self.pieces.last_mut().expect("one from the beginning").to_mut()
    }
}

impl Written<'_> {
    /// What stands at the end of the file.
    pub fn checksum(&self) -> Oid {
        let mut hasher = Hasher::new(self.hash);
        self.pieces.iter().for_each(|piece| hasher.update(piece));
        // All zero means "not checked": better than a repository that can stop us by its file names.
        hasher.finish().unwrap_or_else(|| self.hash.null())
    }
}

fn needs_extended_flags(entry: &Entry) -> bool {
    entry.skip_worktree || entry.intent_to_add
}

fn push_entry(bytes: &mut Vec<u8>, entry: &Entry) {
    let start = bytes.len();
    push_stat(bytes, entry);
    bytes.extend_from_slice(entry.oid.as_slice());
    let length = u16::try_from(entry.path.len()).unwrap_or(flags::NAME_MASK);
    let mut bits = length.min(flags::NAME_MASK) | u16::from(entry.stage) << flags::STAGE_SHIFT;
    if entry.assume_valid {
        bits |= flags::ASSUME_VALID;
    }
    if needs_extended_flags(entry) {
        bytes.extend_from_slice(&(bits | flags::EXTENDED).to_be_bytes());
        let mut more = 0;
        if entry.skip_worktree {
            more |= flags::SKIP_WORKTREE;
        }
        if entry.intent_to_add {
            more |= flags::INTENT_TO_ADD;
        }
        bytes.extend_from_slice(&more.to_be_bytes());
    } else {
        bytes.extend_from_slice(&bits.to_be_bytes());
    }
    bytes.extend_from_slice(&entry.path);
    // 1 to 8 NULs, up to a multiple of eight.
    let end = start + (bytes.len() - start + 8) / 8 * 8;
    bytes.resize(end, 0);
}

fn push_stat(bytes: &mut Vec<u8>, entry: &Entry) {
    let Stat { ctime, mtime, dev, ino, uid, gid, size } = entry.stat;
    let mode = entry.mode.octal();
    for word in [ctime.0, ctime.1, mtime.0, mtime.1, dev, ino, mode, uid, gid, size] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
}

fn push_cache_tree(bytes: &mut Vec<u8>, tree: &CacheTree) {
    bytes.extend_from_slice(TREE_EXTENSION);
    let length_at = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    tree.encode(bytes);
    let length = u32::try_from(bytes.len() - length_at - 4).expect("shorter than the entries");
    bytes[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
}
