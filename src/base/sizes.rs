//! The sizes of a commit's files, as a sorted file that all workspaces of a remote read.
//!
//! A pack tells a size only by undoing the beginning of a delta, some 10 us each, and the first walk
//! through a mount asks for all of them. The file is a cache and was not synced: what is torn is none.
//!
//! Entries `id | size u64 | crc32c u32 of both`, in the order of the ids; then a fanout as in a pack's
//! index: how many entries come before those whose ids begin with these bits, u32 each, by as many
//! leading bits as leave half of [`WINDOW`] entries to each, and the number of all. Little-endian.

use crate::types::{HashKind, Oid};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

const SIZE_LEN: usize = 8;
const CRC_LEN: usize = 4;
const NUMBER_LEN: usize = 4;
/// The most entries that are read at once; half as many are usual.
const WINDOW: usize = 64;

/// Tells sizes without looking at objects.
#[derive(Debug)]
pub struct SizeTable {
    file: File,
    hash: HashKind,
    entries: usize,
}

impl SizeTable {
    /// Opens the table at `path`, which was made for objects of this kind.
    pub fn open(path: &Path, hash: HashKind) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut end = [0; NUMBER_LEN];
        file.read_exact_at(&mut end, len.saturating_sub(NUMBER_LEN as u64))?;
        let entries = number(&end);
        let whole = entries * entry_len(hash) + ((1 << bits_for(entries)) + 1) * NUMBER_LEN;
        match whole as u64 == len {
            true => Ok(Self { file, hash, entries }),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The bytes of a table of `sizes`.
    pub fn encode(hash: HashKind, mut sizes: Vec<(Oid, u64)>) -> Vec<u8> {
        sizes.sort_unstable();
        sizes.dedup();
        let bits = bits_for(sizes.len());
        let mut fanout = vec![0_u32; 1 << bits];
        let mut bytes = Vec::with_capacity(sizes.len() * entry_len(hash) + fanout.len() * 4);
        for (oid, size) in &sizes {
            let start = bytes.len();
            bytes.extend_from_slice(oid.as_bytes());
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(&crc32c::crc32c(&bytes[start..]).to_le_bytes());
            fanout[leading(*oid, bits)] += 1;
        }
        let mut before = 0_u32;
        bytes.extend_from_slice(&before.to_le_bytes());
        for count in &fanout {
            before += count;
            bytes.extend_from_slice(&before.to_le_bytes());
        }
        bytes
    }

    /// The size of the content `oid`, if it is known.
    pub fn get(&self, oid: Oid) -> Option<u64> {
        let mut place = self.place(oid).ok()?;
        // Only ids that somebody chose lie so close together.
        while place.len() > WINDOW {
            let middle = place.start.midpoint(place.end);
            let entry = self.read(middle..middle + 1).ok()?;
            if entry[..self.hash.len_in_bytes()] <= *oid.as_bytes() {
                place.start = middle;
            } else {
                place.end = middle;
            }
        }
        let window = self.read(place).ok()?;
        let mut entries = window.chunks(entry_len(self.hash));
        size_of_entry(entries.find(|entry| entry.starts_with(oid.as_bytes()))?)
    }

    /// The entries among which `oid` is.
    fn place(&self, oid: Oid) -> io::Result<Range<usize>> {
        let index = leading(oid, bits_for(self.entries));
        let fanout = self.entries * entry_len(self.hash);
        let mut ends = [0; 2 * NUMBER_LEN];
        self.file.read_exact_at(&mut ends, (fanout + index * NUMBER_LEN) as u64)?;
        let (start, end) = ends.split_at(NUMBER_LEN);
        Ok(number(start)..number(end).min(self.entries))
    }

    fn read(&self, entries: Range<usize>) -> io::Result<Vec<u8>> {
        let len = entry_len(self.hash);
        let mut bytes = vec![0; entries.len() * len];
        self.file.read_exact_at(&mut bytes, (entries.start * len) as u64)?;
        Ok(bytes)
    }
}

/// How many leading bits of an id the fanout tells apart.
fn bits_for(entries: usize) -> u32 {
    (entries * 2 / WINDOW).max(1).ilog2()
}

/// The first `bits` of `oid`.
fn leading(oid: Oid, bits: u32) -> usize {
    let head = u32::from_be_bytes(oid.as_bytes()[..4].try_into().expect("an id is longer"));
    (u64::from(head) >> (32 - bits)) as usize
}

fn number(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize
}

fn size_of_entry(entry: &[u8]) -> Option<u64> {
    let (sized, crc) = entry.split_at(entry.len() - CRC_LEN);
    let size = &sized[sized.len() - SIZE_LEN..];
    let whole = crc32c::crc32c(sized).to_le_bytes() == crc;
    whole.then(|| u64::from_le_bytes(size.try_into().expect("eight bytes")))
}

fn entry_len(hash: HashKind) -> usize {
    hash.len_in_bytes() + SIZE_LEN + CRC_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(hash: HashKind, number: u32) -> Oid {
        let bytes = number.to_le_bytes();
        spread(hash, &bytes)
    }

    /// An id as evenly spread as a real one.
    fn spread(hash: HashKind, seed: &[u8]) -> Oid {
        let mut state = u64::from(crc32c::crc32c(seed)) | 1;
        let bytes: Vec<u8> = (0..hash.len_in_bytes())
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        Oid::from_bytes_or_panic(&bytes)
    }

    fn table(hash: HashKind, sizes: Vec<(Oid, u64)>) -> (tempfile::TempDir, SizeTable) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("sizes");
        std::fs::write(&path, SizeTable::encode(hash, sizes)).expect("room");
        let table = SizeTable::open(&path, hash).expect("it is there");
        (dir, table)
    }

