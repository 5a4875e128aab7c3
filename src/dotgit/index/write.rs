use super::{CacheTree, Entry, Index, MAGIC, STAT_BYTES, Stat, TREE_EXTENSION, flags};
use crate::git::Hasher;

/// The bytes of an index file: version 2, or 3 where an entry needs it.
pub fn encode(index: &Index) -> Vec<u8> {
    let extended = index.entries.iter().any(needs_extended_flags);
    let paths: usize = index.entries.iter().map(|entry| entry.path.len()).sum();
    let fixed = STAT_BYTES + index.hash.len_in_bytes() + 12;
    let mut bytes = Vec::with_capacity(index.entries.len() * fixed + paths + 64 * 1024);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(if extended { 3_u32 } else { 2 }).to_be_bytes());
    let count = u32::try_from(index.entries.len()).expect("prefill and git both stop before");
    bytes.extend_from_slice(&count.to_be_bytes());
    for entry in &index.entries {
        push_entry(&mut bytes, entry);
    }
    if let Some(tree) = &index.cache_tree {
        push_cache_tree(&mut bytes, tree);
    }
    let mut hasher = Hasher::new(index.hash);
    hasher.update(&bytes);
    // All zero means "not checked": better than a repository that can stop us by its file names.
    let checksum = hasher.finish().unwrap_or_else(|| index.hash.null());
    bytes.extend_from_slice(checksum.as_slice());
    bytes
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