    #[test]
    fn every_size_is_found_and_no_other() {
        for hash in [HashKind::Sha1, HashKind::Sha256] {
            for count in [0, 1, 2, 63, 5000] {
                let sizes = (0..count).map(|number| (oid(hash, number), u64::from(number) << 30));
                let (_dir, table) = table(hash, sizes.clone().chain(sizes).collect());
                for number in 0..count {
                    let found = table.get(oid(hash, number));
                    assert_eq!(found, Some(u64::from(number) << 30), "{number} of {count}");
                }
                assert!((count..count + 500).all(|number| table.get(oid(hash, number)).is_none()));
            }
        }
    }

    /// Whoever makes a repository may choose contents whose ids lie close together.
    #[test]
    fn ids_in_a_heap_are_found_too() {
        let close = |number: u32| {
            let mut bytes = [0x77; 20];
            bytes[16..].copy_from_slice(&number.to_be_bytes());
            Oid::from_bytes_or_panic(&bytes)
        };
        let sizes = (0..20_000).map(|number| (close(number), u64::from(number)));
        let (_dir, table) = table(HashKind::Sha1, sizes.collect());
        for number in (0..20_000).step_by(97) {
            assert_eq!(table.get(close(number)), Some(u64::from(number)));
        }
    }

    #[test]
    fn an_entry_that_is_torn_is_none() {
        let hash = HashKind::Sha1;
        let (dir, table) = table(hash, vec![(oid(hash, 1), 10), (oid(hash, 2), 20)]);
        let path = dir.path().join("sizes");
        let mut bytes = std::fs::read(&path).expect("the table");
        bytes[entry_len(hash) - CRC_LEN - 1] ^= 1;
        std::fs::write(&path, &bytes).expect("room");
        let found = [1, 2].map(|number| table.get(oid(hash, number)));
        assert_eq!(found.iter().filter(|found| found.is_some()).count(), 1, "{found:?}");
        for len in [0, 3, 40, bytes.len() as u64 - 1] {
            File::options().write(true).open(&path).expect("it").set_len(len).expect("cut");
            assert!(SizeTable::open(&path, hash).is_err(), "cut to {len}");
        }
    }
}
